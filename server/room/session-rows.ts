/**
 * The rows of sessions and the leases behind them. Joins and leaves of one moment share a statement (a reconnect
 * storm is a few statements, not thousands), and `active_users` follows a little later, once for all of them.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";

type SessionRow = Parameters<Store["sessions"]["join"]>[0][number];

export interface SessionRows {
  /** Resolves when the row is stored. */
  join(row: SessionRow): Promise<void>;
  leave(docId: string, sessionId: string): void;
  /** Makes `active_users` of these documents follow, soon. */
  refresh(docIds: Iterable<string>): void;
  /** Writes what waits. */
  close(): Promise<void>;
}

export interface SessionRowsOptions {
  readonly store: Pick<Store, "sessions">;
  readonly log: Logger;
  /** Pause before `active_users` is written: a reload is a leave and a join, and needs no write at all. */
  readonly refreshAfterMs?: number;
}

/** Another instance's commit holds a row for milliseconds. */
const closingTries = 4;

export function createSessionRows({ store, log, refreshAfterMs = 150 }: SessionRowsOptions): SessionRows {
  let joins: { row: SessionRow; resolve: () => void; reject: (cause: unknown) => void }[] = [];
  let leaves = new Map<string, string>();
  const stale = new Set<string>();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  function pump(): void {
    running ??= new Promise<void>((done) => {
      setImmediate(() => void run().finally(() => done()));
    }).finally(() => {
      running = undefined;
      if (joins.length > 0) pump();
    });
  }

  async function run(): Promise<void> {
    while (joins.length > 0 || leaves.size > 0) {
      const joining = joins;
      const leaving = leaves;
      joins = [];
      leaves = new Map();
      try {
        // One whose role changed at once is there twice; no statement writes a row twice.
        const rows = new Map(joining.map(({ row }) => [row.id, row]));
        if (rows.size > 0) await store.sessions.join([...rows.values()]);
        for (const { row, resolve } of joining) {
          stale.add(row.docId);
          resolve();
        }
      } catch (cause) {
        for (const { reject } of joining) reject(cause);
      }
      try {
        if (leaving.size > 0) await store.sessions.leave([...leaving.keys()]);
        for (const docId of leaving.values()) stale.add(docId);
      } catch (cause) {
        // The rows end with the instance's lease at the latest; trying again keeps them from lingering until then.
        for (const [sessionId, docId] of leaving) leaves.set(sessionId, docId);
        log.warn({ err: cause, sessions: leaving.size }, "could not record that sessions left");
        schedule();
        return;
      }
      schedule();
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (leaves.size > 0) pump();
      void refreshNow();
    }, refreshAfterMs);
  }

  async function refreshNow(): Promise<void> {
    if (stale.size === 0) return;
    const docIds = [...stale];
    stale.clear();
    try {
      for (const docId of await store.sessions.refreshActiveUsers(docIds)) stale.add(docId);
      if (stale.size > 0) schedule();
    } catch (cause) {
      log.warn({ err: cause, documents: docIds.length }, "could not write active users");
      for (const docId of docIds) stale.add(docId);
      schedule();
    }
  }

  return {
    join: (row) =>
      new Promise((resolve, reject) => {
        joins.push({ row, resolve, reject });
        pump();
      }),
    leave(docId, sessionId) {
      leaves.set(sessionId, docId);
      pump();
    },
    refresh(docIds) {
      for (const docId of docIds) stale.add(docId);
      schedule();
    },
    async close() {
      await running;
      clearTimeout(timer);
      timer = undefined;
      if (leaves.size > 0) await run();
      clearTimeout(timer);
      for (let tries = 0; stale.size > 0 && tries < closingTries; tries += 1) {
        if (tries > 0) await delay(refreshAfterMs);
        await refreshNow();
      }
      clearTimeout(timer);
    },
  };
}
