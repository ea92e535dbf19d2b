/**
 * A replica that outlives its page or process.
 *
 * Operations belong to their author, the pair of user and client id, and one client id is never in two live replicas.
 * So opening claims the client id of a stored replica that nobody has, and continues as it; when all are in use (a
 * second tab) it begins as a new one, on the confirmed state of another. Whatever is stored is claimed before: at the
 * opening, or, of a user who becomes known later, by the first write.
 */
import { Claims } from "./claims.ts";
import { type ClaimedReplica, type Orphan, Orphans } from "./orphans.ts";
import { Patience } from "./patience.ts";
import { Persistence } from "./persistence.ts";
import type { Replica } from "./replica.ts";
import { hasUnsent, removeReplicas, scopeOf } from "./storage/forget.ts";
import type { Release, ReplicaStorage, StoredHead, StoredReplica } from "./storage/storage.ts";
import type { Timers } from "./timers.ts";

/** What durability works with. */
export interface DurabilityOptions {
  readonly storage: ReplicaStorage;
  readonly documentId: string;
  readonly replica: Replica;
  readonly timers: Timers;
  readonly random: () => number;
  /** Used when no stored one can be claimed. */
  readonly clientId: string;
  /** The application named `clientId`: no other stored one is continued. */
  readonly fixed: boolean;
  readonly newClientId: () => string;
  /** What the server said last. */
  readonly session: () => Pick<StoredHead, "user" | "role" | "document">;
  /** Everything has arrived once: there is something to store. */
  readonly hasDocument: () => boolean;
  readonly isLive: () => boolean;
  readonly onError: (error: unknown) => void;
  readonly openOrphan: (claimed: ClaimedReplica) => Orphan;
}

/** How long a document waits for its storage, or to know its user, before it goes on without. */
const patienceMs = 1_000;
/** As `patienceMs`, for what takes the longer the larger the document is: offline, there is nothing else to show. */
const loadPatienceMs = 10_000;

export class Durability {
  readonly #options: DurabilityOptions;
  readonly #patience: Patience;
  readonly #claims: Claims;
  readonly #orphans: Orphans;
  #clientId: string;
  #fixed: boolean;
  #user: string | undefined;
  #persistence: Persistence | undefined;
  /** The storage did not answer at the opening: what it has of others can wait. */
  #unread = false;
  /** This one was opened to send what is left of it: it adopts no others. */
  #isOrphan = false;
  #closing: Promise<void> | undefined;
  readonly #stopListening: () => void;

  constructor(options: DurabilityOptions) {
    const { storage, timers, isLive, openOrphan: open, onError } = options;
    this.#options = options;
    this.#clientId = options.clientId;
    this.#fixed = options.fixed;
    this.#patience = new Patience(timers);
    this.#claims = new Claims({ storage, clientId: () => this.#clientId, named: () => this.#fixed });
    this.#orphans = new Orphans({ storage, timers, isLive, open, onError });
    this.#stopListening = onHidden(() => void this.#persistence?.flush());
  }

  get clientId(): string {
    return this.#clientId;
  }

