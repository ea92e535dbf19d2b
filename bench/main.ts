/**
 * `npm run bench`: the server beside its raw limits, in one run on one PostgreSQL, with default durability.
 * Rounds are interleaved (every target once, then again), so that what the machine does meanwhile meets all alike.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { type Measurement, measure } from "./measure.ts";
import { openPostgres } from "./postgres.ts";
import { pinning } from "./processes.ts";
import { summariseProfiles } from "./profile.ts";
import { legend, ratiosOf, renderWorkload, type WorkloadResult } from "./report.ts";
import { makeTarget, type Target, type TargetName, targetNames } from "./targets.ts";
import { type Workload, workloads } from "./workloads.ts";

const usage = `Usage: npm run bench -- [options]

Measures the server beside bare relays and raw PostgreSQL, in one run. DATABASE_URL names the PostgreSQL to use;
without it, an embedded one is started in a temporary folder.

  --only NAMES     some workloads, separated by commas (${workloads.map(({ name }) => name).join(", ")})
  --target NAMES   some targets, separated by commas (${targetNames.join("; ").replaceAll(", ", " ")})
  --rounds N       repetitions, of which the median counts (default 3)
  --seconds N      length of one measurement (default 3)
  --warmup N       seconds before it (default 1)
  --json FILE      also write everything measured to FILE
  --no-pin         leave the cores to the kernel (default: servers on one, the load generator on another)
  --profile DIR    also write CPU profiles of the targets to DIR, and show where ours spent its time
  --help

Examples:
  npm run bench
  npm run bench -- --only hot,documents --rounds 5 --json before.json
`;

function fail(message: string): never {
  console.error(`bench: ${message}\n\n${usage}`);
  process.exit(2);
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        only: { type: "string" },
        target: { type: "string" },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "3" },
        warmup: { type: "string", default: "1" },
        json: { type: "string" },
        profile: { type: "string" },
        "no-pin": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const flags = readFlags();
if (flags.help) {
  console.log(usage);
  process.exit(0);
}
const number = (flag: "rounds" | "seconds" | "warmup", least: number): number => {
  const value = Number(flags[flag]);
  return Number.isFinite(value) && value >= least ? value : fail(`--${flag}: expected a number ≥ ${least}`);
};
const rounds = Math.round(number("rounds", 1));
const measureMs = number("seconds", 0.2) * 1000;
const warmupMs = number("warmup", 0) * 1000;

const wantedNames = flags.only?.split(",");
for (const name of wantedNames ?? []) {
  if (!workloads.some((workload) => workload.name === name)) fail(`--only: there is no workload ${name}`);
}
/** Target names without their commas, so that they can be listed with commas. */
const plain = (name: string): string => name.replaceAll(",", "");
const wantedTargets = flags.target?.split(",").map((name) => name.trim());
for (const name of wantedTargets ?? []) {
  if (!targetNames.some((known) => plain(known) === name)) fail(`--target: there is no target ${name}`);
}
const chosen: Workload[] = workloads
  .filter(({ name }) => wantedNames?.includes(name) ?? true)
  .map((workload) => {
    if (wantedTargets === undefined) return workload;
    // Ratios speak of positions: with targets left out there are none.
    const runs = workload.runs.filter(({ target }) => wantedTargets.includes(plain(target)));
    return { ...workload, runs, ratios: [] };
  })
  .filter(({ runs }) => runs.length > 0);

const pins = pinning(!flags["no-pin"]);
const postgres = await openPostgres();
const targets = new Map<TargetName, Target>();
const stopAll = async (): Promise<void> => {
  for (const target of targets.values()) await target.close();
  await postgres.close();
};
process.once("SIGINT", () => void stopAll().finally(() => process.exit(130)));

const targetOf = (name: TargetName): Target => {
  let target = targets.get(name);
  if (target === undefined) {
    // "own tables" runs in the server's schema, but in a database of its own.
    target = makeTarget(
      name,
      pins.server,
      () => postgres.createDatabase(name.replaceAll(/\W/g, "")),
      flags.profile === undefined ? undefined : join(flags.profile, name.replaceAll(/\W+/g, "-")),
    );
    targets.set(name, target);
  }
  return target;
};

