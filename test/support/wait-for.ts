import { setTimeout as delay } from "node:timers/promises";

export interface WaitOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  /** What is waited for, for the error. */
  readonly what?: string;
}

/**
 * Waits until `condition` gives something truthy, and returns it. Throws after `timeoutMs`, with the last error that
 * the condition threw, if it did.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, intervalMs = 10, what = condition.toString() } = options;
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`, { cause });
    await delay(intervalMs);
  }
}
