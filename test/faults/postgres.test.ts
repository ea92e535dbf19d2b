/** PostgreSQL itself fails under live sessions: its backends are terminated, it is killed and started again. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { acquireEmbedded } from "../../server/database/embedded/acquire.ts";
import { migrate } from "../../server/database/migrate.ts";
import { createPool } from "../../server/database/pool.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { startRig } from "./rig.ts";

it("[fault-backends] every backend terminated, five times under load: nothing is lost, nothing is doubled", async () => {
  const database = await createTestDatabase();
  try {
    const rig = await startRig([database.url, database.url], database.pool);
    try {
      for (let round = 0; round < 5; round += 1) {
        const before = rig.writers.map((writer) => writer.acknowledged.size);
        const { rows } = await database.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'aetherflow%'`,
        );
        expect(rows.length).toBeGreaterThan(4);
        await waitFor(() =>
          rig.writers.every((writer, index) => writer.acknowledged.size > (before[index] ?? 0) + 3),
        );
      }
      await rig.settle();
    } finally {
      await rig.close();
    }
  } finally {
    await database.drop();
  }
});

it("[fault-killed] kill -9 of PostgreSQL: readyz says why, it comes back by itself, and no acknowledgement was false", async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-faults-"));
  await chmod(dataDir, 0o711); // as root, PostgreSQL runs as somebody else
  const embedded = await acquireEmbedded({ dataDir });
  const pool = createPool({ url: () => embedded.url, max: 2 });
  try {
    await migrate(embedded.url, "up");
    const rig = await startRig([embedded.url, embedded.url], pool);
    try {
      const killed = await embedded.serverPid();
      if (killed === undefined) throw new Error("there is no server");
      const unready = Promise.all([rig.unready(0), rig.unready(1)]);
      process.kill(killed, "SIGKILL");
      for (const reason of await unready) expect(reason).not.toBe("");
      // The fault ends when the server is back: that is its supervisor's doing, with a test of its own.
      await waitFor(async () => embedded.state === "ready" && (await embedded.serverPid()) !== killed, {
        timeoutMs: 20_000,
        what: "PostgreSQL is back",
      });
      await rig.settle();
    } finally {
      await rig.close();
    }
  } finally {
    await pool.close();
    await embedded.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
