/** A reconnect storm: 2,000 sessions are cut at once and come back at once, beside `ws` alone, where there is nothing to resume. */
import type { Context, Experiment, ExperimentResult } from "./experiment.ts";
import type { StormResult } from "./load/plan.ts";
import { runInLoadProcess } from "./load-process.ts";
import { groupKey, type ServerGroup } from "./servers.ts";

const documents = 200;
const members = 10;
const groups: readonly ServerGroup[] = [
  { target: "ours", instances: 1 },
  { target: "ws, a turn", instances: 1 },
];

const title = `${(documents * members).toLocaleString("en-US")} sessions in ${documents} documents are cut at once and come back`;

export const stormExperiment: Experiment = {
  name: "storm",
  title,
  quick: false,
  long: false,
  servers: groups.map(groupKey),
  async run(context): Promise<ExperimentResult> {
    const { rounds } = context;
    const measured = groups.map(() => [] as StormResult[]);
    for (let round = 0; round < rounds; round++) {
      for (const [index, group] of groups.entries()) {
        const done = (round * groups.length + index) / (rounds * groups.length);
        context.progress(`round ${round + 1} of ${rounds}: ${group.target}`, done);
        measured[index]?.push(await storm(context, group));
      }
    }
    const [ours = [], raw = []] = measured;
    return {
      name: "storm",
      title,
      columns: [
        { key: "all", title: "all live, ms", format: "whole" },
        { key: "p50", title: "p50", format: "whole" },
        { key: "p99", title: "p99", format: "whole" },
        { key: "retries", title: "retries", format: "whole" },
        { key: "fromSnapshot", title: "from a snapshot", format: "whole" },
      ],
      rows: groups.map(({ target }, index) => ({
        label: target,
        rounds: (measured[index] ?? []).map((one) => ({
          all: one.allLiveMs,
          p50: one.live.p50,
          p99: one.live.p99,
          retries: one.retries,
          fromSnapshot: one.fromSnapshot,
        })),
      })),
      figures: [
        {
          subject: "time until all are live again",
          unit: "× ws, a turn",
          better: "lower",
          rounds: ours.map(({ allLiveMs }, round) => allLiveMs / (raw[round]?.allLiveMs ?? Number.NaN)),
          compared: true,
        },
      ],
      violations: measured.flatMap((all, index) =>
        all.flatMap((one) => one.violations.map((text) => `${groups[index]?.target}: ${text}`)),
      ),
    };
  },
};

async function storm(context: Context, group: ServerGroup): Promise<StormResult> {
  const target = await context.servers.start(group);
  const { ids, tokens } = await target.documents({ count: documents, members, writers: 1 });
  return runInLoadProcess(
    {
      kind: "storm",
      target: target.protocol,
      urls: target.running.map(({ url }) => url.replace("http:", "ws:")),
      documents: ids,
      tokens,
      clientsPerDocument: members,
      seed: context.nextSeed(),
    },
    context.pins.load,
    () => {},
  );
}
