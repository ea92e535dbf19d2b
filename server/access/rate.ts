/** Limits by key (a user, an address, a session): how much in a second, and how many at once. */

export type Taken = { readonly ok: true } | { readonly ok: false; readonly retryAfterMs: number };

/** A token bucket for each key. */
export interface RateLimit {
  /** Takes `amount` whole or not at all. */
  take(key: string, amount?: number): Taken;
  /** Keys that are remembered: those that are not full again. */
  readonly size: number;
}

export interface RateOptions {
  /** Refill; 0 switches the limit off. */
  readonly perSecond: number;
  /** Size of the bucket; default: one second's refill. */
  readonly burst?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** How many calls pass between two looks for keys to forget. */
const sweepEvery = 1_000;

/**
 * Makes a limit. An amount over the bucket's size passes when the bucket is full, and is paid back before anything
 * else passes: otherwise it never could.
 */
export function createRateLimit({ perSecond, burst = perSecond, now }: RateOptions): RateLimit {
  const size = Math.max(burst, 1);
  const buckets = new Map<string, { level: number; at: number }>();
  const taken: Taken = { ok: true };
  let calls = 0;

  const level = (bucket: { level: number; at: number }, at: number) =>
    Math.min(size, bucket.level + ((at - bucket.at) * perSecond) / 1_000);

  return {
    take(key, amount = 1) {
      if (perSecond === 0) return taken;
      const at = now();
      calls += 1;
      if (calls % sweepEvery === 0) {
        for (const [other, bucket] of buckets) if (level(bucket, at) >= size) buckets.delete(other);
      }
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        bucket = { level: size, at };
        buckets.set(key, bucket);
      }
      const available = level(bucket, at);
      const missing = Math.min(amount, size) - available;
      if (missing > 0) return { ok: false, retryAfterMs: Math.ceil((missing * 1_000) / perSecond) };
      bucket.level = available - amount;
      bucket.at = at;
      return taken;
    },
    get size() {
      return buckets.size;
    },
  };
}

/** A bound on how many of something a key has at once. */
export interface ConcurrencyLimit {
  /** Takes a place; call the answer once to give it back. Undefined: none is free. */
  enter(key: string): (() => void) | undefined;
  /** How many places a key holds. */
  count(key: string): number;
}

/** Makes a bound; 0 switches it off. */
export function createConcurrencyLimit(max: number): ConcurrencyLimit {
  const counts = new Map<string, number>();
  return {
    enter(key) {
      const count = counts.get(key) ?? 0;
      if (max > 0 && count >= max) return undefined;
      counts.set(key, count + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const rest = (counts.get(key) ?? 1) - 1;
        if (rest === 0) counts.delete(key);
        else counts.set(key, rest);
      };
    },
    count: (key) => counts.get(key) ?? 0,
  };
}
