import type { LoadPlan } from "./load/plan.ts";
import type { TargetName } from "./targets.ts";

/** A load, what it runs on, and what is compared: data only. `run-workload.ts` runs it. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly documents: number;
  readonly load: Pick<
    LoadPlan,
    "clientsPerDocument" | "writersPerDocument" | "inFlight" | "opsPerSecond" | "elementsPerWriter"
  >;
  /** Each is measured once a round, in this order. */
  readonly runs: readonly Run[];
  readonly figures: readonly FigurePlan[];
  /** Raw PostgreSQL beside it: operations of one insert, over so many documents. */
  readonly rawPostgres?: { readonly documents: number; readonly batch: number };
  /** Times `--seconds`: a light load needs longer for a p99, a large document for its snapshots. */
  readonly lengthen?: number;
  /** Snapshots are counted, and a run with `elements` in which none was written is a violation. */
  readonly snapshots?: boolean;
  readonly quick?: boolean;
  readonly long?: boolean;
}

/** One line of the table. */
export interface Run {
  readonly target: TargetName;
  readonly instances: number;
  /** Said behind the target's name. */
  readonly label?: string;
  /** Instead of the workload's. */
  readonly documents?: number;
  /** Elements that each document has before anybody writes. */
  readonly elements?: number;
  /** Operations that the log has already. */
  readonly stored?: number;
  /** Of each instance's pool; undefined: the default. */
  readonly connections?: number;
  /** Left out of `--quick`. */
  readonly onlyFull?: boolean;
}

export type Metric =
  | "opsPerSecond"
  | "ackP50"
  | "ackP99"
  | "everybodyP99"
  | "sameP50"
  | "sameP99"
  | "crossP50"
  | "crossP99"
  | "serverCpu"
  | "postgresCpu"
  | "smallestShare";

interface Aim {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** `run`, `to`: indexes into `runs`; `run` is the first one when it is not said. */
export type FigurePlan = Aim & { readonly metric: Metric; readonly run?: number } & (
    | { readonly kind: "ratio"; readonly to: number }
    /** By how much it is above another metric of the same run. */
    | { readonly kind: "above"; readonly other: Metric }
    | { readonly kind: "value" }
  );

export const metrics: Readonly<
  Record<Metric, { readonly title: string; readonly better: "higher" | "lower"; readonly unit: string }>
> = {
  opsPerSecond: { title: "operations per second", better: "higher", unit: "" },
  ackP50: { title: "acknowledgement p50", better: "lower", unit: "ms" },
  ackP99: { title: "acknowledgement p99", better: "lower", unit: "ms" },
  everybodyP99: { title: "p99 until everybody has it", better: "lower", unit: "ms" },
  sameP50: { title: "delivery p50", better: "lower", unit: "ms" },
  sameP99: { title: "delivery p99", better: "lower", unit: "ms" },
  crossP50: { title: "delivery to the other instance p50", better: "lower", unit: "ms" },
  crossP99: { title: "delivery to the other instance p99", better: "lower", unit: "ms" },
  serverCpu: { title: "server CPU", better: "lower", unit: "s for 10,000 operations" },
  postgresCpu: { title: "PostgreSQL CPU", better: "lower", unit: "s for 10,000 operations" },
  smallestShare: { title: "smallest instance's share of the operations", better: "higher", unit: "" },
};
