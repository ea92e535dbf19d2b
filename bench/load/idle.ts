/** Sockets that sit there while somebody looks at the server. */
import { Crowd } from "./crowd.ts";
import type { IdlePlan, IdleResult, LoadMessage } from "./plan.ts";

/** `mayGoOn` resolves when the server has been looked at. */
export async function runIdle(
  plan: IdlePlan,
  tell: (message: LoadMessage) => void,
  mayGoOn: Promise<unknown>,
): Promise<IdleResult> {
  const crowd = new Crowd(plan);
  await crowd.connectAll((share) => tell({ type: "progress", share }));
  tell({ type: "ready" });
  await mayGoOn;
  await crowd.everybodyGetsOne();
  crowd.close();
  return { violations: crowd.violations };
}
