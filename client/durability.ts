/**
 * A replica that outlives its page or process.
 *
 * Operations belong to their author, the pair of user and client id, and one client id is never in two live replicas.
 * So opening claims the client id of a stored replica that nobody has, and continues as it; when all are in use (a
 * second tab) it begins as a new one, on the confirmed state of another. What further dead replicas left unsent goes
 * over connections of its own, each under its own client id, and then its record is removed.
 */
import { Persistence } from "./persistence.ts";
import type { Replica } from "./replica.ts";
import { hasUnsent, removeReplicas, scopeOf } from "./storage/forget.ts";
import type { Release, ReplicaStorage, StoredHead, StoredReplica } from "./storage/storage.ts";
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

/** What durability works with. */
export interface DurabilityOptions {
  readonly storage: ReplicaStorage;
  readonly documentId: string;
  readonly replica: Replica;
  readonly timers: Timers;
  /** Used when no stored one can be claimed. */
  readonly clientId: string;
  /** The application named `clientId`: no other stored one is continued. */
  readonly fixed: boolean;
  readonly newClientId: () => string;
  /** What the server said last. */
  readonly session: () => Pick<StoredHead, "user" | "role" | "document">;
  readonly onError: (error: unknown) => void;
  readonly openOrphan: (claimed: ClaimedReplica) => Orphan;
}

/** How long a document waits for its storage before it goes on without it. */
const patienceMs = 1_000;
/** As `patienceMs`, for what takes the longer the larger the document is: offline, there is nothing else to show. */
const loadPatienceMs = 10_000;

const unheld: Release = () => {};

export class Durability {
  readonly #options: DurabilityOptions;
  #clientId: string;
  #user: string | undefined;
  #persistence: Persistence | undefined;
  #release: Release = unheld;
  #orphans: readonly string[] = [];
  readonly #adopting = new Set<Orphan>();
  /** Ends what is waited for. */
  #giveUp: () => void = () => {};
  /** Nothing is stored until the storage says that no other replica has this client id. */
  #unclaimed = false;
  #closed = false;
  readonly #stopListening: () => void;

  constructor(options: DurabilityOptions) {
    this.#options = options;
    this.#clientId = options.clientId;
    this.#stopListening = onHidden(() => void this.#persistence?.flush());
  }

  get clientId(): string {
    return this.#clientId;
  }

