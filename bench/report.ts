/** The tables that people read, from what was measured. */
import type { ExperimentResult, Figure, Format } from "./experiment.ts";
import { median } from "./statistics.ts";

export const legend =
  "Times in ms; CPU in seconds for 10,000 operations; 'all p99': until every member of the document has it.";

const formats: Readonly<Record<Format, (value: number) => string>> = {
  whole: (value) => Math.round(value).toLocaleString("en-US"),
  time: (value) => value.toFixed(value < 10 ? 2 : 1),
  two: (value) => value.toFixed(2),
  percent: (value) => `${Math.round(value * 100)} %`,
};

/** Three significant digits or so, as ratios and times want. */
export function shortNumber(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return size >= 1_000 ? Math.round(value).toLocaleString("en-US") : value.toFixed(size >= 100 ? 0 : 2);
}

/** Columns under each other: the first is text, the others end at one edge. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}

/** Whether the median of the rounds is as it is meant to be; undefined where nothing is meant. */
export function isMet({ rounds, atLeast, atMost }: Figure): boolean | undefined {
  const value = median(rounds);
  if (atLeast !== undefined) return value >= atLeast;
  return atMost === undefined ? undefined : value <= atMost;
}

function renderFigure(figure: Figure): string {
  const { subject, unit, atLeast, atMost } = figure;
  const met = isMet(figure);
  const aim = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  const judged = met === undefined ? "" : ` (aim ${aim}: ${met ? "met" : "MISSED"})`;
  const value = shortNumber(median(figure.rounds));
  return `  ${subject}: ${unit === "" ? value : `${value} ${unit}`}${judged}`;
}

/** One experiment as text: a line for each row (medians of the rounds), then what is judged. */
export function renderExperiment(result: ExperimentResult): string {
  const { columns } = result;
  const cells = result.rows.map(({ label, rounds }) => [
    label,
    ...columns.map(({ key, format }) => {
      const value = median(rounds.map((round) => round[key] ?? Number.NaN));
      return Number.isNaN(value) ? "–" : formats[format](value);
    }),
  ]);
  return [
    `${result.name}: ${result.title}`,
    table([["", ...columns.map(({ title }) => title)], ...cells]),
    ...result.figures.map(renderFigure),
    ...(result.notes ?? []).map((note) => `  ${note}`),
    ...result.violations.map((text) => `  VIOLATION, ${text}`),
  ].join("\n");
}
