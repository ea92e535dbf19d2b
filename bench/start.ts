/** A cold start: from the command to `listening`, on an existing embedded database. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Experiment, ExperimentResult } from "./experiment.ts";
import { type RunningServer, startServer } from "./processes.ts";
import { serveArguments } from "./targets.ts";

export const startExperiment: Experiment = {
  name: "start",
  title: "cold start to `listening` on an existing embedded database",
  quick: true,
  long: false,
  servers: [],
  async run(context): Promise<ExperimentResult> {
    const dataDir = await mkdtemp(join(tmpdir(), "aetherflow-bench-start-"));
    let server: RunningServer | undefined;
    const clean = context.cleanups.add(async () => {
      await server?.stop();
      await rm(dataDir, { recursive: true, force: true });
    });
    const start = async (): Promise<number> => {
      const startedAt = performance.now();
      // On any core: PostgreSQL starts with it, and both have to be there before anybody is served.
      server = await startServer("server/main.js", [...serveArguments, "--data-dir", dataDir], {
        core: undefined,
        env: { DATABASE_URL: undefined },
      });
      const seconds = (performance.now() - startedAt) / 1_000;
      await server.stop();
      return seconds;
    };
    const rounds: number[] = [];
    try {
      context.progress("the first start", 0);
      const first = await start();
      for (let round = 0; round < context.rounds; round++) {
        context.progress(`round ${round + 1} of ${context.rounds}`, (round + 1) / (context.rounds + 1));
        rounds.push(await start());
      }
      return {
        name: startExperiment.name,
        title: startExperiment.title,
        columns: [{ key: "seconds", title: "s", format: "two" }],
        rows: [
          { label: "an empty folder", rounds: [{ seconds: first }] },
          { label: "an existing database", rounds: rounds.map((seconds) => ({ seconds })) },
        ],
        figures: [{ subject: "cold start", unit: "s", better: "lower", rounds, atMost: 1.5, compared: true }],
        violations: [],
      };
    } finally {
      await clean();
    }
  },
};