const onTerminal = process.stderr.isTTY === true;
const totalRuns = chosen.reduce((sum, { runs }) => sum + runs.length * rounds, 0);
let doneRuns = 0;
const progress = (what: string, share: number): void => {
  if (!onTerminal) return;
  const percent = Math.round(((doneRuns + Math.min(1, share)) / totalRuns) * 100);
  process.stderr.write(`\r\x1b[2K${String(percent).padStart(3)} %  ${what}`);
};

let rawUrl: string | undefined;
async function rawPostgres(documents: number, batch: number): Promise<number> {
  rawUrl ??= await postgres.createDatabase("raw");
  const script = fileURLToPath(new URL("./baselines/raw-postgres.js", import.meta.url));
  const args = ["--documents", documents, "--batch", batch, "--seconds", measureMs / 1000];
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args.map(String)], {
    env: { ...process.env, DATABASE_URL: rawUrl },
  });
  return (JSON.parse(stdout) as { opsPerSecond: number }).opsPerSecond;
}

const host = `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${availableParallelism()} cores, Node.js ${process.version}`;
const pinned =
  pins.server === undefined
    ? "not pinned"
    : `servers on core ${pins.server}, load generator on core ${pins.load}`;
console.log(`${host}; ${postgres.description}; ${pinned}\n${legend}\n`);

const results: WorkloadResult[] = [];
let failed = false;
try {
  for (const workload of chosen) {
    const measured: Measurement[][] = workload.runs.map(() => []);
    const raw: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const [index, { target, instances }] of workload.runs.entries()) {
        const what = `${workload.name}, round ${round + 1} of ${rounds}: ${target}`;
        progress(what, 0);
        const measurement = await measure({
          workload,
          target: targetOf(target),
          instances,
          postgresPid: postgres.pid,
          loadCore: pins.load,
          warmupMs,
          measureMs,
          seed: 1 + doneRuns,
          progress: (share) => progress(what, share),
        });
        measured[index]?.push(measurement);
        doneRuns += 1;
      }
      if (workload.rawPostgres !== undefined && wantedTargets === undefined) {
        progress(`${workload.name}, round ${round + 1} of ${rounds}: raw PostgreSQL`, 0);
        raw.push(await rawPostgres(workload.rawPostgres.documents, workload.rawPostgres.batch));
      }
    }
    const runs = workload.runs.map((run, index) => ({ ...run, rounds: measured[index] ?? [] }));
    const result = {
      workload: workload.name,
      title: workload.title,
      runs,
      ratios: ratiosOf(workload, runs),
      rawPostgres: raw,
    };
    results.push(result);
    if (onTerminal) process.stderr.write("\r\x1b[2K");
    console.log(`${renderWorkload(result)}\n`);
    failed ||= runs.some((run) => run.rounds.some(({ violations }) => violations.length > 0));
  }
} finally {
  await stopAll();
}
if (flags.profile !== undefined && targets.has("ours")) {
  const ours = results.flatMap(({ runs }) => runs.filter(({ target }) => target === "ours"));
  const measured = ours.flatMap(({ rounds: all }) => all);
  const operations = measured.reduce((sum, one) => sum + one.operations, 0);
  console.log(
    summariseProfiles(
      join(flags.profile, "ours"),
      measured.map(({ stretch }) => stretch),
      operations,
    ),
  );
}
if (flags.json !== undefined) {
  const document = {
    at: new Date().toISOString(),
    host,
    postgres: postgres.description,
    pinned,
    rounds,
    measureMs,
  };
  writeFileSync(flags.json, `${JSON.stringify({ ...document, workloads: results }, null, 1)}\n`);
  console.log(`written to ${flags.json}`);
}
if (failed) {
  console.error("bench: some deliveries were not as they have to be (VIOLATION above)");
  process.exit(1);
}
