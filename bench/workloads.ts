/** The workloads: a light load is one that leaves the machine idle most of the time. */
import type { FigurePlan, Run, Workload } from "./workload.ts";

const closed = { inFlight: 0, elementsPerWriter: 5 };
const hotLoad = { ...closed, clientsPerDocument: 20, writersPerDocument: 20, inFlight: 4 };
const documentsLoad = { ...closed, clientsPerDocument: 3, writersPerDocument: 3, inFlight: 2 };
const lightLoad = { ...closed, clientsPerDocument: 5, writersPerDocument: 5, opsPerSecond: 10 };

const ours: Run = { target: "ours", instances: 1 };
const bareDurable: Run = { target: "bare durable", instances: 1 };
const ownTables: Run = { target: "own tables", instances: 1, onlyFull: true };

/** Beside bare durable (run 1) and own tables (run 2). */
const throughput: readonly FigurePlan[] = [
  { kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.65 },
  { kind: "ratio", metric: "opsPerSecond", to: 2, atLeast: 0.8 },
];
/** Two instances (run 0) on the core of one (run 1). */
const shared: readonly FigurePlan[] = [
  { kind: "ratio", metric: "ackP99", to: 1, atMost: 3 },
  { kind: "value", metric: "smallestShare", atLeast: 0.4 },
];
const loggedRun = (stored: number): Run => ({
  ...ours,
  label: `${stored.toLocaleString("en-US")} stored`,
  stored,
});
const tenMillion = 10_000_000;
const filled = [loggedRun(tenMillion), ours];

