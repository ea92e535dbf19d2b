/** How long to wait between attempts, in milliseconds. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: BackoffOptions = { baseMs: 250, maxMs: 15_000 };

/**
 * Exponential delay with jitter: between half and all of `baseMs · 2^attempt`, capped. The jitter spreads clients that
 * lost the same server at the same moment.
 * @param attempt 0 for the first.
 * @param random in [0, 1).
 */
export function backoffDelayMs(attempt: number, random: number, options: BackoffOptions): number {
  const full = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return full * (0.5 + random / 2);
}
