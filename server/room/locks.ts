/**
 * The locks of one document as this instance knows them, and their news to the members.
 *
 * What is known is the list at a `revision` of the document. It moves by the next change alone, one of our own, or by
 * reading the list anew; `version` is the document's version at that moment, and a frame that shows the list goes out
 * when the state has got there. The revision also counts conflict records (`counted`).
 *
 * Frames. One for each change, but not more often than every 50 ms, and less often the longer the list is: somebody
 * who takes a thousand locks costs the others a frame a second. Renewals wait longer, but never past the
 * `expiresAt` that was sent last.
 *
 * Expiry. `expiresInMs` is counted from the read on with a clock that never goes back; when it is over, the database is
 * asked to write what has expired by its clock, until the list says so. A lock is held here until then. A read may find
 * a lease that has run out but is not yet ended in the tables. It is left out of the list and perhaps nobody else is
 * watching it, so the reader requests the sweep too (`hasExpired`). Otherwise it would stay active in the tables, and its
 * end would be neither counted nor told to webhooks.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LockInfo, LocksState } from "../../shared/protocol/messages.ts";
import type {
  EndCondition,
  LockList,
  LockRecord,
  LockRequest,
  LockResult,
  LockSelection,
  LockStore,
  Origin,
} from "../store/store.ts";
import { lockInfo } from "./lock-info.ts";
import { Repeatable } from "./repeatable.ts";

export interface RoomLocksOptions {
  readonly docId: string;
  readonly store: Pick<LockStore, "acquire" | "renew" | "release" | "end" | "list">;
  /** Writes the document's expired locks; see lock-sweep.ts. */
  readonly sweep: (docId: string) => Promise<void>;
  /** The room's version: `broadcast` tells what is committed up to it first. */
  readonly version: () => number;
  /** The state lacks operations that a frame has to wait for. */
  readonly onBehind: () => void;
  /** A read found the revision grown, perhaps by conflict records: they are looked at before it counts as known. */
  readonly onGrown: () => Promise<void>;
  /** After each read. */
  readonly onRead: () => void;
  /** Names of the users whose sessions are known, by user id. */
  readonly names: () => ReadonlyMap<string, string>;
  readonly broadcast: (text: string) => void;
  /** Tells the other instances to look. */
  readonly publish: () => void;
  readonly onFailure: (cause: unknown) => void;
  /** A clock that never goes back. */
  readonly monotonicMs: () => number;
}

interface Held {
  readonly lock: LockRecord;
  /** By the monotonic clock; never earlier than by the database's. */
  readonly endsAtMs: number;
}

/** Least time between two frames, and how much longer it is for each lock beyond as many. */
const frameEveryMs = 50;
const maxFrameEveryMs = 1_000;
/** A renewal is told within this, or within half of what others believe is left. */
const renewalWithinMs = 5_000;
/** A lease is over some milliseconds after its time: until then the database would say that it is not. */
const expiryMarginMs = 20;
/** Pause before an expiry that could not be written is tried again (the row was held, or the database away). */
const sweepAgainMs = 500;

/** From so many locks on, reads keep a distance, too. */
const longList = 100;
const maxReadEveryMs = 250;

export class RoomLocks {
  readonly #options: RoomLocksOptions;
  readonly #reading: Repeatable;
  #held: readonly Held[] = [];
  #revision = 0;
  #version = 0;
  #hasExpired = false;
  /** What the members were shown: `expiresAt` by lock id. */
  #sent: { readonly revision: number; readonly expiries: ReadonlyMap<string, string> };
  #sentAtMs = Number.NEGATIVE_INFINITY;
  /** When a frame is due; undefined: nothing is to be told. */
  #dueAtMs: number | undefined;
  #frameTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #sweeping = false;
  #closed = false;

