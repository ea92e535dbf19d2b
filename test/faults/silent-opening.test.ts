/** A firewall forgets the connections to PostgreSQL while one document is read, or written for the last time. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { connect } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";

/** As a client does: again and again, until it is welcome. */
async function untilWelcome(instance: Instance, docId: string, token: string): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const client = connect({ url: instance.url, docId });
    client.send({ type: "hello", token, clientId: randomUUID() });
    const welcomed = await Promise.race([
      client.next("welcome").then(() => true),
      client.closed.then(() => false),
    ]);
    await client.close();
    if (welcomed) return performance.now() - startedAt;
    await delay(200);
  }
}

it("[fault-silent-opening] who waits for a document that is being read, or was being closed, is in it within 10 s", async () => {
  const database = await createTestDatabase();
  const proxy = await startTcpProxy(database.url);
  const instance = await startTestInstance(proxy.through(database.url), { snapshots: { idleMs: 300 } });
  const { pool } = database;
  const stranger = await pool.connect();
  try {
    const token = await devToken(instance.url, "ada");
    const create = async (fields: object) => {
      const body = { name: "x", ...fields };
      return (await rest<{ id: string }>(instance.url, token, "POST", "/documents", body)).body.id;
    };
    const opened = await create({});
    const closed = await create({ elements: { e: {} } });
    const waiting = async () =>
      (await pool.query("SELECT FROM pg_locks WHERE NOT granted AND relation = 'snapshots'::regclass")).rows
        .length;
    await stranger.query("BEGIN; LOCK TABLE snapshots IN ACCESS EXCLUSIVE MODE");
    // Unused, the first one is closed, and its last state is being written.
    await waitFor(async () => (await waiting()) === 1);
    const opening = untilWelcome(instance, opened, token);
    await waitFor(async () => (await waiting()) === 2);
    proxy.abandon();
    await stranger.query("ROLLBACK");
    const took = await Promise.all([opening, untilWelcome(instance, closed, token)]);
    for (const ms of took) expect(ms).toBeLessThan(10_000);
  } finally {
    stranger.release();
    await instance.close();
    await proxy.close();
    await database.drop();
  }
});
