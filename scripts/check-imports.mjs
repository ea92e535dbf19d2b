// Checks who imports whom (.dependency-cruiser.cjs), and that something was checked at all: a tool that no longer
// understands the sources finds nothing wrong with them.
import { spawnSync } from "node:child_process";

const folders = ["server", "shared", "client", "client-demo", "drizzle", "bench", "test"];
const leastModules = 100;

const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [
    "node_modules/dependency-cruiser/bin/dependency-cruise.mjs",
    ...folders,
    "--config",
    ".dependency-cruiser.cjs",
  ],
  { encoding: "utf8" },
);
process.stdout.write(stdout);
process.stderr.write(stderr);
const modules = Number(/(\d+) modules/.exec(stdout)?.[1] ?? 0);
if (modules < leastModules) {
  console.error(`check-imports: only ${modules} modules were looked at, expected at least ${leastModules}`);
  process.exit(1);
}
process.exit(status ?? 1);
