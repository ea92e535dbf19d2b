/** What every part of the benchmark has in common: what it gets, and what it answers for the table, the JSON and `--compare`. */
import type { Cleanups } from "./cleanups.ts";
import type { BenchPostgres } from "./postgres.ts";
import type { Pinning } from "./processes.ts";
import type { Stretch } from "./profile.ts";
import type { Servers } from "./servers.ts";
import type { TargetName } from "./targets.ts";

export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** Part of `--quick`. */
  readonly quick: boolean;
  /** Takes minutes: only when it is named, or with `--all`. */
  readonly long: boolean;
  /** The servers that it shares with other experiments, by {@link Servers} key; the others are stopped before it. */
  readonly servers: readonly string[];
  run(context: Context): Promise<ExperimentResult>;
}

export interface Context {
  readonly rounds: number;
  /** Length of one measurement under load, and of the time before it, in milliseconds. */
  readonly measureMs: number;
  readonly warmupMs: number;
  readonly quick: boolean;
  /** Of workloads: only these targets; undefined: all. */
  readonly targets: readonly TargetName[] | undefined;
  readonly pins: Pinning;
  readonly postgres: BenchPostgres;
  readonly servers: Servers;
  readonly cleanups: Cleanups;
  /** A number that no other measurement of this run has. */
  nextSeed(): number;
  /** `share`: how much of the experiment is done, 0…1. */
  progress(what: string, share: number): void;
  /** Tells `--profile` when the server was measured, and how many operations it handled. */
  profiled(stretch: Stretch, operations: number): void;
}

export interface ExperimentResult {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
  /** What must not happen, in words: a delivery that was missing, double or out of order. They fail the run. */
  readonly violations: readonly string[];
  /** What the reader has to know, such as why it was left out. */
  readonly notes?: readonly string[];
}

/** `whole`: 12,345; `time`: two decimals below ten, else one; `two`: two decimals; `percent`: of a share. */
export type Format = "whole" | "time" | "two" | "percent";

export interface Column {
  readonly key: string;
  readonly title: string;
  readonly format: Format;
}

/** A line of the table: what was measured in each round, by the columns' keys. `NaN`: could not be measured. */
export interface Row {
  readonly label: string;
  readonly rounds: readonly Readonly<Record<string, number>>[];
}

/** What is judged: a ratio within one run, or an absolute value. */
export interface Figure {
  /** "operations per second", and "× bare durable": read as one, with the value between them. Together they name it. */
  readonly subject: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** A value for each round; the median counts. */
  readonly rounds: readonly number[];
  /** The aim, where there is one. */
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  /** False for an absolute value beside which there is a ratio: machines differ, so that `--compare` takes the ratio. */
  readonly compared: boolean;
}
