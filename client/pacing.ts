/**
 * A token bucket: keeps a session below a rate that the server would refuse (`limits.opsPerSecond`), so that a busy
 * client waits and coalesces instead of being rejected.
 */
export class Pace {
  readonly #ratePerSecond: number;
  readonly #capacity: number;
  #tokens: number;
  #updatedAt: number;

  /** @param ratePerSecond 0: no limit. */
  constructor(ratePerSecond: number, capacity: number, now: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#capacity = Math.max(capacity, ratePerSecond, 1);
    this.#tokens = this.#capacity;
    this.#updatedAt = now;
  }

  /** Milliseconds until `count` may pass (0: now). More than the bucket holds waits for a full one. */
  waitMs(count: number, now: number): number {
    if (this.#ratePerSecond === 0) return 0;
    this.#refill(now);
    const missing = Math.min(count, this.#capacity) - this.#tokens;
    return missing <= 0 ? 0 : Math.ceil((missing / this.#ratePerSecond) * 1000);
  }

  /** Counts what was sent. */
  take(count: number, now: number): void {
    this.#refill(now);
    this.#tokens = Math.max(0, this.#tokens - count);
  }

  #refill(now: number): void {
    const earned = ((now - this.#updatedAt) / 1000) * this.#ratePerSecond;
    this.#tokens = Math.min(this.#capacity, this.#tokens + earned);
    this.#updatedAt = now;
  }
}
