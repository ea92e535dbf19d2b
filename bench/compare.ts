/**
 * What became slower since a saved run. Machines differ, so that ratios to the baselines of the same run are compared, and
 * absolute values only where nothing was measured beside them. A difference counts when it is larger than what the rounds of
 * one run differ by: than the ranges of both runs together, and than a tenth, since a few rounds may agree by chance.
 */
import { z } from "zod";
import { shortNumber, table } from "./report.ts";
import { median, range } from "./statistics.ts";

/** Of the earlier median. */
const leastNoise = 0.1;

/** What could not be measured is null in JSON. */
const value = z
  .number()
  .nullable()
  .transform((number) => number ?? Number.NaN);

/** Of `--json FILE`, what is compared. */
export const savedRunSchema = z.object({
  at: z.string(),
  host: z.string(),
  quick: z.boolean(),
  rounds: z.number(),
  measureMs: z.number(),
  experiments: z.array(
    z.object({
      name: z.string(),
      figures: z.array(
        z.object({
          subject: z.string(),
          unit: z.string(),
          better: z.enum(["higher", "lower"]),
          rounds: z.array(value),
          compared: z.boolean(),
        }),
      ),
    }),
  ),
});
export type SavedRun = z.infer<typeof savedRunSchema>;
type SavedFigure = SavedRun["experiments"][number]["figures"][number];

/** `unknown`: a run has fewer than two rounds of it, so that its noise is not known. */
export type Verdict = "slower" | "faster" | "same" | "unknown";

export interface ComparedFigure {
  readonly experiment: string;
  /** Its subject and unit. */
  readonly figure: string;
  readonly before: number;
  readonly now: number;
  /** The smallest difference that counts, in the figure's unit. */
  readonly noise: number;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly figures: readonly ComparedFigure[];
  /** Figures that only one of the runs has. */
  readonly missing: number;
  /** How the runs differ in what they did. */
  readonly differences: readonly string[];
}

function compareFigure(before: SavedFigure, now: SavedFigure): Omit<ComparedFigure, "experiment"> {
  const [was, is] = [median(before.rounds), median(now.rounds)];
  const noise = Math.max(range(before.rounds) + range(now.rounds), leastNoise * Math.abs(was));
  const worse = now.better === "higher" ? was - is : is - was;
  const verdict = Number.isNaN(noise + worse)
    ? "unknown"
    : worse > noise
      ? "slower"
      : worse < -noise
        ? "faster"
        : "same";
  return { figure: `${now.subject} ${now.unit}`.trim(), before: was, now: is, noise, verdict };
}

/** Compares what both runs measured. */
export function compareRuns(before: SavedRun, now: SavedRun): Comparison {
  const keyOf = (experiment: string, { subject, unit }: SavedFigure): string =>
    JSON.stringify([experiment, subject, unit]);
  const compared = (run: SavedRun): [string, { experiment: string; figure: SavedFigure }][] =>
    run.experiments
      .flatMap(({ name, figures }) =>
        figures
          .filter((figure) => figure.compared)
          .map((figure) => [keyOf(name, figure), { experiment: name, figure }] as const),
      )
      .map(([key, found]) => [key, found]);
  const earlier = new Map(compared(before));
  const later = compared(now);
  const figures = later.flatMap(([key, { experiment, figure }]) => {
    const found = earlier.get(key);
    return found === undefined ? [] : [{ experiment, ...compareFigure(found.figure, figure) }];
  });
  const settings = (run: SavedRun): string =>
    `${run.quick ? "quick, " : ""}${run.rounds} rounds of ${run.measureMs / 1_000} s`;
  const differences: string[] = [];
  if (settings(before) !== settings(now))
    differences.push(
      `the saved run had ${settings(before)}, this one ${settings(now)}: that alone moves figures`,
    );
  if (before.host !== now.host) differences.push(`the saved run was made on ${before.host}`);
  return { figures, missing: earlier.size + later.length - 2 * figures.length, differences };
}

/** The comparison as text: what is slower first. */
export function renderComparison({ figures, missing, differences }: Comparison, at: string): string {
  const order: readonly Verdict[] = ["slower", "faster", "unknown", "same"];
  const sorted = [...figures].sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict));
  const rows = sorted.map((one) => [
    `${one.experiment}: ${one.figure}`,
    shortNumber(one.before),
    shortNumber(one.now),
    `±${shortNumber(one.noise)}`,
    one.verdict === "slower" ? "SLOWER" : one.verdict,
  ]);
  const count = (verdict: Verdict): number => figures.filter((one) => one.verdict === verdict).length;
  const unknown = count("unknown");
  return [
    `compared with the run of ${at}`,
    table([["", "before", "now", "noise", ""], ...rows]),
    ...differences.map((text) => `  ${text}`),
    ...(missing === 0 ? [] : [`  ${missing} figures are in one of the runs only`]),
    ...(unknown === 0 ? [] : [`  ${unknown} unknown: a run needs two rounds at least to know its noise`]),
    `${count("slower")} of ${figures.length} figures became slower, ${count("faster")} faster`,
  ].join("\n");
}
