import { describe, expect, it } from "vitest";
import { pacedFrames } from "../../../client-demo/binding/frames.ts";

/** A screen whose next frame comes when the work of the last one is done, at 60 a second at best. */
class FakeScreen {
  timeMs = 0;
  frames = 0;
  #asked: (() => void) | undefined;
  #workMs = 0;

  readonly nextFrame = (callback: () => void): (() => void) => {
    expect(this.#asked).toBeUndefined();
    this.#asked = callback;
    return () => {
      this.#asked = undefined;
    };
  };
  readonly now = (): number => this.timeMs;

  work(ms: number): void {
    this.#workMs += ms;
  }

  /** Time passes. */
  run(forMs: number): void {
    for (const end = this.timeMs + forMs; this.timeMs < end; ) {
      const asked = this.#asked;
      this.#asked = undefined;
      this.frames += 1;
      asked?.();
      this.timeMs += Math.max(1_000 / 60, this.#workMs);
      this.#workMs = 0;
    }
  }

  get idle(): boolean {
    return this.#asked === undefined;
  }
}

/** How often changes that come all the time are shown in a second, and how many frames there are meanwhile. */
function rates(costMs: number): { readonly shown: number; readonly frames: number } {
  const screen = new FakeScreen();
  const nextFrame = pacedFrames(screen);
  let shown = 0;
  const show = (): void => {
    shown += 1;
    screen.work(costMs);
    nextFrame(show);
  };
  nextFrame(show);
  screen.run(10_000);
  return { shown: shown / 10, frames: screen.frames / 10 };
}

describe("frames for others' changes", () => {
  it("[demo/frames] what is cheap is shown with each frame", () => {
    expect(rates(10).shown).toBeGreaterThan(59);
  });

  it("[demo/frames] a late frame is followed by frames for the person, for as long as it took", () => {
    for (const costMs of [22, 30, 45, 90]) {
      const { shown } = rates(costMs);
      expect(shown * costMs).toBeGreaterThan(350);
      expect(shown * costMs).toBeLessThan(600);
    }
    expect(rates(25).frames).toBeGreaterThan(50);
  });

  it("[demo/frames] nothing waits longer than a tenth of a second beyond its own cost", () => {
    expect(rates(1_000).shown).toBeGreaterThan(0.85);
  });

  it("[demo/frames] all that wait are shown in one frame; what was cancelled is not; then no frame is asked for", () => {
    const screen = new FakeScreen();
    const nextFrame = pacedFrames(screen);
    const shownAt: number[] = [];
    nextFrame(() => shownAt.push(screen.frames));
    nextFrame(() => shownAt.push(screen.frames));
    nextFrame(() => shownAt.push(0))();
    screen.run(100);
    expect(shownAt).toEqual([1, 1]);
    expect(screen.idle).toBe(true);
  });

  it("[demo/frames] one that throws does not keep the others from being shown", () => {
    const screen = new FakeScreen();
    const nextFrame = pacedFrames(screen);
    let shown = false;
    nextFrame(() => {
      throw new Error("on purpose");
    });
    nextFrame(() => {
      shown = true;
    });
    expect(() => screen.run(100)).toThrow("on purpose");
    screen.run(100);
    expect(shown).toBe(true);
  });
});
