/** Seeded random numbers (mulberry32): the same seed, the same run, as far as timing allows. */
export interface Random {
  /** 0 ≤ value < 1. */
  next(): number;
  /** A whole number, both bounds included. */
  between(low: number, high: number): number;
  pick<T>(list: readonly T[]): T | undefined;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return { next, between, pick: (list) => list[Math.floor(next() * list.length)] };
}
