/** A cold start: from the command to `listening`, on an existing embedded database, beside the start of PostgreSQL alone. */
import { rm } from "node:fs/promises";
import { acquireEmbedded } from "../server/database/embedded/acquire.ts";
import type { Experiment, ExperimentResult } from "./experiment.ts";
import { makeDataDir } from "./postgres.ts";
import { type RunningServer, startServer } from "./processes.ts";
import { serveArguments } from "./targets.ts";

export const startExperiment: Experiment = {
  name: "start",
  title: "cold start to `listening` on an existing embedded database",
  quick: true,
  long: false,
  servers: [],
  async run(context): Promise<ExperimentResult> {
    const dataDir = await makeDataDir();
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
    const startPostgres = async (): Promise<number> => {
      const startedAt = performance.now();
      const embedded = await acquireEmbedded({ dataDir });
      const seconds = (performance.now() - startedAt) / 1_000;
      await embedded.close();
      return seconds;
    };
    const rounds: number[] = [];
    const alone: number[] = [];
    try {
      context.progress("the first start", 0);
      const first = await start();
      for (let round = 0; round < context.rounds; round++) {
        context.progress(`round ${round + 1} of ${context.rounds}`, (round + 1) / (context.rounds + 1));
        rounds.push(await start());
        alone.push(await startPostgres());
      }
      return {
        name: startExperiment.name,
        title: startExperiment.title,
        columns: [{ key: "seconds", title: "s", format: "two" }],
        rows: [
          { label: "an empty folder", rounds: [{ seconds: first }] },
          { label: "an existing database", rounds: rounds.map((seconds) => ({ seconds })) },
          { label: "PostgreSQL alone", rounds: alone.map((seconds) => ({ seconds })) },
        ],
        figures: [
          { subject: "cold start", unit: "s", better: "lower", rounds, atMost: 1.5, compared: false },
          {
            subject: "cold start",
            unit: "× PostgreSQL alone",
            better: "lower",
            rounds: rounds.map((seconds, round) => seconds / (alone[round] ?? Number.NaN)),
            compared: true,
          },
        ],
        violations: [],
      };
    } finally {
      await clean();
    }
  },
};
