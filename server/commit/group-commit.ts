/**
 * Group commit. While a round trip is in flight, batches of all rooms collect; the next call carries them together.
 * Under light load nobody waits: a batch leaves with all others of the callback in which it came.
 *
 * A call takes the free rows only. A document whose row somebody else holds (`busy`) goes again by itself and
 * waits there, so that one held row delays one document and not the hundred that shared its call.
 *
 * A failed call may have been stored: it is repeated with the same operation ids, which the store recognises
 * (`repeat`), until `retryForMs` is over; then the outcome is `unknown`, which is neither an acknowledgement
 * nor a refusal. A value that the database refuses as such is found by halving the call, so that only the
 * document that carries it hears of it.
 *
 * Who calls what: a room has at most one batch here at a time (the caller's duty; two batches of one document in
 * one call would break `Store.commit`'s contract).
 */
import { setTimeout as delay } from "node:timers/promises";
import type { CommitResult, DocumentBatch, Store } from "../store/store.ts";
import { StoreRefused, StoreUnavailable } from "../store/store.ts";

export type CommitOutcome =
  | Exclude<CommitResult, { outcome: "busy" }>
  /** The store did not answer in time; the batch may be stored. */
  | { readonly outcome: "unknown"; readonly cause: unknown }
  /** The database refuses a value in this batch (SQLSTATE class 22 or 23); nothing of it is stored. */
  | { readonly outcome: "refused"; readonly cause: unknown };

export interface GroupCommitOptions {
  readonly store: Pick<Store, "commit">;
  /** Calls in flight at most; a connection each. */
  readonly flights: number;
  /** Operations of one call at most; a larger single batch goes alone. */
  readonly maxBatchOperations: number;
  /** How long a failing call is repeated, in milliseconds. */
  readonly retryForMs: number;
  readonly random: () => number;
  readonly onCommit?: (measure: { seconds: number; operations: number; documents: number }) => void;
}

export interface GroupCommit {
  commit(batch: DocumentBatch): Promise<CommitOutcome>;
  /** Waits for what is in flight or queued. */
  close(): Promise<void>;
}

interface Entry {
  /** How often its row was held by somebody else. */
  busy: number;
  readonly batch: DocumentBatch;
  readonly resolve: (outcome: CommitOutcome) => void;
}

const firstRetryMs = 25;
const maxRetryMs = 500;
/**
 * A row is mostly held by another instance's call, for a millisecond or two: it is tried again with everybody else's
 * before it goes alone. Going alone at once left the slower of two instances with 7 % of the operations. What was alone
 * anyway waits at once: asking again and again costs PostgreSQL a call each, and the wait ends when the row is free.
 */
const busyTries = 4;
/** Documents that wait for their row at the same time, a connection each. */
const waitingFlights = 4;

/** Calls of one kind: those that take what is free, and those of a single document that wait for its row. */
interface Lane {
  readonly wait: boolean;
  readonly flights: number;
  readonly maxOperations: number;
  queue: Entry[];
  inFlight: number;
  scheduled: boolean;
}

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { store, retryForMs, random, onCommit } = options;
  const free: Lane = lane(false, options.flights, options.maxBatchOperations);
  // Apart from the shared calls: who waits for a stranger must not take a place from documents that are free.
  const waiting: Lane = lane(true, waitingFlights, 0);
  let idle: (() => void) | undefined;

  function enqueue(to: Lane, entry: Entry): void {
    to.queue.push(entry);
    schedule(to);
  }

  function schedule(to: Lane): void {
    if (to.scheduled || to.queue.length === 0 || to.inFlight >= to.flights) return;
    to.scheduled = true;
    process.nextTick(() => {
      to.scheduled = false;
      while (to.queue.length > 0 && to.inFlight < to.flights) fly(to, take(to));
    });
  }

  /** As many batches as fit one call, at least one. */
  function take(from: Lane): Entry[] {
    let operations = 0;
    let count = 0;
    for (const entry of from.queue) {
      operations += entry.batch.operations.length;
      if (count > 0 && operations > from.maxOperations) break;
      count += 1;
    }
    return from.queue.splice(0, count);
  }

  function fly(on: Lane, entries: readonly Entry[]): void {
    on.inFlight += 1;
    void run(entries, on.wait).finally(() => {
      on.inFlight -= 1;
      schedule(on);
      if (isIdle()) idle?.();
    });
  }

  async function run(entries: readonly Entry[], wait: boolean): Promise<void> {
    const batches = entries.map((entry) => entry.batch);
    const deadline = performance.now() + retryForMs;
    for (let attempt = 0; ; attempt += 1) {
      const startedAt = performance.now();
      try {
        const results = await store.commit(batches, { wait });
        onCommit?.({
          seconds: (performance.now() - startedAt) / 1000,
          operations: batches.reduce((sum, batch) => sum + batch.operations.length, 0),
          documents: batches.length,
        });
        settle(entries, results);
        return;
      } catch (cause) {
        if (cause instanceof StoreRefused) return refuse(entries, wait, cause);
        const pause = Math.min(maxRetryMs, firstRetryMs * 2 ** attempt) * (0.5 + random());
        if (!(cause instanceof StoreUnavailable) || performance.now() + pause >= deadline) {
          for (const entry of entries) entry.resolve({ outcome: "unknown", cause });
          return;
        }
        await delay(pause);
      }
    }
  }

  function settle(entries: readonly Entry[], results: readonly CommitResult[]): void {
    entries.forEach((entry, index) => {
      const result = results[index];
      if (result === undefined) {
        entry.resolve({ outcome: "unknown", cause: new Error("the store answered for too few documents") });
      } else if (result.outcome === "busy") {
        entry.busy += 1;
        enqueue(entries.length > 1 && entry.busy < busyTries ? free : waiting, entry);
      } else entry.resolve(result);
    });
  }

  async function refuse(entries: readonly Entry[], wait: boolean, cause: StoreRefused): Promise<void> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) {
      only.resolve({ outcome: "refused", cause });
      return;
    }
    const half = Math.ceil(entries.length / 2);
    await run(entries.slice(0, half), wait);
    await run(entries.slice(half), wait);
  }

  const isIdle = () => [free, waiting].every((each) => each.inFlight === 0 && each.queue.length === 0);

  return {
    commit: (batch) => new Promise((resolve) => enqueue(free, { batch, resolve, busy: 0 })),
    async close() {
      if (isIdle()) return;
      await new Promise<void>((resolve) => {
        idle = resolve;
      });
    },
  };
}

function lane(wait: boolean, flights: number, maxOperations: number): Lane {
  return { wait, flights, maxOperations, queue: [], inFlight: 0, scheduled: false };
}
