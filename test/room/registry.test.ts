import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { Room } from "../../server/room/room.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let instance: Instance;
beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url, {
    snapshots: { idleMs: 2_000 },
    fanout: { antiEntropyMs: 50 },
  });
});
afterAll(async () => {
  await instance?.close();
  await database?.drop();
});

test("[room/unused] a document that is only asked for over REST stays open while it is, and is closed afterwards", async () => {
  const ada = await devToken(instance.url, "ada", "Ada");
  const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "x" });
  const closed = vi.spyOn(Room.prototype, "close");
  try {
    // Each request is over within some milliseconds: hardly any is seen by a look at what is in use.
    for (let request = 0; request < 90; request += 1) {
      await rest(instance.url, ada, "GET", `/documents/${body.id}/content`);
      await delay(50);
    }
    expect(closed).not.toHaveBeenCalled();
    await waitFor(async () => closed.mock.calls.length === 1);
  } finally {
    closed.mockRestore();
  }
});

test("[room/damaged] a document whose row is ahead of its log is answered with 503, not read for ever", async () => {
  const ada = await devToken(instance.url, "ada", "Ada");
  const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "x", elements: { e: {} } });
  await database.pool.query("UPDATE documents SET version = version + 1 WHERE id = $1", [body.id]);
  const { status } = await rest(instance.url, ada, "GET", `/documents/${body.id}/content`);
  expect(status).toBe(503);
});

test("[room/recreated] a document that is made anew under a purged one's id is not answered by the room of the old one", async () => {
  const ada = await devToken(instance.url, "ada", "Ada");
  const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "x", elements: { e: {} } });
  const content = async () => (await rest(instance.url, ada, "GET", `/documents/${body.id}/content`)).body;
  expect(await content()).toEqual({ version: 1, elements: { e: {} } });
  // By another instance whose notification is lost, so fast that no look at the database came in between.
  const client = await database.pool.connect();
  await client.query("BEGIN");
  await client.query("DELETE FROM operations WHERE doc_id = $1", [body.id]);
  await client.query("DELETE FROM documents WHERE id = $1", [body.id]);
  await client.query(
    "INSERT INTO documents (id, name, created_by, updated_by, owner) VALUES ($1, 'y', 'ada', 'ada', 'ada')",
    [body.id],
  );
  await client.query("COMMIT");
  client.release();
  expect(await content()).toEqual({ version: 0, elements: {} });
});
