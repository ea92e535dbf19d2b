/** What `GET /metrics` says of the event loop. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { createMetrics } from "../../server/observability/metrics.ts";

const metrics = createMetrics();
afterAll(() => metrics.close());

/** Longest delay since the last call, in seconds. */
async function longestDelay(): Promise<number> {
  const text = await metrics.registry.getSingleMetricAsString("aetherflow_event_loop_delay_seconds");
  return Number(/ (\S+)$/.exec(text)?.[1]);
}

test("the delay of the event loop is what it is held up for, and none where it is free", async () => {
  // Where others use the machine a stretch may be disturbed; not every one is.
  const free = async () => {
    await delay(350);
    return longestDelay();
  };
  await expect.poll(free, { timeout: 8_000 }).toBeLessThan(0.05);

  // The first look after an answer only starts the clock.
  await delay(150);
  const until = performance.now() + 400;
  while (performance.now() < until);
  await delay(150);
  expect(await longestDelay()).toBeGreaterThan(0.25);
});
