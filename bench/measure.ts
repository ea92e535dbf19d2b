/** One measurement: a load on a target, with the CPU time that server and PostgreSQL used for it. */
import pg from "pg";
import { cpuSeconds } from "./cpu.ts";
import type { LoadPlan } from "./load/plan.ts";
import { runInLoadProcess } from "./load-process.ts";
import { monotonicMicros, type Stretch } from "./profile.ts";
import type { Target } from "./targets.ts";
import type { Run, Workload } from "./workload.ts";

export interface Measurement {
  readonly opsPerSecond: number;
  readonly deliveriesPerSecond: number;
  /** Milliseconds. */
  readonly ackP50: number;
  readonly ackP99: number;
  readonly everybodyP99: number;
  readonly sameP50: number;
  readonly sameP99: number;
  readonly crossP50: number;
  readonly crossP99: number;
  /** CPU seconds for 10,000 operations; `NaN` where /proc does not tell. */
  readonly serverCpu: number;
  readonly postgresCpu: number;
  /** The smallest instance's share of the operations. */
  readonly smallestShare: number;
  /** Snapshots whose writing ended meanwhile; `NaN` where they are not counted. */
  readonly snapshots: number;
  readonly violations: readonly string[];
  /** When it was measured, and how many operations came. */
  readonly stretch: Stretch;
  readonly operations: number;
}

export interface MeasureOptions {
  readonly workload: Workload;
  readonly run: Run;
  readonly target: Target;
  readonly postgresPid: number | undefined;
  readonly loadCore: number | undefined;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly seed: number;
  /** Called with 0…1 while it measures. */
  progress(share: number): void;
}

export async function measure(options: MeasureOptions): Promise<Measurement> {
  const { workload, run, target } = options;
  const { clientsPerDocument, writersPerDocument } = workload.load;
  const { ids, tokens } = await target.documents({
    count: run.documents ?? workload.documents,
    members: clientsPerDocument,
    writers: writersPerDocument,
    elements: run.elements,
  });
  const plan: LoadPlan = {
    ...workload.load,
    kind: "load",
    target: target.protocol,
    urls: target.running.map(({ url }) => url.replace("http:", "ws:")),
    documents: ids,
    tokens,
    warmupMs: options.warmupMs,
    measureMs: options.measureMs,
    seed: options.seed,
  };
  const pids = target.running.map(({ pid }) => pid);
  const postgres = options.postgresPid === undefined ? [] : [options.postgresPid];
  const cpu = () => Promise.all([cpuSeconds(pids), cpuSeconds(postgres)]);
  let from = 0;
  let to = 0;
  let before: ReturnType<typeof cpu> | undefined;
  let after: ReturnType<typeof cpu> | undefined;
  const result = await runInLoadProcess(plan, options.loadCore, (message) => {
    if (message.type === "measuring") {
      from = monotonicMicros();
      before = cpu();
    } else if (message.type === "measured") {
      to = monotonicMicros();
      after = cpu();
    } else if (message.type === "progress") options.progress(message.share);
  });
  const [server0, postgres0] = (await before) ?? [Number.NaN, Number.NaN];
  const [server1, postgres1] = (await after) ?? [Number.NaN, Number.NaN];
  const counting = workload.snapshots === true && run.target === "ours";
  const snapshots = counting ? await countSnapshots(await target.databaseUrl(), ids, from) : Number.NaN;
  const violations =
    snapshots === 0 && run.elements !== undefined
      ? [...result.violations, "no snapshot was written while it was measured"]
      : result.violations;
  const per10k = 10_000 / result.operations;
  return {
    opsPerSecond: result.operations / result.seconds,
    deliveriesPerSecond: result.deliveries / result.seconds,
    ackP50: result.ack.p50,
    ackP99: result.ack.p99,
    everybodyP99: result.everybody.p99,
    sameP50: result.same.p50,
    sameP99: result.same.p99,
    crossP50: result.cross.p50,
    crossP99: result.cross.p99,
    serverCpu: (server1 - server0) * per10k,
    postgresCpu: (postgres1 - postgres0) * per10k,
    smallestShare: Math.min(...result.byInstance) / result.operations,
    snapshots,
    violations,
    stretch: { from, to },
    operations: result.operations,
  };
}

/** Of the documents, written since: thinning may have taken some away again, so that there were at least as many. */
async function countSnapshots(url: string, ids: readonly string[], from: number): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const seconds = (monotonicMicros() - from) / 1e6;
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM (
          SELECT doc_id, created_at FROM snapshots UNION ALL SELECT doc_id, created_at FROM snapshot_changes
        ) s WHERE doc_id = ANY ($1::uuid[]) AND created_at > clock_timestamp() - $2 * interval '1 second'`,
      [ids, seconds],
    );
    return rows[0]?.count ?? 0;
  } finally {
    await client.end();
  }
}
