/**
 * Writes a replica to its storage: one write at a time, and what changes meanwhile goes with the next.
 *
 * A submit is sent only after what it consists of is stored (`flush`): otherwise a reload could find operations whose
 * ids the server knows with other contents, or in another grouping. A storage that fails or hangs delays a submit by
 * `patienceMs` at most; then editing goes on without it, and no further submit waits until it works again:
 *
 *     working ──save fails──► failing: tried again, with everything, ever less often ──save works──► working
 */
import { type BackoffOptions, backoffDelayMs } from "./backoff.ts";
import type { ReplicaStorage, StoredChange } from "./storage/storage.ts";
import type { Timers } from "./timers.ts";

/** What a persistence works with. */
export interface PersistenceOptions {
  readonly storage: ReplicaStorage;
  readonly scope: string;
  readonly clientId: string;
  readonly timers: Timers;
  readonly random: () => number;
  /** Whether there is a document to store. */
  readonly hasDocument: () => boolean;
  /** Before each write: makes sure that no other live replica is stored under the client id. Rejects: tried again. */
  readonly claim: () => Promise<void>;
  /** What has changed since it was asked last; `whole`: everything. */
  readonly take: (whole: boolean) => StoredChange;
  readonly onError: (error: unknown) => void;
}

const patienceMs = 1_000;
/** How long own changes, and others', may wait to be stored. */
const delaysMs = { local: 50, remote: 1_000 };
/** Each attempt writes the whole document. */
const retryBackoff: BackoffOptions = { baseMs: 1_000, maxMs: 60_000 };

export class Persistence {
  readonly #options: PersistenceOptions;
  #last: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #whole = true;
  /** Writes that failed since one worked. */
  #failures = 0;
  /** A write takes longer than editing waits. */
  #late = false;
  #closed = false;
  #stopped = false;
  #dueAt: number | undefined;
  #cancel: () => void = () => {};

  constructor(options: PersistenceOptions) {
    this.#options = options;
  }

  /** The last write failed: what is stored is older than what is here. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  /** Something has changed; it is stored within a while. While writes fail, with the next attempt. */
  changed(origin: keyof typeof delaysMs): void {
    if (this.failing) return;
    const { timers } = this.#options;
    const dueAt = timers.now() + delaysMs[origin];
    if (this.#closed || this.#queued !== undefined || (this.#dueAt !== undefined && this.#dueAt <= dueAt))
      return;
    this.#schedule(delaysMs[origin]);
  }

  /** Stores what a submit consists of. Undefined: it need not wait for that. */
  beforeSubmit(): Promise<void> | undefined {
    if (this.failing) return undefined;
    if (!this.#late) return this.#flushSoon();
    void this.flush();
    return undefined;
  }

  /** Stores what there is, for the last time. */
  async close(): Promise<void> {
    await this.#flushSoon();
    this.#closed = true;
    this.#cancel();
  }

  /** Nothing is stored from now on, not even what has changed since the last write. */
  stop(): void {
    this.#stopped = true;
    this.#closed = true;
    this.#cancel();
  }

  /** Resolves when no write is on its way any more. */
  get written(): Promise<void> {
    return this.#last;
  }

  /** Removes what is stored, for good: nothing is stored any more. Never rejects. */
  remove(): Promise<void> {
    const { storage, scope, clientId, onError } = this.#options;
    this.stop();
    this.#last = this.#last
      .then(() => storage.remove(scope, clientId))
      .catch((cause: unknown) => onError(new Error("what is stored could not be removed", { cause })));
    return this.#last;
  }

  /** Resolves when everything up to now is stored, or could not be. Never rejects. */
  flush(): Promise<void> {
    this.#cancel();
    this.#dueAt = undefined;
    if (this.#closed) return this.#last;
    this.#queued ??= this.#last.then(() => {
      this.#queued = undefined;
      return this.#write();
    });
    this.#last = this.#queued;
    return this.#queued;
  }

  /** As `flush`, but not for longer than editing may wait. */
  #flushSoon(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(patienceMs, () => {
        this.#late = true;
        resolve();
      });
      void this.flush().then(() => {
        cancel();
        resolve();
      });
    });
  }

  #schedule(delayMs: number): void {
    const { timers } = this.#options;
    this.#cancel();
    this.#dueAt = timers.now() + delayMs;
    this.#cancel = timers.after(delayMs, () => void this.flush());
  }

  async #write(): Promise<void> {
    const { hasDocument, random, onError } = this.#options;
    // An empty one would look like a document at the next opening, and hide what is really stored of it.
    if (this.#stopped || !hasDocument()) return;
    try {
      await this.#save();
      const failed = this.failing;
      this.#failures = 0;
      // What changed during this write waited for an attempt.
      if (failed) this.changed("local");
    } catch (error) {
      // What this write carried is not there: the next has to bring everything. Told once, until it works again.
      this.#whole = true;
      if (!this.failing && !this.#stopped)
        onError(new Error("the changes could not be stored", { cause: error }));
      this.#failures += 1;
      if (!this.#closed) this.#schedule(backoffDelayMs(this.#failures - 1, random(), retryBackoff));
    }
    this.#late = false;
  }

  async #save(): Promise<void> {
    const { storage, scope, clientId, claim, take } = this.#options;
    await claim();
    if (this.#stopped) return;
    const saved = await storage.save(scope, clientId, take(this.#whole));
    if (saved !== "missing") {
      this.#whole = saved !== "stored";
      return;
    }
    // Not of a replica whose user is another by now.
    if (this.#stopped) return;
    this.#whole = (await storage.save(scope, clientId, take(true))) !== "stored";
  }
}
