/**
 * Writes expiries of open documents, as releases are written. Rooms that saw a lease run out in one moment share a
 * statement; only the database's clock decides which are over.
 */
import type { News } from "../fanout/news.ts";
import type { LockStore } from "../store/store.ts";

export interface LockSweep {
  /** Resolves when the document's expired locks are written, as far as its row was free. Rejects with `StoreUnavailable`. */
  sweep(docId: string): Promise<void>;
}

export function createLockSweep(options: {
  readonly store: { readonly locks: Pick<LockStore, "cleanExpired"> };
  readonly publish: (news: News) => void;
}): LockSweep {
  const { store, publish } = options;
  let next: { readonly docIds: Set<string>; readonly swept: Promise<void> } | undefined;
  let running: Promise<void> = Promise.resolve();

  async function run(docIds: ReadonlySet<string>): Promise<void> {
    next = undefined;
    const ended = await store.locks.cleanExpired([...docIds]);
    if (ended > 0) for (const docId of docIds) publish({ kind: "change", docId });
  }

  return {
    sweep(docId) {
      if (next === undefined) {
        const docIds = new Set<string>();
        const swept = running.then(() => run(docIds));
        running = swept.catch(() => undefined);
        next = { docIds, swept };
      }
      next.docIds.add(docId);
      return next.swept;
    },
  };
}
