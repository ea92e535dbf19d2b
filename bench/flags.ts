/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";
import type { Experiment } from "./experiment.ts";
import { experiments } from "./experiments.ts";
import { type TargetName, targetNames } from "./targets.ts";

export interface Flags {
  readonly chosen: readonly Experiment[];
  readonly targets: readonly TargetName[] | undefined;
  readonly rounds: number;
  readonly measureMs: number;
  readonly warmupMs: number;
  readonly quick: boolean;
  readonly pin: boolean;
  readonly json: string | undefined;
  readonly compare: string | undefined;
  readonly profile: string | undefined;
}

const list = experiments
  .map(({ name, title, quick, long }) => `  ${name.padEnd(14)} ${quick ? "q" : long ? "a" : " "}  ${title}`)
  .join("\n");

const usage = `Usage: npm run bench -- [options]

Measures the server beside bare relays and raw PostgreSQL, in one run. DATABASE_URL names the PostgreSQL to use;
without it, an embedded one is started in a temporary folder. Twenty-six minutes.

  --only NAMES     some experiments, separated by commas (below)
  --all            the long ones too; some minutes more and 10 GB of disk
  --quick          a few of them, shorter: three minutes
  --compare FILE   tell what became slower than the run that --json wrote to FILE, by more than the noise of both;
                   exit code 1 when something did. Compare quick runs with quick ones
  --json FILE      also write everything measured to FILE
  --rounds N       repetitions, of which the median counts (default 3)
  --seconds N      length of one measurement (default 3; quick: 1)
  --warmup N       seconds of load before a target's first measurement, while V8 compiles (default 20; quick: 1.5);
                   a fifth of it before the further ones
  --target NAMES   of workloads only some targets (${targetNames.join("; ").replaceAll(", ", " ")}), separated by commas
  --no-pin         leave the cores to the kernel (default: servers on one, the load generator on another)
  --profile DIR    also write CPU profiles of the targets to DIR, and show where ours spent its time
  --help

Experiments (q: in --quick, too; a: only with --all or by name):
${list}

The latency of each call of the store, on 100,000 documents and 1,000,000 operations, is a command of its own:
  npm run bench:store

Examples:
  npm run bench
  npm run bench -- --quick --json before.json     # change something, then
  npm run bench -- --quick --compare before.json
  npm run bench -- --only hot,documents --rounds 5
`;

function fail(message: string): never {
  console.error(`bench: ${message}\n\n${usage}`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: "string" },
        all: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        compare: { type: "string" },
        json: { type: "string" },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string" },
        warmup: { type: "string" },
        target: { type: "string" },
        profile: { type: "string" },
        "no-pin": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** Reads the arguments; ends the process for `--help` and for what is wrong. */
export function readFlags(): Flags {
  const values = parse();
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const { quick } = values;
  const number = (flag: "rounds" | "seconds" | "warmup", usual: number, least: number): number => {
    const value = Number(values[flag] ?? usual);
    return Number.isFinite(value) && value >= least ? value : fail(`--${flag}: expected a number ≥ ${least}`);
  };
  const only = values.only?.split(",").map((name) => name.trim());
  for (const name of only ?? []) {
    if (!experiments.some((known) => known.name === name)) fail(`--only: there is no experiment ${name}`);
  }
  /** Target names without their commas, so that they can be listed with commas. */
  const plain = (name: string): string => name.replaceAll(",", "");
  const targets = values.target?.split(",").map((name) => {
    const found = targetNames.find((known) => plain(known) === name.trim());
    return found ?? fail(`--target: there is no target ${name}`);
  });
  const chosen = experiments.filter(({ name, quick: short, long }) =>
    only === undefined ? values.all || (quick ? short : !long) : only.includes(name),
  );
  return {
    chosen,
    targets,
    rounds: Math.round(number("rounds", 3, 1)),
    measureMs: number("seconds", quick ? 1 : 3, 0.2) * 1000,
    warmupMs: number("warmup", quick ? 1.5 : 20, 0) * 1000,
    quick,
    pin: !values["no-pin"],
    json: values.json,
    compare: values.compare,
    profile: values.profile,
  };
}
