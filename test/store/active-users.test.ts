/** The list of who is in a document, while others hold the rows or write it themselves. */
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import { createSessionRows } from "../../server/room/session-rows.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { Store } from "../../server/store/store.ts";
import { createTestDatabase, holdRow, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { newDocument } from "./fixtures.ts";

const log = createLog({ level: "silent" });
let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.createPool() });
});
afterAll(() => database.drop());

const create = async () => {
  const document = newDocument();
  await store.documents.create(document);
  return document.id;
};
const row = (docId: string, user: string) => ({
  ...{ id: uuidv7(), docId, instanceId: "one", user: { id: user }, client: user, version: 0 },
  role: "editor" as const,
});
const activeUsers = async (docId: string) => (await store.documents.get(docId))?.activeUsers;

test("[store/sessions] a refresh waits for no row, writes the others, and names what it left until that is written", async () => {
  const docIds = [await create(), await create(), await create()].sort();
  const [first = "", held = "", last = ""] = docIds;
  await store.sessions.join(docIds.map((docId) => row(docId, "ben")));
  const stranger = await holdRow(database, held);
  try {
    expect((await store.sessions.refreshActiveUsers(docIds)).sort()).toEqual(docIds);
    expect(await Promise.all(docIds.map(activeUsers))).toEqual([["ben"], [], ["ben"]]);
    expect(await store.sessions.refreshActiveUsers([first, held, last])).toEqual([held]);
  } finally {
    await stranger.release();
  }
  expect(await store.sessions.refreshActiveUsers(docIds)).toEqual([held]);
  expect(await store.sessions.refreshActiveUsers(docIds)).toEqual([]);
  expect(await activeUsers(held)).toEqual(["ben"]);
});

test("[store/sessions] who comes while another instance writes that nobody is there is in the list in the end", async () => {
  const docId = await create();
  const rows = () => createSessionRows({ store, log, refreshAfterMs: 10 });
  const [one, two] = [rows(), rows()];
  const before = row(docId, "ada");
  await one.join(before);
  await waitFor(async () => (await activeUsers(docId))?.length === 1);
  // Between what a refresh reads and its end: there it waits until the test is done with what happens meanwhile.
  await database.pool.query(`CREATE TABLE emptied ();
    CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(4711); INSERT INTO emptied DEFAULT VALUES; RETURN NEW; END $$;
    CREATE TRIGGER wait_here BEFORE UPDATE ON documents FOR EACH ROW
    WHEN (NEW.active_users = '{}') EXECUTE FUNCTION wait_here()`);
  const stopper = await database.pool.connect();
  try {
    await stopper.query("SELECT pg_advisory_lock(4711)");
    one.leave(docId, before.id);
    await waitFor(async () => {
      const waits = await database.pool.query(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'`);
      return waits.rowCount === 1;
    });
    await two.join(row(docId, "ada"));
    // To the other instance the list is as it should be.
    expect(await store.sessions.refreshActiveUsers([docId])).toEqual([]);
    await two.close();
  } finally {
    stopper.release(true);
  }
  await waitFor(async () => (await database.pool.query("SELECT FROM emptied")).rowCount === 1);
  await waitFor(async () => (await activeUsers(docId))?.length === 1);
  await one.close();
});
