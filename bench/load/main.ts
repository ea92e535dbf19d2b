/** The load generator's process: gets a plan by IPC, answers with `LoadMessage`s, ends. */
import type { LoadMessage, LoadPlan } from "./plan.ts";
import { runLoad } from "./run.ts";

const tell = (message: LoadMessage): void => {
  process.send?.(message);
};

process.once("message", (plan: LoadPlan) => {
  runLoad(plan, tell)
    .then((result) => tell({ type: "result", result }))
    .catch((error: unknown) => tell({ type: "failed", message: String(error) }))
    .finally(() => process.disconnect());
});
