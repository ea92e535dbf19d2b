/** The middle of the values that are numbers; `NaN` without any. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** How far the rounds are apart: the largest less the smallest; `NaN` with fewer than two. */
export function range(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length < 2 ? Number.NaN : Math.max(...known) - Math.min(...known);
}
