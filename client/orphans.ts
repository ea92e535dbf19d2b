/**
 * What dead replicas of the same user left unsent: each goes over a connection of its own, under its own client id, and
 * then its record is removed. One after another, so that many closed tabs are not as many connections and documents in
 * memory at once.
 */
import { hasUnsent } from "./storage/forget.ts";
import type { Release, ReplicaStorage, StoredReplica } from "./storage/storage.ts";
import type { Timers } from "./timers.ts";

/** A replica that was claimed: it may be continued, by whoever holds this and nobody else. */
export interface ClaimedReplica {
  readonly clientId: string;
  readonly stored: StoredReplica;
}

/** Sends what a dead replica left, and ends. */
export interface Orphan {
  whenSettled(): Promise<void>;
  close(): Promise<void>;
}

/** What it works with. */
export interface OrphansOptions {
  readonly storage: ReplicaStorage;
  readonly timers: Timers;
  /** Without a connection nothing is claimed: the next page should find it, and show it. */
  readonly isLive: () => boolean;
  readonly open: (claimed: ClaimedReplica) => Orphan;
  readonly onError: (error: unknown) => void;
}

/** How often a live replica looks: another one may die while this one stays connected. */
const againMs = 60_000;

export class Orphans {
  readonly #options: OrphansOptions;
  #scope = "";
  #looking = false;
  #again = false;
  #adopted: Orphan | undefined;
  #closed = false;
  #cancel: () => void = () => {};

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  /** Looks for what is left in a scope, and adopts it. @param own client id of the live replica. */
  async look(scope: string, own: string): Promise<void> {
    const { isLive } = this.#options;
    this.#scope = scope;
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    this.#cancel();
    while (this.#again && !this.#closed && isLive()) {
      this.#again = false;
      await this.#adoptAll(this.#scope, own);
    }
    this.#looking = false;
    this.lookLater(this.#scope, own);
  }

  /** As `look`, in a while. Not without a connection: its owner looks when there is one. */
  lookLater(scope: string, own: string): void {
    this.#cancel();
    if (this.#closed || !this.#options.isLive()) return;
    this.#cancel = this.#options.timers.after(againMs, () => void this.look(scope, own));
  }

  /** There will be no connection any more. */
  stop(): void {
    this.#cancel();
  }

  /** Adopts no more. What is on its way goes on from its record, in whoever looks next. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#adopted?.close();
  }

  async #adoptAll(scope: string, own: string): Promise<void> {
    const { storage, isLive, onError } = this.#options;
    let ids: readonly string[];
    try {
      ids = await storage.list(scope);
    } catch {
      return; // A storage that fails is told of where this replica is stored.
    }
    for (const clientId of ids) {
      if (this.#closed || !isLive() || this.#scope !== scope) return;
      if (clientId === own) continue;
      try {
        await this.#adopt(scope, clientId);
      } catch (error) {
        if (!this.#closed)
          onError(new Error("unsent changes of another session stay stored", { cause: error }));
      }
    }
  }

  async #adopt(scope: string, clientId: string): Promise<void> {
    const { storage, open } = this.#options;
    const release = await this.#claim(scope, clientId);
    if (release === undefined) return;
    try {
      const stored = await storage.load(scope, clientId);
      if (this.#closed) return;
      if (stored !== undefined && hasUnsent(stored)) {
        const orphan = open({ clientId, stored });
        this.#adopted = orphan;
        try {
          await orphan.whenSettled();
        } finally {
          this.#adopted = undefined;
          await orphan.close();
        }
      }
      await storage.remove(scope, clientId);
    } finally {
      release();
    }
  }

  /** Undefined also when the storage fails. */
  async #claim(scope: string, clientId: string): Promise<Release | undefined> {
    try {
      return await this.#options.storage.claim(scope, clientId);
    } catch {
      return undefined;
    }
  }
}
