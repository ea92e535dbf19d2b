/** A reconnect storm: all sockets are cut at once, and all come back at once, as after a network's or a proxy's restart. */
import { setTimeout as delay } from "node:timers/promises";
import { Crowd } from "./crowd.ts";
import { Histogram, percentiles } from "./histogram.ts";
import type { LoadMessage, StormPlan, StormResult } from "./plan.ts";

/** Operations of each document before the cut; everybody comes back from some versions before the last. */
const operations = 5;
const missed = 2;
/** Between two attempts of one session. */
const retryMs = 100;
/** Each session's longest time to come back. */
const limitMs = 60_000;

export async function runStorm(plan: StormPlan, tell: (message: LoadMessage) => void): Promise<StormResult> {
  const crowd = new Crowd(plan);
  await crowd.connectAll((share) => tell({ type: "progress", share: share / 2 }));
  for (let count = 0; count < operations; count++) await crowd.everybodyGetsOne();
  const histogram = new Histogram();
  let retries = 0;
  let fromSnapshot = 0;
  let live = 0;
  crowd.cut();
  const cutAt = performance.now();
  await Promise.all(
    crowd.members.map(async (member) => {
      for (;;) {
        try {
          const client = await crowd.connect(member, operations - missed);
          histogram.add(performance.now() - cutAt);
          if (client.fromSnapshot) fromSnapshot += 1;
          break;
        } catch (cause) {
          if (performance.now() - cutAt > limitMs)
            throw new Error(`a session was not live after ${limitMs} ms`, { cause });
          retries += 1;
          await delay(retryMs);
        }
      }
      live += 1;
      if (live % 100 === 0) tell({ type: "progress", share: 0.5 + live / crowd.members.length / 2 });
    }),
  );
  const allLiveMs = performance.now() - cutAt;
  await crowd.everybodyGetsOne();
  crowd.close();
  return { live: percentiles(histogram), allLiveMs, retries, fromSnapshot, violations: crowd.violations };
}
