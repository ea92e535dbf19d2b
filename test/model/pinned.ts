/**
 * Runs that found something once, as their steps were when they had shrunk. The time between two steps is the machine's,
 * so a run does not repeat exactly: each is tried a few times.
 */
import type { Step } from "./steps.ts";

export interface Pinned {
  /** What it found. */
  readonly found: string;
  readonly steps: readonly Step[];
}

export const pinned: readonly Pinned[] = [];
