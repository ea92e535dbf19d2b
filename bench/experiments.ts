/** Everything that `npm run bench` can measure, in the order in which it does. */
import type { Experiment } from "./experiment.ts";
import { idleExperiment } from "./idle.ts";
import { joinExperiment } from "./join.ts";
import { workloadExperiment } from "./run-workload.ts";
import { startExperiment } from "./start.ts";
import { stormExperiment } from "./storm.ts";
import { workloads } from "./workloads.ts";

const underLoad = workloads.map(workloadExperiment);

export const experiments: readonly Experiment[] = [
  ...underLoad.filter(({ long }) => !long),
  idleExperiment({ name: "idle", sessions: 2_000, quick: true, long: false }),
  joinExperiment,
  stormExperiment,
  startExperiment,
  ...underLoad.filter(({ long }) => long),
  idleExperiment({ name: "idle-10k", sessions: 10_000, quick: false, long: true }),
];
