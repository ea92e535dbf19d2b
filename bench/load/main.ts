/** The load generator's process: gets a plan by IPC, answers with `LoadMessage`s, ends. */
import { once } from "node:events";
import { runIdle } from "./idle.ts";
import { runJoin } from "./join.ts";
import type { LoadMessage, Plan } from "./plan.ts";
import { runLoad } from "./run.ts";
import { runStorm } from "./storm.ts";

const tell = (message: LoadMessage): void => {
  process.send?.(message);
};

function run(plan: Plan) {
  switch (plan.kind) {
    case "load":
      return runLoad(plan, tell);
    case "idle":
      return runIdle(plan, tell, once(process, "message"));
    case "storm":
      return runStorm(plan, tell);
    case "join":
      return runJoin(plan, tell);
    default:
      return plan satisfies never;
  }
}

let answered = false;
process.once("disconnect", () => {
  // Who started it is gone: nobody waits for an answer.
  if (!answered) process.exit();
});
process.once("message", (plan: Plan) => {
  run(plan)
    .then((result) => tell({ type: "result", result }))
    .catch((error: unknown) =>
      tell({ type: "failed", message: error instanceof Error ? (error.stack ?? "") : String(error) }),
    )
    .finally(() => {
      answered = true;
      process.disconnect();
    });
});