  constructor(list: LockList, options: RoomLocksOptions) {
    this.#options = options;
    this.#reading = new Repeatable(
      () => this.#read(),
      () => this.#options.onRead(),
    );
    this.#take(list);
    this.#sent = { revision: this.#revision, expiries: expiriesOf(this.#held) };
    this.#watchExpiry();
  }

  /** Of the document: moves with every change of a lock and of a conflict record. */
  get revision(): number {
    return this.#revision;
  }
  /** The document's version when the list was so: what shows it has to wait for the operations up to it. */
  get version(): number {
    return this.#version;
  }
  get all(): readonly LockRecord[] {
    return this.#held.map(({ lock }) => lock);
  }

  /** Reads the list anew: it is then at least as new as this call. Rejects with `StoreUnavailable`. */
  get reading(): Repeatable {
    return this.#reading;
  }

  /** The lock of another author that stands in the way of writing these elements. */
  inTheWay(
    { user, client, lockClient = client }: Origin,
    ops: readonly { readonly element: string }[],
  ): LockRecord | undefined {
    if (this.#held.length === 0 || ops.length === 0) return undefined;
    return this.#held.find(
      ({ lock }) =>
        (lock.user !== user || lock.client !== lockClient) &&
        (lock.element === null || ops.some(({ element }) => element === lock.element)),
    )?.lock;
  }

  /** The database refused a commit for this lock: it stands in the way until the list is read. */
  learned(lock: LockRecord): void {
    if (this.#held.some((held) => held.lock.id === lock.id)) return;
    this.#held = [...this.#held, { lock, endsAtMs: this.#options.monotonicMs() + lock.expiresInMs }];
    this.#lookUp();
  }

  /** As the wire shows a lock. */
  shown(lock: LockRecord): LockInfo {
    return lockInfo(lock, this.#options.names());
  }

  /** For somebody who joins now. What others have not been told yet they are told first, so that revisions only grow. */
  state(): LocksState {
    if (this.#dueAtMs !== undefined) this.#tell();
    // Conflict records may have moved the revision since the last frame. Note the current one as sent, or a later expiry
    // could be told under a revision that the joiner already has.
    if (this.#dueAtMs === undefined) this.#sent = { ...this.#sent, revision: this.#revision };
    return this.#encode();
  }

  // ---- changes --------------------------------------------------------------------------------------------------

  async take(request: LockRequest, renewOnly: boolean) {
    const { store } = this.#options;
    const result: LockResult | { readonly outcome: "not_held" } = renewOnly
      ? await store.renew(request)
      : await store.acquire(request);
    if (result.outcome === "granted") {
      const { lock, revision, version } = result;
      const others = this.#held.filter((held) => held.lock.id !== lock.id);
      const held = { lock, endsAtMs: this.#options.monotonicMs() + lock.expiresInMs };
      this.#moved(revision, [...others, held], version);
    }
    return result;
  }

  async release(lockId: string): Promise<boolean> {
    const { store, docId } = this.#options;
    const { released, revision, version } = await store.release(docId, lockId);
    const others = this.#held.filter(({ lock }) => lock.id !== lockId);
    if (others.length < this.#held.length) this.#moved(revision, others, version);
    else if (revision > this.#revision) this.#lookUp();
    return released;
  }

  /** Ends locks under a condition; how many stood. Undefined: it does not hold. */
  async end(which: LockSelection, condition: EndCondition): Promise<number | undefined> {
    const { store, docId, publish } = this.#options;
    const ended = await store.end(docId, which, condition);
    if (ended !== undefined && ended > 0) {
      publish();
      await this.#reading.start();
    }
    return ended;
  }

  /** Our own commit took this many steps (conflict records) to this revision; what is beyond them is read. */
  counted(revision: number, steps: number): void {
    if (revision <= this.#revision) return;
    if (revision === this.#revision + steps) this.#revision = revision;
    else this.#lookUp();
  }

  /** The members have been sent further operations. */
  advanced(): void {
    if (this.#dueAtMs !== undefined && this.#dueAtMs <= this.#options.monotonicMs()) this.#tell();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#frameTimer);
    clearTimeout(this.#expiryTimer);
    this.#frameTimer = undefined;
    this.#expiryTimer = undefined;
    this.#dueAtMs = undefined;
  }

  /** A change of our own: it is the next one, or the list has moved by more than we know. */
  #moved(revision: number, held: readonly Held[], version: number): void {
    this.#options.publish();
    if (revision <= this.#revision) return;
    if (revision !== this.#revision + 1) {
      this.#lookUp();
      return;
    }
    this.#revision = revision;
    this.#version = Math.max(this.#version, version);
    this.#held = held;
    this.#changed();
  }

  async #read(): Promise<void> {
    const { store, docId, monotonicMs } = this.#options;
    const spacingMs = this.#held.length < longList ? 0 : Math.min(maxReadEveryMs, this.#held.length / 4);
    const waitMs = this.#readAtMs + spacingMs - monotonicMs();
    if (waitMs > 0) await delay(waitMs);
    this.#readAtMs = monotonicMs();
    const list = await store.list(docId);
    if (list.revision > this.#revision) await this.#options.onGrown();
    // One that is older than a change of our own was read before it.
    if (list.revision < this.#revision || this.#closed) return;
    this.#take(list);
    this.#changed();
  }

  #take({ revision, version, locks, hasExpired }: LockList): void {
    const now = this.#options.monotonicMs();
    this.#revision = revision;
    this.#version = version;
    this.#hasExpired = hasExpired;
    this.#held = locks.map((lock) => ({ lock, endsAtMs: now + lock.expiresInMs }));
  }

  #lookUp(): void {
    this.#reading.start().catch(this.#options.onFailure);
  }

  // ---- frames ---------------------------------------------------------------------------------------------------

  #changed(): void {
    if (this.#closed) return;
    this.#watchExpiry();
    const { expiries } = this.#sent;
    const same = expiries.size === this.#held.length && this.#held.every(({ lock }) => expiries.has(lock.id));
    const renewed = this.#held.filter(({ lock }) => expiries.get(lock.id) !== lock.expiresAt);
    if (same && renewed.length === 0) {
      // What was granted and ended before it was shown is told all the same: its holder does not know yet.
      if (this.#dueAtMs !== undefined) this.#due(this.#dueAtMs);
      return;
    }
    const now = this.#options.monotonicMs();
    const spacingMs = Math.min(maxFrameEveryMs, Math.max(frameEveryMs, this.#held.length));
    let at = Math.max(now, this.#sentAtMs + spacingMs);
    if (same) {
      const lefts = renewed.map(({ lock, endsAtMs }) => {
        const sentMs = Date.parse(expiries.get(lock.id) ?? "") - Date.parse(lock.expiresAt) + endsAtMs - now;
        return sentMs / 2;
      });
      at = Math.max(at, Math.min(this.#dueAtMs ?? Infinity, now + Math.min(renewalWithinMs, ...lefts)));
    }
    this.#due(at);
  }

  #due(atMs: number | undefined): void {
    clearTimeout(this.#frameTimer);
    this.#frameTimer = undefined;
    this.#dueAtMs = atMs;
    if (atMs === undefined) return;
    const waitMs = atMs - this.#options.monotonicMs();
    if (waitMs <= 0) this.#tell();
    else this.#frameTimer = setTimeout(() => this.#tell(), waitMs);
  }

  #tell(): void {
    const { version, onBehind, broadcast, monotonicMs } = this.#options;
    if (version() < this.#version) {
      // `advanced` comes back to it.
      this.#dueAtMs = Math.min(this.#dueAtMs ?? 0, monotonicMs());
      onBehind();
      return;
    }
    // At one revision two lists can differ only by a lease that ran out and is not written as ended; it is told under the
    // revision that its end gets.
    if (this.#revision <= this.#sent.revision) return;
    this.#dueAtMs = undefined;
    clearTimeout(this.#frameTimer);
    this.#frameTimer = undefined;
    this.#sentAtMs = monotonicMs();
    this.#sent = { revision: this.#revision, expiries: expiriesOf(this.#held) };
    broadcast(JSON.stringify({ type: "locks", ...this.#encode() }));
  }

  #encode(): LocksState {
    const now = this.#options.monotonicMs();
    const names = this.#held.length === 0 ? new Map<string, string>() : this.#options.names();
    const locks = this.#held.map(({ lock, endsAtMs }) => ({
      ...lockInfo(lock, names),
      expiresInMs: Math.max(0, Math.floor(endsAtMs - now)),
    }));
    return { revision: this.#revision, locks };
  }

  // ---- expiry ---------------------------------------------------------------------------------------------------

  #watchExpiry(waitMs?: number): void {
    clearTimeout(this.#expiryTimer);
    this.#expiryTimer = undefined;
    if (this.#closed || (this.#held.length === 0 && !this.#hasExpired)) return;
    const now = this.#options.monotonicMs();
    const first = this.#hasExpired ? now : Math.min(...this.#held.map(({ endsAtMs }) => endsAtMs));
    const leftMs = first + expiryMarginMs - now;
    this.#expiryTimer = setTimeout(() => this.#sweep(), waitMs ?? Math.max(0, leftMs));
  }

  #sweep(): void {
    if (this.#sweeping || this.#closed) return;
    this.#sweeping = true;
    this.#options
      .sweep(this.#options.docId)
      .then(() => this.#reading.start())
      .catch(this.#options.onFailure)
      .finally(() => {
        this.#sweeping = false;
        const now = this.#options.monotonicMs();
        const isOver = this.#held.some(({ endsAtMs }) => endsAtMs <= now);
        if (isOver || this.#hasExpired) this.#watchExpiry(sweepAgainMs);
      });
  }
}

function expiriesOf(held: readonly Held[]): ReadonlyMap<string, string> {
  return new Map(held.map(({ lock }) => [lock.id, lock.expiresAt]));
}
