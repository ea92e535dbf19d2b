/**
 * Idle sessions: what one keeps in the server's memory, and what a crowd of them costs while nothing happens. Beside it
 * `ws` alone, measured the same way: resident memory after a garbage collection, before and with the sockets, both with a
 * young generation of its full size (`collect-garbage.ts`). Before: with as many sockets (2,000 at most) of other
 * documents, which stay, so that code and pools are there.
 */
import { setTimeout as delay } from "node:timers/promises";
import { cpuSeconds } from "./cpu.ts";
import type { Context, Experiment, ExperimentResult } from "./experiment.ts";
import type { IdlePlan } from "./load/plan.ts";
import { runInLoadProcess } from "./load-process.ts";
import { openFilesLimit, residentBytes } from "./memory.ts";
import type { RunningServer } from "./processes.ts";
import type { Target, TargetName } from "./targets.ts";

const targets: readonly TargetName[] = ["ours", "ws, a turn"];
/** Sessions of each document. */
const members = 10;
/** Of the sessions that are there before. */
const mostDocumentsBefore = 200;
/** Until memory is looked at: what joining left to do is done by then. */
const settleMs = { full: 3_000, quick: 1_500 };
/** The stretch over which the idle crowd's CPU is taken. */
const idleMs = { full: 3_000, quick: 1_000 };
/** Memory hardly differs from round to round, and a round takes ten seconds a target. */
const quickRounds = 2;
/** Files that a server has open beside its sockets, generously. */
const otherFiles = 500;

interface Measured {
  readonly kilobytes: number;
  readonly before: number;
  readonly with: number;
  readonly cpu: number;
}

export function idleExperiment(options: {
  readonly name: string;
  readonly sessions: number;
  readonly quick: boolean;
  readonly long: boolean;
}): Experiment {
  const { name, sessions, quick, long } = options;
  const documents = sessions / members;
  const title = `${sessions.toLocaleString("en-US")} idle sessions in ${documents.toLocaleString("en-US")} documents`;
  return {
    name,
    title,
    quick,
    long,
    servers: [],
    async run(context): Promise<ExperimentResult> {
      const limit = await openFilesLimit();
      const sockets = (documents + Math.min(documents, mostDocumentsBefore)) * members;
      const skipped = limit < sockets + otherFiles;
      const rounds = skipped ? 0 : context.quick ? Math.min(quickRounds, context.rounds) : context.rounds;
      const measured = targets.map(() => [] as Measured[]);
      const violations: string[] = [];
      for (let round = 0; round < rounds; round++) {
        for (const [index, name] of targets.entries()) {
          const done = (round * targets.length + index) / (rounds * targets.length);
          context.progress(`round ${round + 1} of ${rounds}: ${name}`, done);
          const one = await measureIdle(context, name, documents);
          measured[index]?.push(one.measured);
          violations.push(...one.violations.map((text) => `${name}: ${text}`));
        }
      }
      const [ours = [], raw = []] = measured;
      return {
        name: options.name,
        title,
        columns: [
          { key: "kilobytes", title: "kB per session", format: "two" },
          { key: "before", title: "MB before", format: "two" },
          { key: "with", title: "MB with them", format: "two" },
          { key: "cpu", title: "CPU", format: "percent" },
        ],
        rows: targets.map((label, index) => ({
          label,
          rounds: (measured[index] ?? []).map((one) => ({ ...one })),
        })),
        figures: skipped
          ? []
          : [
              {
                subject: "resident memory",
                unit: "kB per session",
                better: "lower",
                rounds: ours.map(({ kilobytes }) => kilobytes),
                atMost: 14,
                compared: true,
              },
              {
                subject: "resident memory per session",
                unit: "× ws, a turn",
                better: "lower",
                rounds: ours.map(({ kilobytes }, round) => kilobytes / (raw[round]?.kilobytes ?? Number.NaN)),
                compared: true,
              },
            ],
        violations,
        notes: skipped
          ? [
              `left out: a process may open ${limit} files here (ulimit -n), and ${sockets + otherFiles} are needed`,
            ]
          : [],
      };
    },
  };
}

async function measureIdle(
  context: Context,
  name: TargetName,
  documents: number,
): Promise<{ measured: Measured; violations: readonly string[] }> {
  const length = context.quick ? "quick" : "full";
  // A server of its own for each round: memory that an earlier one left behind would be used again, and not be counted.
  const target = context.servers.fresh({ target: name, instances: 1 }, true);
  const close = context.cleanups.add(() => target.close());
  try {
    await target.scale(1);
    const server = target.running[0] as RunningServer;
    const first = await plan(target, Math.min(documents, mostDocumentsBefore), context);
    const second = await plan(target, documents, context);
    let before = Number.NaN;
    let withSessions = Number.NaN;
    let cpu = Number.NaN;
    let violations: readonly string[] = [];
    const look = async (): Promise<void> => {
      withSessions = await settled(server, settleMs[length]);
      const cpuBefore = await cpuSeconds([server.pid]);
      await delay(idleMs[length]);
      cpu = ((await cpuSeconds([server.pid])) - cpuBefore) / (idleMs[length] / 1_000);
    };
    const result = await runInLoadProcess(first, context.pins.load, async (message) => {
      if (message.type !== "ready") return;
      before = await settled(server, settleMs[length]);
      const load = context.pins.load;
      const later = await runInLoadProcess(second, load, (said) =>
        said.type === "ready" ? look() : undefined,
      );
      violations = later.violations;
    });
    violations = [...violations, ...result.violations];
    const megabyte = 1024 * 1024;
    const kilobytes = (withSessions - before) / 1024 / (documents * members);
    return {
      measured: { kilobytes, before: before / megabyte, with: withSessions / megabyte, cpu },
      violations,
    };
  } finally {
    await close();
  }
}

async function plan(target: Target, documents: number, context: Context): Promise<IdlePlan> {
  const { ids, tokens } = await target.documents({
    count: documents,
    members,
    writers: 1,
  });
  return {
    kind: "idle",
    target: target.protocol,
    urls: target.running.map(({ url }) => url.replace("http:", "ws:")),
    documents: ids,
    tokens,
    clientsPerDocument: members,
    seed: context.nextSeed(),
  };
}

/** Resident memory once nothing happens any more, without garbage. */
async function settled({ pid }: RunningServer, afterMs: number): Promise<number> {
  await delay(afterMs);
  // Twice: what the first one finalises is freed by the second.
  for (let count = 0; count < 2; count++) {
    process.kill(pid, "SIGUSR2");
    await delay(500);
  }
  return residentBytes(pid);
}
