/** One measurement: a load on a target, with the CPU time that server and PostgreSQL used for it. */
import { cpuSeconds } from "./cpu.ts";
import type { LoadMessage, LoadPlan, LoadResult } from "./load/plan.ts";
import { startNode, stopChild } from "./processes.ts";
import { monotonicMicros, type Stretch } from "./profile.ts";
import type { Target } from "./targets.ts";
import type { Workload } from "./workloads.ts";

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
  readonly violations: readonly string[];
  /** When it was measured, and how many operations came. */
  readonly stretch: Stretch;
  readonly operations: number;
}

export interface MeasureOptions {
  readonly workload: Workload;
  readonly target: Target;
  readonly instances: number;
  readonly postgresPid: number | undefined;
  readonly loadCore: number | undefined;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly seed: number;
  /** Called with 0…1 while it measures. */
  progress(share: number): void;
}

export async function measure(options: MeasureOptions): Promise<Measurement> {
  const { workload, target } = options;
  const servers = (await target.scale(options.instances)).slice();
  const { clientsPerDocument, writersPerDocument } = workload.load;
  const { ids, tokens } = await target.documents(workload.documents, clientsPerDocument, writersPerDocument);
  const plan: LoadPlan = {
    ...workload.load,
    target: target.protocol,
    urls: servers.map(({ url }) => url.replace("http:", "ws:")),
    documents: ids,
    tokens,
    warmupMs: options.warmupMs,
    measureMs: options.measureMs,
    seed: options.seed,
  };
  const pids = servers.map(({ pid }) => pid);
  const postgres = options.postgresPid === undefined ? [] : [options.postgresPid];
  const cpu = () => Promise.all([cpuSeconds(pids), cpuSeconds(postgres)]);
  let from = 0;
  let to = 0;

  const child = startNode("bench/load/main.js", [], { core: options.loadCore, ipc: true });
  try {
    let before: ReturnType<typeof cpu> | undefined;
    let after: ReturnType<typeof cpu> | undefined;
    const result = await new Promise<LoadResult>((resolve, reject) => {
      child.on("message", (message: LoadMessage) => {
        if (message.type === "measuring") {
          from = monotonicMicros();
          before = cpu();
        } else if (message.type === "measured") {
          to = monotonicMicros();
          after = cpu();
        } else if (message.type === "progress") options.progress(message.share);
        else if (message.type === "result") resolve(message.result);
        else if (message.type === "failed") reject(new Error(`load generator: ${message.message}`));
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
      child.send(plan);
    });
    const [server0, postgres0] = (await before) ?? [Number.NaN, Number.NaN];
    const [server1, postgres1] = (await after) ?? [Number.NaN, Number.NaN];
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
      violations: result.violations,
      stretch: { from, to },
      operations: result.operations,
    };
  } finally {
    await stopChild(child);
  }
}

/** The middle of the values that are numbers; `NaN` without any. */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
