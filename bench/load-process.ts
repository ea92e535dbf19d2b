/** The load generator's process, which does one plan and ends. */
import type { LoadMessage, Plan, ResultOf } from "./load/plan.ts";
import { startNode, stopChild } from "./processes.ts";

/**
 * Runs a plan. `on` gets what it says meanwhile; when it has handled `ready`, the generator goes on.
 * Rejects when the generator fails.
 */
export async function runInLoadProcess<P extends Plan>(
  plan: P,
  core: number | undefined,
  on: (message: Extract<LoadMessage, { type: "ready" | "measuring" | "measured" | "progress" }>) => unknown,
): Promise<ResultOf<P>> {
  const child = startNode("bench/load/main.js", [], { core, ipc: true });
  try {
    return await new Promise<ResultOf<P>>((resolve, reject) => {
      child.on("message", (message: LoadMessage) => {
        if (message.type === "result") resolve(message.result as ResultOf<P>);
        else if (message.type === "failed") reject(new Error(`load generator: ${message.message}`));
        else if (message.type !== "ready") on(message);
        else {
          Promise.resolve(on(message)).then(() => child.send("go on"), reject);
        }
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
      child.send(plan);
    });
  } finally {
    await stopChild(child);
  }
}
