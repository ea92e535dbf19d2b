import type { LoadPlan } from "./load/plan.ts";
import type { TargetName } from "./targets.ts";

/** One line of the table: a load, what it runs on, and what is compared. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly documents: number;
  readonly load: Pick<
    LoadPlan,
    "clientsPerDocument" | "writersPerDocument" | "inFlight" | "opsPerSecond" | "elementsPerWriter"
  >;
  readonly runs: readonly { readonly target: TargetName; readonly instances: number }[];
  /** What of the first run is divided by what of another; `atLeast`/`atMost` is the aim, where there is one. */
  readonly ratios: readonly Ratio[];
  /** Raw PostgreSQL beside it: operations of one insert, over so many documents. */
  readonly rawPostgres?: { readonly documents: number; readonly batch: number };
}

export type Metric = "opsPerSecond" | "ackP50" | "ackP99" | "everybodyP99" | "serverCpu";

export interface Ratio {
  readonly metric: Metric;
  /** Index into `runs`. */
  readonly to: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const closed = { inFlight: 0, elementsPerWriter: 5 };

/** The workloads of the first benchmark. A light load is one that leaves the machine idle most of the time. */
export const workloads: readonly Workload[] = [
  {
    name: "hot",
    title: "one hot document, 20 writers, 4 submits in flight each",
    documents: 1,
    load: { ...closed, clientsPerDocument: 20, writersPerDocument: 20, inFlight: 4 },
    runs: [
      { target: "ours", instances: 1 },
      { target: "bare durable", instances: 1 },
      { target: "own tables", instances: 1 },
    ],
    ratios: [
      { metric: "opsPerSecond", to: 1, atLeast: 0.4 },
      { metric: "opsPerSecond", to: 2 },
      { metric: "everybodyP99", to: 1 },
    ],
    rawPostgres: { documents: 1, batch: 80 },
  },
  {
    name: "documents",
    title: "100 documents, 3 clients each, 2 submits in flight each",
    documents: 100,
    load: { ...closed, clientsPerDocument: 3, writersPerDocument: 3, inFlight: 2 },
    runs: [
      { target: "ours", instances: 1 },
      { target: "bare durable", instances: 1 },
      { target: "own tables", instances: 1 },
    ],
    ratios: [
      { metric: "opsPerSecond", to: 1, atLeast: 0.4 },
      { metric: "opsPerSecond", to: 2 },
      { metric: "everybodyP99", to: 1 },
    ],
    rawPostgres: { documents: 100, batch: 200 },
  },
  {
    name: "readers",
    title: "300 readers of one writer at 50 operations a second",
    documents: 1,
    load: { ...closed, clientsPerDocument: 301, writersPerDocument: 1, opsPerSecond: 50 },
    runs: [
      { target: "ours", instances: 1 },
      { target: "ws, a turn", instances: 1 },
      { target: "ws, a message", instances: 1 },
    ],
    ratios: [
      { metric: "everybodyP99", to: 1 },
      { metric: "serverCpu", to: 1 },
    ],
  },
  {
    name: "cross",
    title: "two instances, light load: one document, 6 clients, 10 operations a second each",
    documents: 1,
    load: { ...closed, clientsPerDocument: 6, writersPerDocument: 6, opsPerSecond: 10 },
    runs: [
      { target: "ours", instances: 2 },
      { target: "bare durable", instances: 2 },
    ],
    ratios: [
      { metric: "ackP50", to: 1 },
      { metric: "ackP99", to: 1 },
    ],
  },
  {
    name: "two",
    title: "two instances on the same 100 documents, 3 clients each, 2 submits in flight each",
    documents: 100,
    load: { ...closed, clientsPerDocument: 3, writersPerDocument: 3, inFlight: 2 },
    runs: [
      { target: "ours", instances: 2 },
      { target: "ours", instances: 1 },
      // One instance of it: where two of them meet, the plain key as version check starves one.
      { target: "bare durable", instances: 1 },
    ],
    ratios: [
      { metric: "opsPerSecond", to: 1 },
      { metric: "ackP99", to: 1 },
      { metric: "opsPerSecond", to: 2 },
    ],
    rawPostgres: { documents: 100, batch: 200 },
  },
];
