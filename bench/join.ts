/**
 * Joining a document of 5,000 elements: again and again while it is open, beside `ws` that sends as many bytes; the first
 * of all, which has to be read; and fifty at once, which have to share one read.
 */
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Context, Experiment, ExperimentResult } from "./experiment.ts";
import type { JoinResult } from "./load/plan.ts";
import { runInLoadProcess } from "./load-process.ts";
import type { Target } from "./targets.ts";

const elements = 5_000;
const crowd = 50;
/** A round starts three servers. */
const quickRounds = 2;

interface Round {
  readonly first: number;
  readonly p50: number;
  readonly p99: number;
  readonly crowdP50: number;
  readonly crowdP99: number;
  readonly megabytes: number;
}

export const joinExperiment: Experiment = {
  name: "join",
  title: `joining a document of ${elements.toLocaleString("en-US")} elements`,
  quick: true,
  long: false,
  servers: [],
  async run(context): Promise<ExperimentResult> {
    const ours = context.servers.fresh({ target: "ours", instances: 1 });
    const raw = context.servers.fresh({ target: "ws, a turn", instances: 1 });
    const closeOurs = context.cleanups.add(() => ours.close());
    const closeRaw = context.cleanups.add(() => raw.close());
    try {
      return await measureJoins(context, ours, raw);
    } finally {
      await closeOurs();
      await closeRaw();
    }
  },
};

async function measureJoins(context: Context, ours: Target, raw: Target): Promise<ExperimentResult> {
  const rounds = context.quick ? Math.min(quickRounds, context.rounds) : context.rounds;
  const joins = context.quick ? 50 : 200;
  const violations: string[] = [];
  await ours.scale(1);
  await raw.scale(1);
  const { ids, tokens } = await ours.documents({ count: 1, members: 1, writers: 1, elements });
  const document = ids[0] as string;
  const join = async (target: Target, path: string, count: number, atOnce: boolean): Promise<JoinResult> => {
    const url = (target.running[0]?.url ?? "").replace("http:", "ws:");
    const result = await runInLoadProcess(
      { kind: "join", target: target.protocol, url, document: path, token: tokens[0] ?? "", count, atOnce },
      context.pins.load,
      () => {},
    );
    violations.push(...result.violations);
    return result;
  };
  /** A server that has not opened the document; what the one before did is in the statistics by then. */
  const restart = async (): Promise<number> => {
    await ours.scale(0);
    const reads = await readsOf(await ours.databaseUrl());
    await ours.scale(1);
    return reads;
  };

  const measured: Round[] = [];
  const baseline: Round[] = [];
  const sharing: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const told = `round ${round + 1} of ${rounds}: `;
    context.progress(`${told}ours`, round / rounds);
    const reads0 = await restart();
    const { firstMs } = await join(ours, document, 1, false);
    const reads1 = await restart();
    const together = await join(ours, document, crowd, true);
    const reads2 = await restart();
    const single = await join(ours, document, joins, false);
    sharing.push((reads2 - reads1) / (reads1 - reads0));
    measured.push(roundOf(firstMs, single, together));
    context.progress(`${told}ws, a turn`, (round + 0.7) / rounds);
    const path = `join?ballast=${single.bytes}`;
    const rawTogether = await join(raw, path, crowd, true);
    const rawSingle = await join(raw, path, joins, false);
    baseline.push(roundOf(Number.NaN, rawSingle, rawTogether));
  }
  const p50s = measured.map(({ p50 }) => p50);
  return {
    name: joinExperiment.name,
    title: joinExperiment.title,
    columns: [
      { key: "first", title: "first, ms", format: "time" },
      { key: "p50", title: "p50", format: "time" },
      { key: "p99", title: "p99", format: "time" },
      { key: "crowdP50", title: `${crowd} at once p50`, format: "time" },
      { key: "crowdP99", title: "p99", format: "time" },
      { key: "megabytes", title: "MB", format: "two" },
    ],
    rows: [
      { label: "ours", rounds: measured.map((one) => ({ ...one })) },
      { label: "ws, as many bytes", rounds: baseline.map((one) => ({ ...one })) },
    ],
    figures: [
      { subject: "join p50", unit: "ms", better: "lower", rounds: p50s, atMost: 15, compared: false },
      {
        subject: "join p50",
        unit: "× ws, as many bytes",
        better: "lower",
        rounds: p50s.map((p50, round) => p50 / (baseline[round]?.p50 ?? Number.NaN)),
        compared: true,
      },
      {
        subject: `database reads of ${crowd} joiners at once`,
        unit: "× one joiner's",
        better: "lower",
        rounds: sharing,
        atMost: 1,
        compared: true,
      },
    ],
    violations,
  };
}

function roundOf(first: number, single: JoinResult, together: JoinResult): Round {
  return {
    first,
    p50: single.join.p50,
    p99: single.join.p99,
    crowdP50: together.join.p50,
    crowdP99: together.join.p99,
    megabytes: single.bytes / 1e6,
  };
}

/** Scans of the tables that a document is read from. Backends tell them at their end at the latest. */
async function readsOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await untilAlone(client);
    const { rows } = await client.query<{ reads: number }>(
      `SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int AS reads
        FROM pg_stat_user_tables WHERE relname IN ('snapshot_parts', 'operations')`,
    );
    return rows[0]?.reads ?? Number.NaN;
  } finally {
    await client.end();
  }
}

/** A backend ends, and tells its statistics, a moment after the server that it worked for. */
async function untilAlone(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query(
      `SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    if (rows.length === 0) return;
    await delay(20);
  }
}
