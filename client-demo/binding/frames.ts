/**
 * When others' changes are shown: all that wait together, with a frame. To draw them costs the editor the same whether
 * one stroke grew or ten, and while many draw, a frame in which that is done can be a late one. What a person feels is
 * their own pointer: a late frame is followed by frames without others' changes, for as long as it took.
 */

/** Calls back before one of the next renderings; returns what cancels it. */
export type NextFrame = (callback: () => void) => () => void;

/** A frame that takes longer than this is seen: below 50 a second. */
const smoothMs = 20;
/** Others' changes never wait longer than this, however slow the machine is. */
const longestRestMs = 100;
/** Frames come a little early at times. */
const toleranceMs = 2;

/** Frames that leave about half of the time to the person themselves. Whoever shares them is called in the same one. */
export function pacedFrames({
  nextFrame = animationFrame,
  now = () => performance.now(),
}: {
  readonly nextFrame?: NextFrame;
  readonly now?: () => number;
} = {}): NextFrame {
  const waiting = new Set<() => void>();
  let asked = false;
  /** When the last frame showed something, until the frame after it tells what that took. */
  let shownAt: number | undefined;
  let restUntil = 0;
  const ask = (): void => {
    if (asked) return;
    asked = true;
    nextFrame(come);
  };
  const come = (): void => {
    asked = false;
    const at = now();
    if (shownAt !== undefined) {
      const tookMs = at - shownAt;
      shownAt = undefined;
      restUntil = tookMs > smoothMs ? at + Math.min(tookMs, longestRestMs) - toleranceMs : 0;
    }
    if (waiting.size === 0) return;
    ask();
    if (at < restUntil) return;
    shownAt = at;
    for (const callback of [...waiting]) {
      // First, so that one that throws leaves the others waiting.
      waiting.delete(callback);
      callback();
    }
  };
  return (callback) => {
    waiting.add(callback);
    ask();
    return () => void waiting.delete(callback);
  };
}

/** The next rendering. */
export function animationFrame(callback: () => void): () => void {
  const frame = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(frame);
}
