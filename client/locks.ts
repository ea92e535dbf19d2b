/**
 * The document's locks as the server tells them, and the leases that this replica keeps.
 *
 *     acquire ──result──► held ──timer at a third, reconnect──► renewing ──result──► held
 *                          │ release ──► gone
 *                          │ its time ran out, gone from a newer list, refused ──► lost
 *
 * Time is measured here: a lock lasts `expiresInMs` from when it was told (for one's own leases: from when it was asked
 * for, which is earlier), by this machine's monotonic clock. Two machines' clocks are never compared.
 *
 * A grant and the list that shows it travel apart, and a list of before may come after the grant. So a lease counts as
 * ended by a list only once a list has shown it.
 */
import { elementIdExpected, isElementId } from "../shared/document/identifier.ts";
import type { LockInfo, LocksState } from "../shared/protocol/messages.ts";
import { LockHeldError, RequestError } from "./errors.ts";
import type { Requests } from "./requests.ts";
import type { Timers } from "./timers.ts";

/** How to acquire. */
export interface AcquireOptions {
  /** 1,000–300,000 ms; default: the server's `lockTimeout`. Renewed until released, unless `renew` is false. */
  readonly ttlMs?: number;
  /** Default true. */
  readonly renew?: boolean;
  /** How long to wait for the answer, over reconnects; default 10 s. */
  readonly timeoutMs?: number;
}

/** A lease of this replica ended without its doing. */
export interface LockLostEvent {
  readonly lock: LockInfo;
  /** `expired`: it could not be renewed in time. `released`: the server ended it. `refused`: it may not be renewed. */
  readonly reason: "expired" | "released" | "refused";
}

interface Lease {
  lock: LockInfo;
  readonly renew: boolean;
  ttlMs: number;
  /** By the local clock. */
  deadline: number;
  /** A list has shown it. */
  seen: boolean;
  renewing: boolean;
  cancelRenewal: () => void;
  cancelDeadline: () => void;
}

/** How long others' locks are shown past their end: the server tells an expiry within 2 s. */
const graceMs = 2_000;

export class Locks {
  readonly #requests: Requests;
  readonly #timers: Timers;
  readonly #self: () => { readonly userId: string | undefined; readonly clientId: string };
  readonly #onChange: (locks: readonly LockInfo[]) => void;
  readonly #onLost: (event: LockLostEvent) => void;
  #revision = -1;
  /** As told last, each with its local end. */
  #told = new Map<string, { readonly lock: LockInfo; readonly until: number }>();
  readonly #leases = new Map<string | null, Lease>();
  /** How often each was released: a grant that was on its way meanwhile is none any more. */
  readonly #releases = new Map<string | null, number>();
  #list: readonly LockInfo[] = [];
  #cancelExpiry: () => void = () => {};
  #closed = false;

  constructor(options: {
    readonly requests: Requests;
    readonly timers: Timers;
    readonly self: () => { readonly userId: string | undefined; readonly clientId: string };
    readonly onChange: (locks: readonly LockInfo[]) => void;
    readonly onLost: (event: LockLostEvent) => void;
  }) {
    this.#requests = options.requests;
    this.#timers = options.timers;
    this.#self = options.self;
    this.#onChange = options.onChange;
    this.#onLost = options.onLost;
  }

  /** Every active lock. The same array until something changes. */
  get list(): readonly LockInfo[] {
    return this.#list;
  }

  /** The leases that this replica keeps. Where a page slept, their timers are late, and the clock is right. */
  get held(): readonly LockInfo[] {
    const now = this.#timers.now();
    return [...this.#leases.values()].flatMap(({ lock, deadline }) => (deadline > now ? lock : []));
  }

  /** The lock of an element itself, or (null) of the document. */
  get(element: string | null): LockInfo | undefined {
    return this.#list.find((lock) => lock.element === element);
  }

  /** Whether a lock is this author's: this replica's, whichever session it was acquired in. */
  isOwn(lock: LockInfo): boolean {
    const { userId, clientId } = this.#self();
    return lock.clientId === clientId && lock.user.id === userId;
  }

  /**
   * The lock of another author that keeps this one from changing an element, or (null) from locking the document. By
   * what is known here: the server decides.
   */
  blocks(element: string | null): LockInfo | undefined {
    return this.#list.find(
      (lock) => (element === null || lock.element === null || lock.element === element) && !this.isOwn(lock),
    );
  }