  /**
   * Claims a client id, and brings the replica to what is stored.
   * @param user whose replicas; undefined: not known yet, nothing is looked up.
   * @returns what was restored, if anything. Of a storage that does not answer: nothing, after a while.
   */
  async open(user: string | undefined): Promise<StoredHead | undefined> {
    if (user === undefined) return undefined;
    this.#user = user;
    const { fixed, newClientId, onError } = this.#options;
    try {
      const head = await this.#open(user);
      this.#begin(user);
      return head;
    } catch (error) {
      // What is stored under that id, and who has it, is not known.
      if (fixed && this.#release === unheld) this.#clientId = newClientId();
      if (this.#closed) return undefined;
      onError(new Error("what is stored could not be read", { cause: error }));
      void this.#beginLate(user);
      return undefined;
    } finally {
      if (this.#closed) this.#release();
    }
  }

  /** As a continuation of a replica that was claimed already. */
  continue(user: string, { stored }: ClaimedReplica): StoredHead {
    this.#user = user;
    this.#options.replica.restore(stored, true);
    this.#begin(user);
    return stored.head;
  }

  /** Whether the server's idea of who this is allows to send what is pending here. */
  admits(user: string): boolean {
    return this.#user === undefined || this.#user === named(user) || this.#options.replica.pendingCount === 0;
  }

  /** Everything is here: goes on to what others left. */
  live(userId: string): void {
    const user = named(userId);
    if (this.#user !== undefined && this.#user !== user) {
      // Somebody else than was thought, with nothing pending: what follows is stored as theirs.
      this.#persistence = undefined;
    }
    this.#user = user;
    if (this.#persistence === undefined && !this.#unclaimed) this.#begin(user);
    this.#persistence?.changed("remote");
    const orphans = this.#orphans;
    this.#orphans = [];
    for (const clientId of orphans) {
      this.#adopt(clientId).catch((error: unknown) =>
        this.#options.onError(new Error("unsent changes of another session stay stored", { cause: error })),
      );
    }
  }

  /** See `Persistence.changed`. */
  changed(origin: "local" | "remote"): void {
    this.#persistence?.changed(origin);
  }

  /** Resolves when all there is now is stored, or will not be soon. Undefined: nothing is stored. */
  store(): Promise<void> | undefined {
    return this.#persistence?.flushSoon();
  }

  /**
   * There is no such document any more for its user: what is stored of it is removed, but for what was never acknowledged.
   * @param asked whom the server told so, where that is known.
   */
  async forget(asked: string | undefined): Promise<void> {
    const { replica, storage, onError } = this.#options;
    const user = this.#user;
    if (user === undefined || (asked !== undefined && asked !== user)) return;
    if (replica.pendingCount === 0) await this.#persistence?.remove();
    try {
      await removeReplicas(storage, this.#scope(user), hasUnsent);
    } catch (cause) {
      onError(new Error("what is stored could not be removed", { cause }));
    }
  }

  /** Stores what there is, and lets others continue it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUp();
    this.#stopListening();
    await Promise.all([...this.#adopting].map((orphan) => orphan.close()));
    await this.#persistence?.close();
    this.#release();
  }

  async #open(user: string): Promise<StoredHead | undefined> {
    const { storage, replica, fixed, newClientId } = this.#options;
    const scope = this.#scope(user);
    const ids = await this.#inTime(storage.list(scope));
    const candidates = fixed ? ids.filter((id) => id === this.#clientId) : ids;
    for (const clientId of candidates) {
      const release = await this.#claim(scope, clientId);
      if (release === undefined) continue;
      const stored = await this.#load(scope, clientId).catch((error: unknown) => {
        release();
        throw error;
      });
      if (stored === undefined) {
        release();
        continue;
      }
      this.#release = release;
      this.#clientId = clientId;
      this.#orphans = ids.filter((id) => id !== clientId);
      replica.restore(stored, true);
      return stored.head;
    }
    if (fixed && candidates.length > 0) this.#clientId = newClientId();
    const release = await this.#claim(scope, this.#clientId);
    if (release !== undefined) this.#release = release;
    else if (fixed) this.#clientId = newClientId();
    this.#orphans = ids;
    const [latest] = ids;
    const stored = latest === undefined ? undefined : await this.#load(scope, latest);
    if (stored === undefined) return undefined;
    replica.restore(stored, false);
    return stored.head;
  }

  #claim(scope: string, clientId: string): Promise<Release | undefined> {
    const claiming = this.#options.storage.claim(scope, clientId);
    return this.#inTime(claiming, patienceMs, (release) => release?.());
  }

  #load(scope: string, clientId: string): Promise<StoredReplica | undefined> {
    return this.#inTime(this.#options.storage.load(scope, clientId), loadPatienceMs);
  }

  /** What the storage answers, if it does so in time. @param late takes an answer that comes afterwards. */
  #inTime<Answer>(
    asked: Promise<Answer>,
    ms = patienceMs,
    late: (answer: Answer) => void = () => {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        cancel();
        reject(new Error(`the storage did not answer within ${ms} ms`));
        asked.then(late, () => {});
      };
      const cancel = this.#options.timers.after(ms, giveUp);
      this.#giveUp = giveUp;
      const settled = (): void => {
        cancel();
        if (this.#giveUp === giveUp) this.#giveUp = () => {};
      };
      asked.then(settled, settled);
      asked.then(resolve, reject);
    });
  }

  /** As a new replica, once the storage answers again: what it has of former ones waits for the next opening. */
  async #beginLate(user: string): Promise<void> {
    if (this.#release === unheld) {
      this.#unclaimed = true;
      const { storage } = this.#options;
      const release = await storage.claim(this.#scope(user), this.#clientId).catch(() => undefined);
      this.#release = release ?? unheld;
      this.#unclaimed = false;
      if (this.#closed) this.#release();
    }
    if (this.#closed) return;
    this.#begin(this.#user ?? user);
    this.#persistence?.changed("local");
  }

  #begin(user: string): void {
    const { storage, timers, replica, session, onError } = this.#options;
    this.#persistence = new Persistence({
      storage,
      scope: this.#scope(user),
      clientId: this.#clientId,
      timers,
      take: (whole) => {
        const change = replica.store(whole);
        return { ...change, head: { ...change.head, ...session() } };
      },
      onError,
    });
  }

  async #adopt(clientId: string): Promise<void> {
    const { storage, openOrphan } = this.#options;
    if (this.#user === undefined || this.#closed) return;
    const scope = this.#scope(this.#user);
    const release = await storage.claim(scope, clientId);
    if (release === undefined) return;
    try {
      const stored = await storage.load(scope, clientId);
      if (stored !== undefined && hasUnsent(stored)) {
        if (this.#closed) return;
        const orphan = openOrphan({ clientId, stored });
        this.#adopting.add(orphan);
        try {
          await orphan.whenSettled();
        } finally {
          this.#adopting.delete(orphan);
          await orphan.close();
        }
      }
      await storage.remove(scope, clientId);
    } finally {
      release();
    }
  }

  #scope(user: string): string {
    return scopeOf(this.#options.documentId, user);
  }
}

/** An anonymous user has another id in each session. */
function named(userId: string): string {
  return userId.startsWith("anonymous:") ? "anonymous" : userId;
}

/** In browsers: the page may be gone in a moment. */
function onHidden(callback: () => void): () => void {
  if (typeof globalThis.addEventListener !== "function" || typeof document === "undefined") return () => {};
  const hidden = (): void => {
    if (document.visibilityState === "hidden") callback();
  };
  globalThis.addEventListener("pagehide", callback);
  document.addEventListener("visibilitychange", hidden);
  return () => {
    globalThis.removeEventListener("pagehide", callback);
    document.removeEventListener("visibilitychange", hidden);
  };
}
