/** Seeded randomness (mulberry32): print the seed when a test fails, and the same seed repeats the run. */
export interface SeededRandom {
  readonly seed: number;
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number from `from` to `to`, bounds inclusive. */
  between(from: number, to: number): number;
  pick<T>(items: readonly T[]): T;
}

/** A generator from a seed: the given one, that of the environment variable SEED, or a fresh one. */
export function seededRandom(
  seed = Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31),
): SeededRandom {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  const pick = <T>(items: readonly T[]): T => {
    if (items.length === 0) throw new RangeError("nothing to pick from");
    return items[between(0, items.length - 1)] as T;
  };
  return { seed, next, between, pick };
}
