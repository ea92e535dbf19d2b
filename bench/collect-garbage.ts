/**
 * Loaded into a server whose memory is measured (`node --expose-gc --import …`): collects all garbage at SIGUSR2. The
 * young generation alone may hold more garbage than 2,000 sessions need, and none is due while a server is idle.
 *
 * At the first signal the young generation is filled to its bound, twice `--max-semi-space-size`: memory that every load
 * takes sooner or later, and that V8 keeps. While it still grew, 30 MB of it were counted as the sessions' own. Collections
 * compact, so that the holes that others left in a page are not given to the sessions for nothing.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--compact-on-every-full-gc");

/** V8 lets it grow when more has survived than it is large: this reaches 128 MB. */
const churnedArrays = 4_000_000;
/** Kept at a time, so that they survive: 8 MB. */
const survivingArrays = 65_536;

function fillYoungGeneration(): void {
  const surviving: unknown[] = new Array(survivingArrays);
  for (let i = 0; i < churnedArrays; i++)
    surviving[i % survivingArrays] = [i, i, i, i, i, i, i, i, i, i, i, i];
}

let filled = false;
process.on("SIGUSR2", () => {
  if (!filled) fillYoungGeneration();
  filled = true;
  globalThis.gc?.();
});
