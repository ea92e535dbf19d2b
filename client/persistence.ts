/**
 * Writes a replica to its storage: one write at a time, and what changes meanwhile goes with the next.
 *
 * A submit is sent only after what it consists of is stored (`flush`): otherwise a reload could find operations whose
 * ids the server knows with other contents, or in another grouping. A storage that fails or hangs delays a submit by
 * `patienceMs` at most; then editing goes on without it.
 */
import type { ReplicaStorage, StoredChange } from "./storage/storage.ts";
import type { Timers } from "./timers.ts";

/** What a persistence works with. */
export interface PersistenceOptions {
  readonly storage: ReplicaStorage;
  readonly scope: string;
  readonly clientId: string;
  readonly timers: Timers;
  /** What has changed since it was asked last; `whole`: everything. */
  readonly take: (whole: boolean) => StoredChange;
  readonly onError: (error: unknown) => void;
}

const patienceMs = 1_000;
/** How long own changes, and others', may wait to be stored. */
const delaysMs = { local: 50, remote: 1_000 };

export class Persistence {
  readonly #options: PersistenceOptions;
  #last: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #whole = true;
  #failing = false;
  #closed = false;
  #dueAt: number | undefined;
  #cancel: () => void = () => {};

  constructor(options: PersistenceOptions) {
    this.#options = options;
  }

  /** Something has changed; it is stored within a while. */
  changed(origin: keyof typeof delaysMs): void {
    const { timers } = this.#options;
    const dueAt = timers.now() + delaysMs[origin];
    if (this.#closed || this.#queued !== undefined || (this.#dueAt !== undefined && this.#dueAt <= dueAt))
      return;
    this.#cancel();
    this.#dueAt = dueAt;
    this.#cancel = timers.after(delaysMs[origin], () => void this.flush());
  }

  /** Stores what there is, for the last time. */
  async close(): Promise<void> {
    await this.flushSoon();
    this.#closed = true;
    this.#cancel();
  }

  /** Removes what is stored, for good: nothing is stored any more. Never rejects. */
  remove(): Promise<void> {
    const { storage, scope, clientId, onError } = this.#options;
    this.#closed = true;
    this.#cancel();
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
  flushSoon(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(patienceMs, resolve);
      void this.flush().then(() => {
        cancel();
        resolve();
      });
    });
  }

  async #write(): Promise<void> {
    const { storage, scope, clientId, take, onError } = this.#options;
    const whole = this.#whole;
    try {
      let saved = await storage.save(scope, clientId, take(whole));
      if (saved === "missing") saved = await storage.save(scope, clientId, take(true));
      this.#whole = saved !== "stored";
      this.#failing = false;
    } catch (error) {
      // What this write carried is not there: the next has to bring everything. Told once, until it works again.
      this.#whole = true;
      if (!this.#failing) onError(new Error("the changes could not be stored", { cause: error }));
      this.#failing = true;
    }
  }
}
