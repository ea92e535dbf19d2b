/**
 * `npm run bench`: the server beside its raw limits, in one run on one PostgreSQL, with default durability.
 * Rounds are interleaved (every target once, then again), so that what the machine does meanwhile meets all alike.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { Cleanups } from "./cleanups.ts";
import { compareRuns, renderComparison, type SavedRun, savedRunSchema } from "./compare.ts";
import type { Context, ExperimentResult } from "./experiment.ts";
import { readFlags } from "./flags.ts";
import { openPostgres } from "./postgres.ts";
import { pinning } from "./processes.ts";
import { type Stretch, summariseProfiles } from "./profile.ts";
import { legend, renderExperiment } from "./report.ts";
import { Servers } from "./servers.ts";
import type { TargetName } from "./targets.ts";

const flags = readFlags();
/** Read first: after ten minutes nobody wants to hear that it is not there. */
const saved = flags.compare === undefined ? undefined : readSaved(flags.compare);

function readSaved(file: string): SavedRun {
  try {
    return savedRunSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    console.error(`bench: --compare: ${file} is not what --json writes: ${error}`);
    process.exit(2);
  }
}

const pins = pinning(flags.pin);
const cleanups = new Cleanups();
let interrupted = false;
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    interrupted = true;
    void cleanups.close().finally(() => process.exit(code));
  });
}
const postgres = await openPostgres();
cleanups.add(() => postgres.close());

const onTerminal = process.stderr.isTTY === true;
const say = (text: string): void => {
  if (onTerminal) process.stderr.write(`\r\x1b[2K${text}`);
};
let heading = "";
const profileFolder = (target: TargetName): string | undefined =>
  flags.profile === undefined ? undefined : join(flags.profile, target.replaceAll(/\W+/g, "-"));
const servers = new Servers({
  postgres,
  core: pins.server,
  profileFolder,
  progress: (what) => say(`${heading}  ${what}`),
});
cleanups.add(() => servers.close());

const stretches: Stretch[] = [];
let profiledOperations = 0;
let seed = 0;
const context: Context = {
  rounds: flags.rounds,
  measureMs: flags.measureMs,
  warmupMs: flags.warmupMs,
  quick: flags.quick,
  targets: flags.targets,
  pins,
  postgres,
  servers,
  cleanups,
  nextSeed: () => ++seed,
  progress: (what, share) => say(`${heading}  ${String(Math.round(share * 100)).padStart(3)} %  ${what}`),
  profiled(stretch, operations) {
    stretches.push(stretch);
    profiledOperations += operations;
  },
};

const host = `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${availableParallelism()} cores, Node.js ${process.version}`;
const pinned =
  pins.server === undefined
    ? "not pinned"
    : `servers on core ${pins.server}, load generator on core ${pins.load}`;
console.log(`${host}; ${postgres.description}; ${pinned}\n${legend}\n`);

const results: ExperimentResult[] = [];
try {
  for (const [index, experiment] of flags.chosen.entries()) {
    heading = `${experiment.name} (${index + 1} of ${flags.chosen.length})`;
    say(heading);
    const stillUsed = flags.chosen.slice(index).flatMap((one) => one.servers);
    await servers.keep(new Set(stillUsed));
    const result = await experiment.run(context).catch(async (error: unknown): Promise<ExperimentResult> => {
      // Its servers were stopped under it; the process ends when all is cleaned up.
      if (interrupted) return new Promise<never>(() => {});
      // The others are still worth their time.
      const { name, title } = experiment;
      const violations = [`it failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`];
      return { name, title, columns: [], rows: [], figures: [], violations };
    });
    results.push(result);
    say("");
    console.log(`${renderExperiment(result)}\n`);
  }
} finally {
  await cleanups.close();
}

const ours = profileFolder("ours");
if (ours !== undefined && stretches.length > 0)
  console.log(summariseProfiles(ours, stretches, profiledOperations));
const run = {
  at: new Date().toISOString(),
  host,
  postgres: postgres.description,
  pinned,
  quick: flags.quick,
  rounds: flags.rounds,
  measureMs: flags.measureMs,
  experiments: results,
};
if (flags.json !== undefined) {
  writeFileSync(flags.json, `${JSON.stringify(run, null, 1)}\n`);
  console.log(`written to ${flags.json}`);
}
if (saved !== undefined) {
  const comparison = compareRuns(saved, savedRunSchema.parse(JSON.parse(JSON.stringify(run))));
  console.log(renderComparison(comparison, saved.at));
  if (comparison.figures.some(({ verdict }) => verdict === "slower")) process.exitCode = 1;
}
if (results.some(({ violations }) => violations.length > 0)) {
  console.error("bench: something was not as it has to be (VIOLATION above)");
  process.exitCode = 1;
}
