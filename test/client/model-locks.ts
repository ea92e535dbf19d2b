/** Locks of the model server: protocol section 5 for one document, on one clock. */
import type { LockCommand, LockInfo, LocksState, Result } from "../../shared/protocol/messages.ts";

interface Holder {
  readonly id: string;
  readonly user: string;
  readonly client: string;
}

const start = Date.parse("2026-01-31T12:00:00.000Z");
const defaultTtlMs = 30_000;

export class ModelLocks {
  now: () => number = () => 0;
  #revision = 0;
  #tokens = 0;
  readonly #locks = new Map<string | null, { lock: LockInfo; until: number }>();

  get state(): LocksState {
    const now = this.now();
    for (const [element, { until }] of [...this.#locks]) {
      if (until > now) continue;
      this.#locks.delete(element);
      this.#revision += 1;
    }
    const locks = [...this.#locks.values()].map(({ lock, until }) => ({ ...lock, expiresInMs: until - now }));
    return { revision: this.#revision, locks };
  }

  /** Another author's lock on that element or on the document. */
  standsInTheWay(holder: Holder, element: string | null): LockInfo | undefined {
    return this.state.locks.find(
      (lock) =>
        (element === null || lock.element === null || lock.element === element) &&
        !(lock.clientId === holder.client && lock.user.id === holder.user),
    );
  }

  handle(holder: Holder, command: LockCommand, version: number): { result: Result; changed: boolean } {
    const { requestId, action, element = null, ttlMs = defaultTtlMs } = command;
    const refuse = (code: "locked" | "not_held", message: string, lock?: LockInfo) => ({
      result: {
        type: "result",
        requestId,
        ok: false,
        code,
        message,
        ...(lock && { details: { lock } }),
      } as const,
      changed: false,
    });
    void this.state;
    const present = this.#locks.get(element);
    const own = present?.lock.clientId === holder.client && present.lock.user.id === holder.user;
    if (action === "release") {
      if (present === undefined || present.lock.user.id !== holder.user)
        return refuse("not_held", "not held");
      this.#locks.delete(element);
      this.#revision += 1;
      return { result: { type: "result", requestId, ok: true }, changed: true };
    }
    if (action === "renew" && !own) return refuse("not_held", "not held");
    const other = this.standsInTheWay(holder, element);
    if (other !== undefined) {
      const what = other.element === null ? "document" : "element";
      return refuse("locked", `${what} is already locked`, other);
    }
    const until = this.now() + ttlMs;
    if (!own) this.#tokens += 1;
    const lock: LockInfo = {
      id: own && present ? present.lock.id : `lock-${this.#tokens}`,
      element,
      sessionId: holder.id,
      clientId: holder.client,
      user: { id: holder.user },
      acquiredAt: own && present ? present.lock.acquiredAt : new Date(start + this.now()).toISOString(),
      expiresAt: new Date(start + until).toISOString(),
      expiresInMs: ttlMs,
      token: own && present ? present.lock.token : this.#tokens,
      version: own && present ? present.lock.version : version,
    };
    this.#locks.set(element, { lock, until });
    this.#revision += 1;
    return { result: { type: "result", requestId, ok: true, lock }, changed: true };
  }

  /** Ended by an owner, or because the right to edit was lost. */
  force(element: string | null): void {
    this.#locks.delete(element);
    this.#revision += 1;
  }
}