export const workloads: readonly Workload[] = [
  {
    name: "hot",
    title: "one hot document, 20 writers, 4 submits in flight each",
    documents: 1,
    load: hotLoad,
    runs: [ours, bareDurable, ownTables],
    figures: [
      ...throughput,
      { kind: "ratio", metric: "everybodyP99", to: 1, atMost: 2 },
      { kind: "ratio", metric: "serverCpu", to: 1 },
      { kind: "ratio", metric: "postgresCpu", to: 1 },
    ],
    rawPostgres: { documents: 1, batch: 80 },
    quick: true,
  },
  {
    name: "large",
    title: "the hot document with many elements, while snapshots of it are written",
    documents: 1,
    load: hotLoad,
    runs: [
      ours,
      { ...ours, label: "5,000 elements", elements: 5_000 },
      { ...ours, label: "50,000 elements", elements: 50_000 },
    ],
    figures: [
      { kind: "ratio", metric: "opsPerSecond", run: 1, to: 0, atLeast: 0.9 },
      { kind: "ratio", metric: "opsPerSecond", run: 2, to: 0, atLeast: 0.9 },
      { kind: "ratio", metric: "everybodyP99", run: 1, to: 0 },
      { kind: "ratio", metric: "everybodyP99", run: 2, to: 0 },
    ],
    lengthen: 2,
    snapshots: true,
  },
  {
    name: "documents",
    title: "100 documents, 3 clients each, 2 submits in flight each",
    documents: 100,
    load: documentsLoad,
    runs: [ours, bareDurable, ownTables],
    figures: [
      ...throughput,
      { kind: "value", metric: "serverCpu", atMost: 0.25 },
      { kind: "value", metric: "postgresCpu", atMost: 0.2 },
      { kind: "ratio", metric: "everybodyP99", to: 1 },
      { kind: "ratio", metric: "serverCpu", to: 1 },
      { kind: "ratio", metric: "postgresCpu", to: 1 },
    ],
    rawPostgres: { documents: 100, batch: 200 },
    quick: true,
  },
  {
    name: "light",
    title: "one document, 5 clients, 10 operations per second each",
    documents: 1,
    load: lightLoad,
    runs: [ours, bareDurable],
    figures: [
      { kind: "ratio", metric: "ackP50", to: 1, atMost: 1.35 },
      { kind: "ratio", metric: "ackP99", to: 1, atMost: 1.5 },
      { kind: "ratio", metric: "sameP50", to: 1, atMost: 1.35 },
      { kind: "ratio", metric: "sameP99", to: 1, atMost: 1.5 },
    ],
    lengthen: 2,
    quick: true,
  },
  {
    name: "readers",
    title: "300 readers of one writer at 50 operations per second",
    documents: 1,
    load: { ...closed, clientsPerDocument: 301, writersPerDocument: 1, opsPerSecond: 50 },
    runs: [
      ours,
      { target: "ws, a turn", instances: 1 },
      { target: "ws, a message", instances: 1, onlyFull: true },
    ],
    figures: [
      { kind: "ratio", metric: "everybodyP99", to: 1, atMost: 1.5 },
      { kind: "ratio", metric: "serverCpu", to: 1, atMost: 1.3 },
    ],
  },
  {
    name: "cross",
    title: "two instances, one document, 6 clients, 10 operations per second each",
    documents: 1,
    load: { ...lightLoad, clientsPerDocument: 6, writersPerDocument: 6 },
    runs: [
      { ...ours, instances: 2 },
      { ...bareDurable, instances: 2 },
    ],
    figures: [
      { kind: "above", metric: "crossP50", other: "sameP50", atMost: 2 },
      { kind: "above", metric: "crossP99", other: "sameP99", atMost: 6 },
      { kind: "ratio", metric: "ackP50", to: 1 },
      { kind: "ratio", metric: "ackP99", to: 1 },
      { kind: "ratio", metric: "crossP50", to: 1 },
      { kind: "ratio", metric: "crossP99", to: 1 },
    ],
    lengthen: 2,
  },
  {
    name: "two",
    title: "two instances on the same 100 documents, 3 clients each, 2 submits in flight each",
    documents: 100,
    load: documentsLoad,
    // One bare relay: where two of them meet, the plain key as version check starves one.
    runs: [{ ...ours, instances: 2 }, ours, { ...bareDurable, onlyFull: true }],
    figures: [
      { kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.6 },
      ...shared,
      { kind: "ratio", metric: "opsPerSecond", to: 2 },
    ],
    quick: true,
  },
  {
    name: "two-hot",
    title: "two instances on one hot document, 20 writers, 4 submits in flight each",
    documents: 1,
    load: hotLoad,
    runs: [{ ...ours, instances: 2 }, ours],
    figures: [{ kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.5 }, ...shared],
  },
  {
    name: "instances",
    title: "one, two and four instances on the same core and the same 100 documents",
    documents: 100,
    load: { ...documentsLoad, clientsPerDocument: 4, writersPerDocument: 4 },
    // Seven instances that wait for their turn: of 100 connections, each one's pool and two more.
    runs: [1, 2, 4].map((instances) => ({ ...ours, instances, connections: 10 })),
    figures: [
      { kind: "ratio", metric: "opsPerSecond", run: 1, to: 0 },
      { kind: "ratio", metric: "opsPerSecond", run: 2, to: 0 },
      { kind: "value", metric: "smallestShare", run: 2 },
    ],
  },
  {
    name: "growth",
    title: "cost by the number of documents in use, 2 clients each, 1 submit in flight each",
    documents: 10,
    load: { ...closed, clientsPerDocument: 2, writersPerDocument: 2, inFlight: 1 },
    runs: [10, 100, 1_000].flatMap((documents) =>
      [ours, bareDurable].map((run) => ({
        ...run,
        label: `${documents.toLocaleString("en-US")} documents`,
        documents,
      })),
    ),
    figures: [0, 2, 4].flatMap((run) => [
      { kind: "ratio", metric: "opsPerSecond", run, to: run + 1 } as const,
      { kind: "ratio", metric: "serverCpu", run, to: run + 1 } as const,
    ]),
  },
  {
    name: "log",
    title: "100 documents, 3 clients each, by the number of operations stored before",
    documents: 100,
    load: documentsLoad,
    runs: [ours, loggedRun(10_000), loggedRun(1_000_000)],
    figures: [1, 2].flatMap((run) => [
      { kind: "ratio", metric: "opsPerSecond", run, to: 0, atLeast: 0.9 } as const,
      { kind: "ratio", metric: "postgresCpu", run, to: 0 } as const,
    ]),
  },
  {
    name: "log-hot",
    title: "one hot document, 10,000,000 operations stored before",
    documents: 1,
    load: hotLoad,
    runs: filled,
    figures: [
      { kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.9 },
      { kind: "ratio", metric: "everybodyP99", to: 1, atMost: 1.11 },
    ],
    long: true,
  },
  {
    name: "log-documents",
    title: "100 documents, 3 clients each, 10,000,000 operations stored before",
    documents: 100,
    load: documentsLoad,
    runs: filled,
    figures: [
      { kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.9 },
      { kind: "ratio", metric: "serverCpu", to: 1, atMost: 1.11 },
      { kind: "ratio", metric: "postgresCpu", to: 1, atMost: 1.11 },
    ],
    long: true,
  },
  {
    name: "log-light",
    title: "one document, 5 clients, 10,000,000 operations stored before",
    documents: 1,
    load: lightLoad,
    runs: filled,
    figures: (["ackP50", "ackP99", "sameP50", "sameP99"] as const).map((metric) => ({
      kind: "ratio",
      metric,
      to: 1,
      atMost: 1.11,
    })),
    lengthen: 2,
    long: true,
  },
];
