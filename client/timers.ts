/** The clock and timers that the SDK uses; tests pass their own. */
export interface Timers {
  /** Milliseconds; only differences are used. */
  now(): number;
  /** Calls back once after that many milliseconds; returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The host's clock and timers. */
export function systemTimers(): Timers {
  return {
    now: () => performance.now(),
    after: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
