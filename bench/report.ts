/** The tables that people read, from what was measured. */
import { type Measurement, median } from "./measure.ts";
import type { Metric, Workload } from "./workloads.ts";

export interface WorkloadResult {
  readonly workload: string;
  readonly title: string;
  /** As `Workload.runs`, each with its repetitions in the order of the rounds. */
  readonly runs: readonly {
    readonly target: string;
    readonly instances: number;
    readonly rounds: readonly Measurement[];
  }[];
  readonly ratios: readonly RatioResult[];
  /** Operations a second of raw PostgreSQL, a round each. */
  readonly rawPostgres: readonly number[];
}

export interface RatioResult {
  readonly metric: Metric;
  readonly to: string;
  readonly median: number;
  readonly rounds: readonly number[];
  readonly aim: string;
  readonly met: boolean | undefined;
}

const metricTitles: Readonly<Record<Metric, string>> = {
  opsPerSecond: "operations a second",
  ackP50: "acknowledgement p50",
  ackP99: "acknowledgement p99",
  everybodyP99: "p99 until everybody has it",
  serverCpu: "server CPU",
};

const label = (run: { target: string; instances: number }): string =>
  run.instances === 1 ? run.target : `${run.target} × ${run.instances}`;

/** The workload's ratios: each of one round, then the median of the rounds. */
export function ratiosOf(workload: Workload, runs: WorkloadResult["runs"]): RatioResult[] {
  const [first] = runs;
  return workload.ratios.flatMap(({ metric, to, atLeast, atMost }) => {
    const other = runs[to];
    if (first === undefined || other === undefined) return [];
    const rounds = first.rounds.map(
      (own, round) => own[metric] / (other.rounds[round]?.[metric] ?? Number.NaN),
    );
    const value = median(rounds);
    const aim = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : "";
    const met = atLeast !== undefined ? value >= atLeast : atMost !== undefined ? value <= atMost : undefined;
    return [{ metric, to: label(other), median: value, rounds, aim, met }];
  });
}

const whole = (value: number): string =>
  Number.isNaN(value) ? "–" : Math.round(value).toLocaleString("en-US");
const milli = (value: number): string => (Number.isNaN(value) ? "–" : value.toFixed(value < 10 ? 2 : 1));
const ratio = (value: number): string => (Number.isNaN(value) ? "–" : value.toFixed(2));

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** One workload as text: a line for each target (medians of the rounds), then the ratios. */
export function renderWorkload(result: WorkloadResult): string {
  const middle = (
    rounds: readonly Measurement[],
    metric: keyof Omit<Measurement, "violations" | "stretch">,
  ): number => median(rounds.map((round) => round[metric]));
  const crossing = result.runs.some(({ rounds }) => rounds.some(({ crossP50 }) => !Number.isNaN(crossP50)));
  const head = ["", "ops/s", "deliveries/s", "ack p50", "ack p99", "all p99", "server CPU", "PG CPU"];
  if (crossing) head.push("same p50", "same p99", "cross p50", "cross p99", "share");
  const rows: string[][] = [head];
  for (const run of result.runs) {
    const { rounds } = run;
    rows.push([
      label(run),
      whole(middle(rounds, "opsPerSecond")),
      whole(middle(rounds, "deliveriesPerSecond")),
      milli(middle(rounds, "ackP50")),
      milli(middle(rounds, "ackP99")),
      milli(middle(rounds, "everybodyP99")),
      ratio(middle(rounds, "serverCpu")),
      ratio(middle(rounds, "postgresCpu")),
      ...(crossing
        ? [
            milli(middle(rounds, "sameP50")),
            milli(middle(rounds, "sameP99")),
            milli(middle(rounds, "crossP50")),
            milli(middle(rounds, "crossP99")),
            `${Math.round(middle(rounds, "smallestShare") * 100)} %`,
          ]
        : []),
    ]);
  }
  if (result.rawPostgres.length > 0)
    rows.push(["raw PostgreSQL, 1 client", whole(median(result.rawPostgres))]);
  const lines = [`${result.workload}: ${result.title}`, table(rows)];
  for (const one of result.ratios) {
    const aim = one.met === undefined ? "" : ` (aim ${one.aim}: ${one.met ? "met" : "MISSED"})`;
    lines.push(`  ${metricTitles[one.metric]}: ${ratio(one.median)} × ${one.to}${aim}`);
  }
  const violations = result.runs.flatMap((run) =>
    run.rounds.flatMap((round) => round.violations.map((text) => `  VIOLATION, ${label(run)}: ${text}`)),
  );
  return [...lines, ...violations].join("\n");
}

export const legend =
  "Times in ms; CPU in seconds for 10,000 operations; 'all p99': until every member of the document has it.";