  /**
   * Claims a client id, and brings the replica to what is stored.
   * @param asked whose replicas; undefined, or no answer in time: not known yet, nothing is looked up.
   * @returns what was restored, if anything. Of a storage that does not answer: nothing, after a while.
   */
  async open(asked: Promise<string | undefined>): Promise<StoredHead | undefined> {
    const user = await this.#patience.wait(asked, patienceMs).catch(() => undefined);
    if (user === undefined || this.#closing !== undefined) return undefined;
    this.#user = user;
    try {
      return await this.#open(this.#scope(user));
    } catch (error) {
      if (this.#closing !== undefined) return undefined;
      // What is stored under that id, and who has it, is not known.
      if (this.#fixed && !this.#claims.has(this.#scope(user))) this.#rename();
      this.#unread = true;
      this.#options.onError(new Error("what is stored could not be read", { cause: error }));
      return undefined;
    } finally {
      if (this.#closing === undefined) this.#begin(user);
    }
  }

  /** As a continuation of a replica that was claimed already. */
  continue(user: string, { stored }: ClaimedReplica): StoredHead {
    this.#isOrphan = true;
    this.#user = named(user);
    this.#claims.add(this.#scope(user), () => {}); // Whoever opened it releases it.
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
    if (this.#closing !== undefined) return;
    const user = named(userId);
    if (this.#user !== user || this.#persistence === undefined) {
      // Somebody else than was thought, with nothing pending: what follows is stored as theirs, and nothing of it under
      // the former user.
      this.#persistence?.stop();
      this.#user = user;
      this.#begin(user);
    }
    this.#persistence?.changed("remote");
    if (this.#unread) this.#orphans.lookLater(this.#scope(user), this.#clientId);
    else if (!this.#isOrphan) void this.#lookForOthers(this.#scope(user));
    this.#unread = false;
  }

  /** See `Persistence.changed`. */
  changed(origin: "local" | "remote"): void {
    this.#persistence?.changed(origin);
  }

  /** Resolves when all there is now is stored, or will not be soon. Undefined: nothing is waited for. */
  store(): Promise<void> | undefined {
    return this.#persistence?.beforeSubmit();
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
      const unclaimed = this.#claims.areUnknown;
      await removeReplicas(storage, this.#scope(user), { keeps: hasUnsent, unclaimed });
    } catch (cause) {
      onError(new Error("what is stored could not be removed", { cause }));
    }
  }

  /** The connection is closed for good. */
  disconnected(): void {
    this.#orphans.stop();
  }

  /** Stores what there is, and lets others continue it. Safe to repeat. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const persistence = this.#persistence;
    this.#patience.giveUp();
    this.#stopListening();
    await this.#orphans.close();
    await persistence?.close();
    if (this.#user !== undefined && this.#claims.areUnknown)
      await this.#patience.wait(this.#removeCopies(this.#scope(this.#user)), patienceMs).catch(() => {});
    // A write that hangs would change the record of whoever continues it.
    if (persistence === undefined) this.#claims.release();
    else void persistence.written.then(() => this.#claims.release());
  }

  async #open(scope: string): Promise<StoredHead | undefined> {
    const { storage, replica } = this.#options;
    const ids = await this.#patience.wait(storage.list(scope), patienceMs);
    for (const clientId of this.#fixed ? ids.filter((id) => id === this.#clientId) : ids) {
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
      this.#clientId = clientId;
      this.#claims.add(scope, release);
      replica.restore(stored, true);
      return stored.head;
    }
    let release = await this.#claim(scope, this.#clientId);
    if (release === undefined && this.#fixed) {
      this.#rename();
      release = await this.#claim(scope, this.#clientId);
    }
    this.#claims.add(scope, release);
    for (const clientId of ids) {
      const stored = await this.#load(scope, clientId);
      if (stored === undefined) continue;
      replica.restore(stored, false);
      return stored.head;
    }
    return undefined;
  }

  /** Somebody else may have the one that the application named. */
  #rename(): void {
    this.#clientId = this.#options.newClientId();
    this.#fixed = false;
  }

  #claim(scope: string, clientId: string): Promise<Release | undefined> {
    const claiming = this.#options.storage.claim(scope, clientId);
    return this.#patience.wait(claiming, patienceMs, (release) => release?.());
  }

  /** Undefined also for one that was stored before its document had arrived: there is nothing in it. */
  async #load(scope: string, clientId: string): Promise<StoredReplica | undefined> {
    const loading = this.#options.storage.load(scope, clientId);
    const stored = await this.#patience.wait(loading, loadPatienceMs);
    return stored?.head.document === undefined ? undefined : stored;
  }

  #begin(user: string): void {
    const { storage, timers, random, replica, session, hasDocument, onError } = this.#options;
    const scope = this.#scope(user);
    this.#persistence = new Persistence({
      storage,
      scope,
      clientId: this.#clientId,
      timers,
      random,
      hasDocument,
      claim: () => this.#claims.own(scope),
      take: (whole) => {
        const change = replica.store(whole);
        return { ...change, head: { ...change.head, ...session() } };
      },
      onError,
    });
  }

  async #lookForOthers(scope: string): Promise<void> {
    try {
      await this.#claims.own(scope);
      if (!this.#claims.areUnknown) await this.#orphans.look(scope, this.#clientId);
      else await this.#removeCopies(scope);
    } catch {
      // Told where it is stored; there is a look at each connection.
    }
  }

  /**
   * Where nobody can know which replicas are live, each page begins a new one, and nobody continues it. The copies that
   * are older than this one's go, but for those with unsent changes. Should one be of a live page that stores a change
   * just then, it is sent, or stored again with the next.
   */
  async #removeCopies(scope: string): Promise<void> {
    const { storage } = this.#options;
    await this.#persistence?.flush();
    if (this.#persistence?.failing !== false) return;
    const ids = await storage.list(scope);
    const own = ids.indexOf(this.#clientId);
    if (own === -1) return;
    await removeReplicas(storage, scope, { keeps: hasUnsent, ids: ids.slice(own + 1), unclaimed: true });
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
