/** Makes an experiment of a workload: rounds interleaved, each target once, then each again. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Column, Context, Experiment, ExperimentResult, Figure } from "./experiment.ts";
import { type Measurement, measure } from "./measure.ts";
import { groupKey } from "./servers.ts";
import { type FigurePlan, type Metric, metrics, type Run, type Workload } from "./workload.ts";

const columns: readonly Column[] = [
  { key: "opsPerSecond", title: "ops/s", format: "whole" },
  { key: "deliveriesPerSecond", title: "deliveries/s", format: "whole" },
  { key: "ackP50", title: "ack p50", format: "time" },
  { key: "ackP99", title: "ack p99", format: "time" },
  { key: "everybodyP99", title: "all p99", format: "time" },
  { key: "serverCpu", title: "server CPU", format: "two" },
  { key: "postgresCpu", title: "PG CPU", format: "two" },
];
const deliveryColumns: readonly Column[] = [
  { key: "sameP50", title: "same p50", format: "time" },
  { key: "sameP99", title: "same p99", format: "time" },
];
const crossColumns: readonly Column[] = [
  { key: "crossP50", title: "cross p50", format: "time" },
  { key: "crossP99", title: "cross p99", format: "time" },
  { key: "smallestShare", title: "share", format: "percent" },
];
const snapshotColumn: Column = { key: "snapshots", title: "snapshots", format: "whole" };

/**
 * Of the warm-up before a target's first measurement, before its further ones. V8 compiles for 4 s of CPU in the first
 * 10 s of a load, on the server's core: a large server looked slower beside a small relay than it is a moment later.
 */
const laterWarmup = 1 / 5;

export const runLabel = ({ target, instances, label }: Run): string =>
  [instances === 1 ? target : `${target} × ${instances}`, ...(label === undefined ? [] : [label])].join(", ");

export function workloadExperiment(workload: Workload): Experiment {
  const { name, title, quick = false, long = false } = workload;
  return {
    name,
    title,
    quick,
    long,
    servers: workload.runs.map(groupKey),
    run: (context) => runWorkload(workload, context),
  };
}

async function runWorkload(workload: Workload, context: Context): Promise<ExperimentResult> {
  const { rounds, quick, targets } = context;
  const wanted = (run: Run): boolean =>
    !(quick && run.onlyFull === true) && (targets?.includes(run.target) ?? true);
  const measureMs = context.measureMs * (workload.lengthen ?? 1);
  const measured = workload.runs.map((run) => ({ run, rounds: [] as Measurement[], wanted: wanted(run) }));
  const raw = quick || targets !== undefined ? undefined : workload.rawPostgres;
  const rawRounds: { opsPerSecond: number }[] = [];
  const steps = rounds * measured.filter((one) => one.wanted).length;
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    const told = `round ${round + 1} of ${rounds}: `;
    for (const one of measured) {
      if (!one.wanted) continue;
      const what = told + runLabel(one.run);
      context.progress(what, done / steps);
      const measurement = await measure({
        workload,
        run: one.run,
        target: await context.servers.start(one.run),
        postgresPid: context.postgres.pid,
        loadCore: context.pins.load,
        warmupMs: context.warmupMs * (round === 0 ? 1 : laterWarmup),
        measureMs,
        seed: context.nextSeed(),
        progress: (share) => context.progress(what, (done + Math.min(1, share)) / steps),
      });
      one.rounds.push(measurement);
      if (one.run.target === "ours") context.profiled(measurement.stretch, measurement.operations);
      done += 1;
    }
    if (raw !== undefined) {
      context.progress(`${told}raw PostgreSQL`, done / steps);
      rawRounds.push(await rawPostgres(context, raw));
    }
  }
  const rows = measured
    .filter((one) => one.wanted)
    .map((one) => ({ label: runLabel(one.run), rounds: one.rounds.map(figuresOf) }));
  if (raw !== undefined)
    rows.push({ label: "raw PostgreSQL, 1 client", rounds: rawRounds.map((one) => ({ ...one })) });
  return {
    name: workload.name,
    title: workload.title,
    columns: columnsOf(workload),
    rows,
    figures: figures(
      workload.figures,
      measured.map((one) => ({ label: runLabel(one.run), rounds: one.rounds })),
    ),
    violations: measured.flatMap(({ run, rounds: all }) =>
      all.flatMap(({ violations }) => violations.map((text) => `${runLabel(run)}: ${text}`)),
    ),
  };
}

function columnsOf({ runs, load, snapshots }: Workload): readonly Column[] {
  const crossing = runs.some(({ instances }) => instances > 1);
  return [
    ...columns,
    ...(crossing || load.opsPerSecond !== undefined ? deliveryColumns : []),
    ...(crossing ? crossColumns : []),
    ...(snapshots === true ? [snapshotColumn] : []),
  ];
}

/** What of a measurement is a number for the table and the JSON. */
function figuresOf(measurement: Measurement): Readonly<Record<string, number>> {
  const { violations: _violations, stretch: _stretch, ...numbers } = measurement;
  return numbers;
}

type Numbers = Readonly<Record<Metric, number>>;
interface MeasuredRun {
  readonly label: string;
  /** Empty when it was left out. */
  readonly rounds: readonly Numbers[];
}

/** What is judged, each of one round; figures that need a run that was left out are left out too. */
export function figures(plans: readonly FigurePlan[], runs: readonly MeasuredRun[]): Figure[] {
  const hasRatio = (metric: Metric, run: number): boolean =>
    plans.some((plan) => plan.kind === "ratio" && plan.metric === metric && (plan.run ?? 0) === run);
  return plans.flatMap((plan): Figure[] => {
    const { metric, run = 0, atLeast, atMost } = plan;
    const { title, better, unit } = metrics[metric];
    const own = runs[run];
    if (own === undefined || own.rounds.length === 0) return [];
    const subject = run === 0 ? title : `${own.label}: ${title}`;
    const common = { subject, better, atLeast, atMost };
    switch (plan.kind) {
      case "ratio": {
        const other = runs[plan.to];
        if (other === undefined || other.rounds.length === 0) return [];
        const rounds = own.rounds.map(
          (one, round) => one[metric] / (other.rounds[round]?.[metric] ?? Number.NaN),
        );
        return [{ ...common, unit: `× ${other.label}`, rounds, compared: true }];
      }
      case "above": {
        const rounds = own.rounds.map((one) => one[metric] - one[plan.other]);
        return [{ ...common, unit: `ms above ${metrics[plan.other].title}`, rounds, compared: true }];
      }
      case "value": {
        const rounds = own.rounds.map((one) => one[metric]);
        return [{ ...common, unit, rounds, compared: !hasRatio(metric, run) }];
      }
      default:
        return plan satisfies never;
    }
  });
}

let rawUrl: Promise<string> | undefined;

async function rawPostgres(
  context: Context,
  { documents, batch }: { documents: number; batch: number },
): Promise<{ opsPerSecond: number }> {
  rawUrl ??= context.postgres.createDatabase("raw");
  const script = fileURLToPath(new URL("./baselines/raw-postgres.js", import.meta.url));
  const args = ["--documents", documents, "--batch", batch, "--seconds", context.measureMs / 1000];
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...args.map(String)], {
    env: { ...process.env, DATABASE_URL: await rawUrl },
  });
  return JSON.parse(stdout) as { opsPerSecond: number };
}
