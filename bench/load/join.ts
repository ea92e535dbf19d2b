/** Joining a document: from the connection's start until everything that leads to its version is there. */
import { LoadClient } from "./client.ts";
import { dialects } from "./dialect.ts";
import { Histogram, percentiles } from "./histogram.ts";
import type { JoinPlan, JoinResult, LoadMessage } from "./plan.ts";
import { LoadRoom } from "./room.ts";

export async function runJoin(plan: JoinPlan, tell: (message: LoadMessage) => void): Promise<JoinResult> {
  const violations: string[] = [];
  const histogram = new Histogram();
  const room = new LoadRoom(plan.count);
  let firstMs = Number.NaN;
  let bytes = 0;
  const join = async (index: number): Promise<LoadClient> => {
    const startedAt = performance.now();
    const client = await LoadClient.open({
      dialect: dialects[plan.target],
      url: plan.url,
      document: plan.document,
      token: plan.token,
      room,
      index,
      delivered() {},
      handled() {},
      violated: (message) => violations.push(message),
    });
    const took = performance.now() - startedAt;
    histogram.add(took);
    if (Number.isNaN(firstMs)) firstMs = took;
    bytes = client.joinBytes;
    return client;
  };
  const numbers = Array.from({ length: plan.count }, (_, number) => number);
  if (plan.atOnce) for (const client of await Promise.all(numbers.map(join))) client.close();
  else {
    for (const number of numbers) {
      (await join(number)).close();
      tell({ type: "progress", share: number / plan.count });
    }
  }
  return { join: percentiles(histogram), firstMs, bytes, violations };
}
