/**
 * Makes `updatedAt` and `updatedBy` of documents follow their edits, in one statement for all of them now and then: both
 * are indexed, and written with every commit they would cost more than it. They are late after a crash until the
 * next edit; nothing else is lost.
 */
import type { Logger } from "../observability/log.ts";
import type { DocumentEdit, Store } from "../store/store.ts";

export interface EditTimes {
  /** The newest edit of its document on this instance. */
  edited(edit: DocumentEdit): void;
  /** Writes what waits. */
  close(): Promise<void>;
}

export interface EditTimesOptions {
  readonly store: { readonly documents: Pick<Store["documents"], "touch"> };
  readonly log: Logger;
  /** From an edit to its writing: docs/rest.md says how late `updatedAt` is. */
  readonly everyMs?: number;
}

/** Documents of one statement: it holds their rows, and commits to them wait meanwhile. */
const atOnce = 100;

export function createEditTimes({ store, log, everyMs = 15_000 }: EditTimesOptions): EditTimes {
  const edits = new Map<string, DocumentEdit>();
  let timer: NodeJS.Timeout | undefined;

  function schedule(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      void write();
    }, everyMs);
  }

  async function write(): Promise<void> {
    const all = [...edits.values()];
    edits.clear();
    for (let from = 0; from < all.length; from += atOnce) {
      try {
        await store.documents.touch(all.slice(from, from + atOnce));
      } catch (cause) {
        const rest = all.slice(from);
        log.warn({ err: cause, documents: rest.length }, "could not write when documents were edited");
        // Those that were edited again meanwhile have a newer one.
        for (const edit of rest) if (!edits.has(edit.docId)) edits.set(edit.docId, edit);
        schedule();
        return;
      }
    }
  }

  return {
    edited(edit) {
      edits.set(edit.docId, edit);
      schedule();
    },
    async close() {
      clearTimeout(timer);
      await write();
      clearTimeout(timer);
    },
  };
}
