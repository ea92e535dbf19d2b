/** Joins and leaves, while somebody holds a row that one of them needs. */
import { uuidv7 } from "uuidv7";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import { createSessionRows, type SessionRows } from "../../server/room/session-rows.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { type Store, StoreUnavailable } from "../../server/store/store.ts";
import { newDocument } from "../store/fixtures.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let store: Store;
const opened: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.createPool() });
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});
afterAll(() => database.drop());

function open(sessions: Partial<Store["sessions"]> = {}): SessionRows {
  const log = createLog({ level: "silent" });
  const rows = createSessionRows({
    store: { sessions: { ...store.sessions, ...sessions } },
    log,
    refreshAfterMs: 10,
  });
  opened.unshift(rows);
  return rows;
}
const create = async () => {
  const document = newDocument();
  await store.documents.create(document);
  return document.id;
};
const row = (docId: string) => ({
  ...{ id: uuidv7(), docId, instanceId: "one", user: { id: "ada" }, client: "tab", version: 0 },
  role: "editor" as const,
});
/** `undefined`: no row; else whether the session has left. */
const left = async (sessionId: string) => {
  const text = 'SELECT left_at IS NOT NULL AS "left" FROM sessions WHERE id = $1';
  return (await database.pool.query<{ left: boolean }>(text, [sessionId])).rows[0]?.left;
};
/** As somebody does who deletes it, or looks at it FOR UPDATE. */
async function hold(table: "documents" | "sessions", id: string): Promise<() => Promise<void>> {
  const client = await database.pool.connect();
  let held = true;
  await client.query("BEGIN");
  await client.query(`SELECT FROM ${table} WHERE id = $1 FOR UPDATE`, [id]);
  const release = async () => {
    if (!held) return;
    held = false;
    await client.query("ROLLBACK");
    client.release();
  };
  opened.unshift({ close: release });
  return release;
}

it("[session-rows-1] a document whose row is held delays its own joiners only, and them until it is free", async () => {
  const [held, free] = [await create(), await create()];
  const release = await hold("documents", held);
  const rows = open();
  const [waiting, other] = [row(held), row(free)];
  const joining = rows.join(waiting);
  await rows.join(other);
  await rows.join(row(free));
  expect(await left(waiting.id)).toBeUndefined();
  await release();
  await joining;
  expect(await left(waiting.id)).toBe(false);
  expect(await store.sessions.live([held, free])).toHaveLength(3);
});

it("[session-rows-2] and not for longer than they wait", async () => {
  const docId = await create();
  const release = await hold("documents", docId);
  const rows = open();
  const joining = row(docId);
  await expect(rows.join(joining)).rejects.toBeInstanceOf(StoreUnavailable);
  await release();
  await rows.join(row(docId));
  expect(await left(joining.id)).toBeUndefined();
});

it("[session-rows-3] a session whose row is held delays neither joins nor the leaves of others, and leaves when it is free", async () => {
  const docId = await create();
  const rows = open();
  const [held, other, late] = [row(docId), row(docId), row(docId)];
  await Promise.all([rows.join(held), rows.join(other)]);
  const release = await hold("sessions", held.id);
  rows.leave(docId, held.id);
  rows.leave(docId, other.id);
  await rows.join(late);
  await waitFor(async () => (await left(other.id)) === true);
  expect(await left(held.id)).toBe(false);
  await release();
  await waitFor(async () => (await left(held.id)) === true);
  expect(await left(late.id)).toBe(false);
  await waitFor(async () => (await store.documents.get(docId))?.activeUsers.length === 1);
});

it("[session-rows-4] a leave that gets no answer delays no join", async () => {
  const docId = await create();
  let leaves = 0;
  let answer = (_: string[]) => {};
  const rows = open({
    leave() {
      leaves += 1;
      return new Promise<string[]>((resolve) => {
        answer = resolve;
      });
    },
  });
  const gone = row(docId);
  await rows.join(gone);
  rows.leave(docId, gone.id);
  await waitFor(() => leaves === 1);
  await rows.join(row(docId));
  answer([]);
});

it("[session-rows-5] a session leaves after it joined, whatever its join waits for", async () => {
  const [held, docId] = [await create(), await create()];
  const told: string[] = [];
  let answer = () => {};
  const rows = open({
    async join(joining) {
      for (const { id } of joining) told.push(`join ${id}`);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return store.sessions.join(joining);
    },
    leave(sessionIds) {
      for (const id of sessionIds) told.push(`leave ${id}`);
      return store.sessions.leave(sessionIds);
    },
  });
  const [first, second, third] = [row(docId), row(docId), row(held)];
  const release = await hold("documents", held);
  const joins = [rows.join(first)];
  await waitFor(() => told.length === 1);
  // Under way; waiting behind it; and then left because the row of its document is held.
  joins.push(rows.join(second), rows.join(third));
  for (const { docId: of, id } of [third, second, first]) rows.leave(of, id);
  const answering = setInterval(() => answer(), 1);
  try {
    await waitFor(async () => (await left(first.id)) === true && (await left(second.id)) === true);
    expect(await left(third.id)).toBeUndefined();
    expect(told).not.toContain(`leave ${third.id}`);
    await release();
    await waitFor(async () => (await left(third.id)) === true);
    await Promise.all(joins);
  } finally {
    clearInterval(answering);
  }
  for (const { id } of [first, second, third])
    expect(told.lastIndexOf(`join ${id}`)).toBeLessThan(told.indexOf(`leave ${id}`));
});

it("[session-rows-6] a close waits for what is being written, and nothing is written after it", async () => {
  const docId = await create();
  let calls = 0;
  let answer = () => {};
  let isClosed = false;
  const rows = open({
    async refreshActiveUsers(docIds) {
      calls += 1;
      expect(isClosed).toBe(false);
      if (calls === 1)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      // Of a document whose row another instance's commits hold time after time.
      return [...docIds];
    },
  });
  await rows.join(row(docId));
  await waitFor(() => calls === 1);
  const closing = rows.close().then(() => {
    isClosed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isClosed).toBe(false);
  answer();
  await closing;
  const before = calls;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(calls).toBe(before);
});
