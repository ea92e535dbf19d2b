/**
 * Group commit. While a round trip is in flight, batches of all rooms collect; the next call carries them together.
 * Under light load nobody waits: a batch leaves with all others of the callback in which it came.
 *
 * A row that somebody else holds is mostly held by another instance's call, for some milliseconds: a call waits for its
 * rows (in id order: two calls never wait for each other). A row that is held for longer must not delay the hundred
 * documents that share its call: after a tenth of a second at one row the call answers `busy`, its documents go again without
 * waiting, and those whose row is not free then go alone until it is. Taking only the free rows and asking again for the
 * others cost two instances on the same documents a tenth of their throughput; going alone at once left the slower of
 * them with 7 % of the operations.
 *
 * A failed call may have been stored: it is repeated with the same operation ids, which the store recognises
 * (`repeat`), until `retryForMs` is over; then the outcome is `unknown`, which is neither an acknowledgement
 * nor a refusal. A value that the database refuses as such, or stumbles over in another way, is found by halving the
 * call, so that only the document that carries it hears of it.
 *
 * Who calls what: a room has at most one batch here at a time (the caller's duty; two batches of one document in
 * one call would break `Store.commit`'s contract).
 */
import { setTimeout as delay } from "node:timers/promises";
import type { CommitResult, DocumentBatch, Store } from "../store/store.ts";
import { StoreRefused, StoreUnavailable } from "../store/store.ts";

type Committed = Extract<CommitResult, { outcome: "committed" }>;

export type CommitOutcome =
  | Exclude<CommitResult, Committed | { outcome: "busy" }>
  /** `eachMs`: how long the call took, for each of its documents. */
  | (Committed & { readonly eachMs: number })
  /** The store did not answer in time; the batch may be stored. */
  | { readonly outcome: "unknown"; readonly cause: unknown }
  /** The database refuses a value in this batch (SQLSTATE class 22 or 23); nothing of it is stored. */
  | { readonly outcome: "refused"; readonly cause: unknown };

export interface GroupCommitOptions {
  readonly store: Pick<Store, "commit">;
  /** Calls in flight at most; a connection each. */
  readonly flights: number;
  /** Of one call at most; a larger single batch goes alone. */
  readonly maxBatchOperations: number;
  readonly maxBatchBytes: number;
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
  /** How often a row of its call was held by somebody else. */
  busy: number;
  readonly queuedAtMs: number;
  readonly batch: DocumentBatch;
  readonly resolve: (outcome: CommitOutcome) => void;
}

const firstRetryMs = 25;
const maxRetryMs = 500;
/** Documents that go alone at the same time, a connection each. */
const aloneFlights = 4;

/** Calls of one kind: those that documents share, and those of a single document whose row is held for long. */
interface Lane {
  readonly flights: number;
  readonly maxOperations: number;
  queue: Entry[];
  inFlight: number;
  scheduled: boolean;
}

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { store, maxBatchBytes, retryForMs, random, onCommit } = options;
  const shared: Lane = lane(options.flights, options.maxBatchOperations);
  // A lane of its own: documents that wait for a held row must not use up the shared calls.
  const alone: Lane = lane(aloneFlights, 0);
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
    let bytes = 0;
    let count = 0;
    for (const { batch } of from.queue) {
      operations += batch.operations.length;
      for (const { data } of batch.operations) bytes += data.length;
      if (count > 0 && (operations > from.maxOperations || bytes > maxBatchBytes)) break;
      count += 1;
    }
    return from.queue.splice(0, count);
  }

  function fly(on: Lane, entries: readonly Entry[]): void {
    on.inFlight += 1;
    const wait = on === alone || entries.every(({ busy }) => busy === 0);
    void run(entries, wait).finally(() => {
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
        settle(entries, results, (performance.now() - startedAt) / batches.length);
        return;
      } catch (cause) {
        if (!(cause instanceof StoreUnavailable)) return separate(entries, wait, cause);
        const pause = Math.min(maxRetryMs, firstRetryMs * 2 ** attempt) * (0.5 + random());
        if (performance.now() + pause >= deadline) {
          for (const entry of entries) entry.resolve({ outcome: "unknown", cause });
          return;
        }
        await delay(pause);
      }
    }
  }

  function settle(entries: readonly Entry[], results: readonly CommitResult[], eachMs: number): void {
    entries.forEach((entry, index) => {
      const result = results[index];
      if (result === undefined) {
        entry.resolve({ outcome: "unknown", cause: new Error("the store answered for too few documents") });
      } else if (result.outcome === "busy") {
        entry.busy += 1;
        if (performance.now() - entry.queuedAtMs < retryForMs)
          enqueue(entries.length > 1 && entry.busy === 1 ? shared : alone, entry);
        else entry.resolve({ outcome: "unknown", cause: new StoreUnavailable("the document's row is held") });
      } else if (result.outcome === "committed") {
        const { outcome, firstVersion, at, revision, missed } = result;
        entry.resolve({ outcome, firstVersion, at, revision, missed, eachMs });
      } else entry.resolve(result);
    });
  }

  async function separate(entries: readonly Entry[], wait: boolean, cause: unknown): Promise<void> {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) {
      only.resolve({ outcome: cause instanceof StoreRefused ? "refused" : "unknown", cause });
      return;
    }
    const half = Math.ceil(entries.length / 2);
    await run(entries.slice(0, half), wait);
    await run(entries.slice(half), wait);
  }

  const isIdle = () => [shared, alone].every((each) => each.inFlight === 0 && each.queue.length === 0);

  return {
    commit: (batch) =>
      new Promise((resolve) => enqueue(shared, { batch, resolve, busy: 0, queuedAtMs: performance.now() })),
    async close() {
      if (isIdle()) return;
      await new Promise<void>((resolve) => {
        idle = resolve;
      });
    },
  };
}

function lane(flights: number, maxOperations: number): Lane {
  return { flights, maxOperations, queue: [], inFlight: 0, scheduled: false };
}
