/**
 * The rows of sessions and the leases behind them. Joins and leaves of one moment share a statement (a reconnect
 * storm is a few statements, not thousands), and `active_users` follows a little later, once for all of them.
 *
 * Joins, leaves and `active_users` have a lane each, one statement at a time, so that none waits for another; but a
 * leave waits until nothing of its session's join is under way. A row that somebody holds delays nobody else: what needs
 * it is left by the statement and comes again, a join until whoever joins would give up.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../observability/log.ts";
import { type Store, StoreUnavailable } from "../store/store.ts";

type SessionRow = Parameters<Store["sessions"]["join"]>[0][number];

export interface SessionRows {
  /** Resolves when the row is stored. Rejects with `StoreUnavailable`. */
  join(row: SessionRow): Promise<void>;
  leave(docId: string, sessionId: string): void;
  /**
   * Ends the instance's rows of sessions that are not here: a join that was given up may happen after its leave. Rejects
   * with `StoreUnavailable`.
   */
  leaveAbsent(instanceId: string): Promise<void>;
  /** Makes `active_users` of these documents follow, soon. */
  refresh(docIds: Iterable<string>): void;
  /** Writes what waits. */
  close(): Promise<void>;
}

export interface SessionRowsOptions {
  readonly store: Pick<Store, "sessions">;
  readonly log: Logger;
  /**
   * Pause before `active_users` is written: a reload is a leave and a join, and needs no write at all. Also before what
   * was left comes again.
   */
  readonly refreshAfterMs?: number;
}

interface Join {
  readonly row: SessionRow;
  readonly askedAtMs: number;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

/** Half of the time in which a join is to be answered. */
const heldMs = 5_000;
/** Another instance's commit holds a row for milliseconds. */
const closingTries = 4;

export function createSessionRows({ store, log, refreshAfterMs = 150 }: SessionRowsOptions): SessionRows {
  let joins: Join[] = [];
  /** Of documents whose rows are held. */
  let heldJoins: Join[] = [];
  /** Documents by session. */
  const leaves = new Map<string, string>();
  /** Sessions that joined, or are about to, and have not left. */
  const present = new Set<string>();
  let underWay = new Set<string>();
  const stale = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let closing = false;
  const joinLane = createLane(recordJoins);
  const leaveLane = createLane(recordLeaves);
  const refreshLane = createLane(refreshNow);

  async function recordJoins(): Promise<void> {
    while (joins.length > 0) {
      const joining = joins;
      joins = [];
      // One whose role changed at once is there twice; no statement writes a row twice.
      const rows = new Map(joining.map(({ row }) => [row.id, row]));
      underWay = new Set(rows.keys());
      try {
        const held = new Set(await store.sessions.join([...rows.values()]));
        for (const join of joining) {
          if (held.has(join.row.docId)) holdBack(join);
          else {
            stale.add(join.row.docId);
            join.resolve();
          }
        }
      } catch (cause) {
        for (const { reject } of joining) reject(cause);
      }
      underWay.clear();
      schedule();
      leaveLane.start();
    }
  }

  function holdBack(join: Join): void {
    if (performance.now() - join.askedAtMs < heldMs) heldJoins.push(join);
    else join.reject(new StoreUnavailable("the document's row is held"));
  }

  async function recordLeaves(): Promise<void> {
    for (;;) {
      const joining = new Set([...joins, ...heldJoins].map(({ row }) => row.id));
      const leaving = [...leaves].filter(
        ([sessionId]) => !joining.has(sessionId) && !underWay.has(sessionId),
      );
      if (leaving.length === 0) return;
      try {
        const held = new Set(await store.sessions.leave(leaving.map(([sessionId]) => sessionId)));
        for (const [sessionId, docId] of leaving) {
          if (held.has(sessionId)) continue;
          leaves.delete(sessionId);
          stale.add(docId);
        }
        schedule();
        if (held.size > 0) return;
      } catch (cause) {
        // The rows end with the instance's lease at the latest; trying again keeps them from lingering until then.
        log.warn({ err: cause, sessions: leaving.length }, "could not record that sessions left");
        schedule();
        return;
      }
    }
  }

  function schedule(): void {
    // What a close finds it writes itself, and what it cannot write nobody may write after it.
    if (closing) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      joins = [...heldJoins, ...joins];
      heldJoins = [];
      if (joins.length > 0) joinLane.start();
      if (leaves.size > 0) leaveLane.start();
      if (stale.size > 0) refreshLane.start();
    }, refreshAfterMs);
  }

  /** False: it failed. */
  async function refreshNow(): Promise<boolean> {
    if (stale.size === 0) return true;
    const docIds = [...stale];
    stale.clear();
    try {
      for (const docId of await store.sessions.refreshActiveUsers(docIds)) stale.add(docId);
      if (stale.size > 0) schedule();
      return true;
    } catch (cause) {
      log.warn({ err: cause, documents: docIds.length }, "could not write active users");
      for (const docId of docIds) stale.add(docId);
      schedule();
      return false;
    }
  }

  function refresh(docIds: Iterable<string>): void {
    for (const docId of docIds) stale.add(docId);
    schedule();
  }

  return {
    join: (row) =>
      new Promise((resolve, reject) => {
        present.add(row.id);
        joins.push({ row, askedAtMs: performance.now(), resolve, reject });
        joinLane.start();
      }),
    leave(docId, sessionId) {
      present.delete(sessionId);
      leaves.set(sessionId, docId);
      leaveLane.start();
    },
    async leaveAbsent(instanceId) {
      refresh(await store.sessions.leaveAbsent(instanceId, [...present]));
    },
    refresh,
    async close() {
      closing = true;
      clearTimeout(timer);
      await joinLane.settled();
      for (const { reject } of heldJoins) reject(new StoreUnavailable("closing"));
      heldJoins = [];
      await leaveLane.settled();
      await recordLeaves();
      await refreshLane.settled();
      for (let tries = 1; (await refreshNow()) && stale.size > 0 && tries < closingTries; tries += 1)
        await delay(refreshAfterMs);
    },
  };
}

interface Lane {
  /** Does the work soon, with all that comes in this turn; once more when it is being done. */
  start(): void;
  settled(): Promise<void>;
}

function createLane(work: () => Promise<unknown>): Lane {
  let running: Promise<void> | undefined;
  let again = false;
  function start(): void {
    again = running !== undefined;
    running ??= new Promise<void>((done) => {
      setImmediate(() => void work().finally(() => done()));
    }).finally(() => {
      running = undefined;
      if (again) start();
    });
  }
  return {
    start,
    async settled() {
      while (running !== undefined) await running;
    },
  };
}
