import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runLoad } from "../../bench/load/run.ts";
import { buildCommands, start } from "../commands/run-command.ts";
import { devToken, rest } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

/**
 * Measured: 4 to 7, some of the state and where the tail's operations end. It was 57 while sets were emptied and filled
 * again (each table keeps the next one alive), V8 kept texts of versions, and the room kept frames and ids.
 */
const maxBytesAnOperation = 25;

const sampler = fileURLToPath(new URL("../support/survivors.mjs", import.meta.url));

let database: TestDatabase;
beforeAll(async () => {
  buildCommands();
  database = await createTestDatabase();
}, 300_000);
afterAll(() => database?.drop());

/** V8 of Node.js 24 moves at once what is in use at a collection, operations in flight included: nothing is left to see. */
const movesAtOnce = Number.parseInt(process.versions.node, 10) > 22;

it.skipIf(movesAtOnce)(
  "[room/garbage] what is made for an operation does not outlive it",
  async () => {
    const server = start(
      ["serve", "--port", "0", "--database-url", database.url],
      { AETHERFLOW_LIMITS_OPS_PER_SECOND: "0" },
      // In a smaller one the operations in flight survive two collections, as they have to.
      [
        "--min-semi-space-size=64",
        "--max-semi-space-size=64",
        "--no-allocation-site-pretenuring",
        "--import",
        sampler,
      ],
    );
    try {
      const url = await server.listening;
      const documents = [randomUUID(), randomUUID()];
      const token = await devToken(url, "ada");
      for (const id of documents) await rest(url, token, "POST", "/documents", { id, name: "A board" });
      const result = await runLoad(
        {
          kind: "load",
          target: "aetherflow",
          urls: [url.replace("http", "ws")],
          documents,
          tokens: [token, token, token, token],
          clientsPerDocument: 4,
          writersPerDocument: 4,
          inFlight: 4,
          elementsPerWriter: 5,
          warmupMs: 5_000,
          measureMs: 4_000,
          seed: 1,
        },
        ({ type }) => {
          if (type === "measuring" || type === "measured") server.child.kill("SIGUSR2");
        },
      );
      expect(result.violations).toEqual([]);
      const told = await waitFor(() => /^survivors (.*)$/m.exec(server.out())?.[1], {
        what: "the survivors",
      });
      const { bytes, places } = JSON.parse(told) as { bytes: number; places: string[] };
      expect(bytes / result.operations, places.join("\n")).toBeLessThan(maxBytesAnOperation);
    } finally {
      server.child.kill();
      await server.ended;
    }
  },
  60_000,
);
