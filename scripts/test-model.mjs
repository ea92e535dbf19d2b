// Runs the model-based test longer than `npm test` does: `npm run test:model -- --runs 500`.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const usage = `npm run test:model -- [flags]

  --runs N      runs of random users on three instances; default: 500
  --seed N      the seed that a failure printed
  --path PATH   its path: repeats the shrunk run
`;
let values;
try {
  const text = { type: "string" };
  const options = {
    runs: { ...text, default: "500" },
    seed: text,
    path: text,
    help: { type: "boolean", short: "h" },
  };
  ({ values } = parseArgs({ options }));
} catch (error) {
  console.error(`test-model: ${error.message}\n\n${usage}`);
  process.exit(2);
}
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
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
