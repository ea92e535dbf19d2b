// Runs the model-based test longer than `npm test` does: `npm run test:model -- --runs 500`.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "500" }, seed: { type: "string" }, path: { type: "string" } },
});
for (const [name, value] of Object.entries({ runs: values.runs, seed: values.seed })) {
  if (value === undefined || (Number.isSafeInteger(Number(value)) && Number(value) > 0)) continue;
  console.error(`test-model: --${name}: expected a whole number above 0`);
  process.exit(2);
}
const { status } = spawnSync("npx", ["vitest", "run", "test/model/model.test.ts"], {
  stdio: "inherit",
  env: {
    ...process.env,
    MODEL_RUNS: values.runs,
    ...(values.seed === undefined ? {} : { MODEL_SEED: values.seed }),
    ...(values.path === undefined ? {} : { MODEL_PATH: values.path }),
  },
});
process.exit(status ?? 1);