  /**
   * Locks an element, or (null) the whole document, and keeps it so until `release`. Of what is held already: renews it.
   * @throws LockHeldError when another author's lock stands in the way; RequestError.
   */
  async acquire(element: string | null, options: AcquireOptions = {}): Promise<LockInfo> {
    checkElement(element);
    const { ttlMs, renew = true, timeoutMs } = options;
    const message = {
      type: "lock",
      action: "acquire",
      element,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    };
    const releases = this.#releases.get(element);
    try {
      const { result, sentAt } = await this.#requests.ask(message, {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      const { lock } = result;
      if (lock === undefined) throw new RequestError("internal", "an answer without a lock");
      if (this.#releases.get(element) !== releases)
        throw new RequestError("not_held", "it was released meanwhile");
      const before = this.#leases.get(element);
      if (before !== undefined) this.#end(before);
      const known = this.#told.has(lock.id);
      const lease: Lease = {
        lock,
        renew,
        ttlMs: ttlMs ?? lock.expiresInMs,
        deadline: 0,
        seen: known || (before?.seen === true && before.lock.id === lock.id),
        renewing: false,
        cancelRenewal: () => {},
        cancelDeadline: () => {},
      };
      this.#leases.set(element, lease);
      this.#granted(lease, lock, sentAt);
      this.#refresh();
      return lock;
    } catch (error) {
      throw asHeld(error);
    }
  }

  /** Ends one's own lock, the same user's from elsewhere, or (owners) anybody's. Of one that has ended: no effect. */
  async release(element: string | null): Promise<void> {
    checkElement(element);
    const lease = this.#leases.get(element);
    this.#releases.set(element, (this.#releases.get(element) ?? 0) + 1);
    if (lease !== undefined) {
      this.#end(lease);
      this.#told.delete(lease.lock.id);
      this.#refresh();
    }
    try {
      await this.#requests.ask({ type: "lock", action: "release", element });
    } catch (error) {
      const ended =
        error instanceof RequestError && error.code === "not_held" && (lease !== undefined || error.repeated);
      if (!ended) throw error;
    }
  }

  /** `welcome.locks` (a session began, revisions count anew) or `locks`. */
  receive(state: LocksState, begins: boolean): void {
    if (!begins && state.revision < this.#revision) return;
    this.#revision = state.revision;
    const now = this.#timers.now();
    this.#told = new Map(
      state.locks.map((lock) => [
        lock.id,
        { lock, until: now + lock.expiresInMs + (this.isOwn(lock) ? 0 : graceMs) },
      ]),
    );
    for (const lease of [...this.#leases.values()]) {
      if (this.#told.has(lease.lock.id)) lease.seen = true;
      else if (lease.seen) this.#lose(lease, lease.deadline > now ? "released" : "expired");
      // Of before the grant, or it was ended before it could be shown.
      else this.#renew(lease);
    }
    this.#refresh();
  }

  /** A session is live: what is held is renewed at once, for who knows how long the connection was away. */
  connected(): void {
    for (const lease of this.#leases.values()) this.#renew(lease);
  }

  /** Stops everything. The server releases on its own when a session ends well. */
  close(): void {
    this.#closed = true;
    for (const lease of [...this.#leases.values()]) this.#end(lease);
    this.#cancelExpiry();
  }

  #granted(lease: Lease, lock: LockInfo, sentAt: number): void {
    lease.lock = lock;
    lease.deadline = sentAt + lock.expiresInMs;
    const left = Math.max(0, lease.deadline - this.#timers.now());
    lease.cancelDeadline();
    lease.cancelDeadline = this.#timers.after(left, () => this.#lose(lease, "expired"));
    if (this.#told.has(lock.id)) this.#told.set(lock.id, { lock, until: lease.deadline });
    if (!lease.renew) return;
    lease.cancelRenewal();
    // At a third: two more attempts fit before the end.
    lease.cancelRenewal = this.#timers.after(left / 3, () => this.#renew(lease));
  }

  #renew(lease: Lease): void {
    if (lease.renewing || !lease.renew) return;
    lease.renewing = true;
    const { element } = lease.lock;
    const left = Math.max(1, lease.deadline - this.#timers.now());
    const message = { type: "lock", action: "renew", element, ttlMs: lease.ttlMs };
    this.#requests
      .ask(message, { timeoutMs: left })
      .then(({ result, sentAt }) => {
        lease.renewing = false;
        if (this.#leases.get(element) !== lease || result.lock === undefined) return;
        this.#granted(lease, result.lock, sentAt);
        this.#refresh();
      })
      .catch((error: unknown) => {
        lease.renewing = false;
        if (this.#leases.get(element) !== lease) return;
        // Its time is up by the deadline's own timer; a closed replica holds nothing.
        if (error instanceof RequestError && (error.code === "timeout" || error.code === "closed")) return;
        const ended = error instanceof RequestError && error.code === "not_held";
        const early = this.#timers.now() < lease.deadline;
        this.#lose(lease, ended ? (early ? "released" : "expired") : "refused");
      });
  }

  #lose(lease: Lease, reason: LockLostEvent["reason"]): void {
    if (this.#leases.get(lease.lock.element) !== lease) return;
    this.#end(lease);
    this.#told.delete(lease.lock.id);
    this.#refresh();
    this.#onLost({ lock: lease.lock, reason });
  }

  #end(lease: Lease): void {
    lease.cancelRenewal();
    lease.cancelDeadline();
    if (this.#leases.get(lease.lock.element) === lease) this.#leases.delete(lease.lock.element);
  }

  /** Builds the list anew: what was told and has not ended, and what was granted since. */
  #refresh(): void {
    this.#cancelExpiry();
    const now = this.#timers.now();
    const list: LockInfo[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [id, { lock, until }] of [...this.#told]) {
      const lease = this.#leases.get(lock.element);
      // What one keeps ends by its own clock; its next list may say so later.
      const end = lease?.lock.id === id ? Math.max(until, lease.deadline) : until;
      if (end <= now) {
        this.#told.delete(id);
        continue;
      }
      next = Math.min(next, end);
      list.push(lock);
    }
    for (const { lock } of this.#leases.values()) if (!this.#told.has(lock.id)) list.push(lock);
    // A listener of what is told here may close the document.
    if (next < Number.POSITIVE_INFINITY && !this.#closed)
      this.#cancelExpiry = this.#timers.after(next - now, () => this.#refresh());
    if (sameLocks(list, this.#list)) return;
    this.#list = list;
    this.#onChange(list);
  }
}

/** Nothing (a typo, an id not known yet) would reach the server as the whole document. */
function checkElement(element: unknown): void {
  if (element !== null && !isElementId(element))
    throw new RequestError("invalid", `element: ${elementIdExpected}; or null, the document`);
}

function sameLocks(a: readonly LockInfo[], b: readonly LockInfo[]): boolean {
  return (
    a.length === b.length &&
    a.every((lock, index) => lock.id === b[index]?.id && lock.expiresAt === b[index]?.expiresAt)
  );
}

function asHeld(error: unknown): unknown {
  if (!(error instanceof RequestError) || error.code !== "locked") return error;
  const lock = error.details?.lock as LockInfo | undefined;
  return lock === undefined ? error : new LockHeldError(error.message, lock);
}
