import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test("[store/sessions] who comes while another refresh waits for the row is in the list afterwards", async () => {
  const store = createPostgresStore({ pool: database.createPool({ max: 3 }) });
  const docId = uuidv7();
  await store.documents.create({ id: docId, name: "x", type: "whiteboard", createdBy: "ada" });
  const instanceId = uuidv7();
  await store.sessions.heartbeat(instanceId);
  const join = (user: string) =>
    store.sessions.join([
      { id: uuidv7(), docId, instanceId, user: { id: user }, client: user, role: "editor", version: 0 },
    ]);
  await join("ben");
  const holder = await database.pool.connect();
  try {
    await holder.query("BEGIN");
    await holder.query("SELECT FROM documents WHERE id = $1 FOR NO KEY UPDATE", [docId]);
    const refreshing = store.sessions.refreshActiveUsers([docId]);
    await waitFor(async () => {
      const waits = await database.pool.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      return waits.rowCount === 1;
    });
    await join("ada");
    await holder.query("COMMIT");
    expect(await refreshing).toEqual([docId]);
  } finally {
    holder.release();
  }
  expect((await store.documents.get(docId))?.activeUsers).toEqual(["ada", "ben"]);
});
