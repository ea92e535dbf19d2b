// Builds dist/: the server, client and tools with tsc, the demo client with Vite. `--if-stale` builds only what is
// older than its sources, and is quiet when nothing is. A line says what it is doing.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const onlyStale = process.argv.includes("--if-stale");
const usage = `node scripts/build.mjs [--if-stale]

Builds dist/: the server, client and tools, and the demo client. --if-stale: only what is older than its sources.
`;
const unknown = process.argv.slice(2).filter((flag) => flag !== "--if-stale");
if (unknown.length > 0) {
  const asked = unknown.every((flag) => flag === "--help" || flag === "-h");
  (asked ? process.stdout : process.stderr).write(
    asked ? usage : `build: unknown flag ${unknown[0]}\n\n${usage}`,
  );
  process.exit(asked ? 0 : 2);
}
const at = (...parts) => path.join(root, ...parts);

if (!existsSync(at("node_modules"))) installFirst();

const steps = [
  {
    name: "server",
    compiler: at("node_modules", "typescript", "bin", "tsc"),
    stamp: at("dist", ".built-server"),
    // `tsc` knows by its own record what to write again; without the output the record says too much.
    output: at("dist", "server", "main.js"),
    sources: [
      "server",
      "shared",
      "client",
      "drizzle",
      "bench",
      "test/replay",
      "tsconfig.json",
      "tsconfig.build.json",
    ],
    run() {
      if (!existsSync(this.output)) rmSync(at("dist", ".tsbuildinfo"), { force: true });
      node(this.compiler, ["-p", "tsconfig.build.json"]);
      chmodSync(this.output, 0o755);
    },
  },
  {
    name: "demo client",
    compiler: at("node_modules", "vite", "bin", "vite.js"),
    stamp: at("dist", ".built-demo"),
    output: at("dist", "client-demo", "index.html"),
    sources: ["client-demo", "client", "shared", "scripts/demo", "package-lock.json", "vite.config.ts"],
    run() {
      node(this.compiler, ["build", "--logLevel", "warn"]);
    },
  },
];

let announced = false;
for (const step of steps) {
  if (!step.sources.every((source) => existsSync(at(source)))) {
    console.error(
      `build: ${step.name}: ${step.sources.find((source) => !existsSync(at(source)))} is missing`,
    );
    process.exitCode = 1;
    continue;
  }
  if (onlyStale && isFresh(step)) continue;
  // An installation that only runs what is built has no compilers.
  if (!existsSync(step.compiler)) installFirst();
  const startedAt = new Date();
  // Progress belongs to people; a log file or a pipe is told once why nothing else comes for a while.
  if (process.stderr.isTTY) process.stderr.write(`building the ${step.name} …`);
  else if (!announced) process.stderr.write("building, about a minute\n");
  announced = true;
  step.run();
  if (process.stderr.isTTY) process.stderr.write(` ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
  mkdirSync(path.dirname(step.stamp), { recursive: true });
  writeFileSync(step.stamp, "");
  // What changed while it was built is stale.
  utimesSync(step.stamp, startedAt, startedAt);
}

function installFirst() {
  console.error("build: the dependencies are not installed: run npm ci first");
  process.exit(1);
}

function node(script, args) {
  const { status } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    // Whoever calls, a test for example: the page gets no development versions.
    env: { ...process.env, NODE_ENV: "production" },
  });
  if (status !== 0) process.exit(status ?? 1);
}

function isFresh({ stamp, output, sources }) {
  if (!existsSync(stamp) || !existsSync(output)) return false;
  return Math.max(...sources.map((source) => newest(at(source)))) <= statSync(stamp).mtimeMs;
}

/** The latest change in a file or folder; a folder's own time tells of files that are gone. */
function newest(file) {
  const stat = statSync(file);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(file).reduce(
    (latest, name) => Math.max(latest, newest(path.join(file, name))),
    stat.mtimeMs,
  );
}
