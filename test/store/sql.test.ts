/** The stored functions, the trigger and the views, by SQL alone. */

import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { operationTypes } from "../../shared/document/operation.ts";
import { conflictPolicies, documentStates, documentTypes } from "../../shared/protocol/messages.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let id: string;

async function sql<R extends Record<string, unknown>>(text: string, ...values: unknown[]): Promise<R[]> {
  return (await database.pool.run<R>({ text, values })).rows;
}
async function one<R extends Record<string, unknown>>(text: string, ...values: unknown[]): Promise<R> {
  const [row] = await sql<R>(text, ...values);
  if (row === undefined) throw new Error("no row");
  return row;
}
const document = () =>
  one<{
    version: number;
    content: Buffer | null;
    content_version: number;
    updated_at: string;
    updated_by: string;
    active_users: string[];
    revision: number;
    last_operation_id: string | null;
  }>("SELECT * FROM documents WHERE id = $1", id);
const insertLock = (element: string | null, expiresIn: string, active = true) =>
  sql(
    `INSERT INTO locks (doc_id, id, user_id, session_id, client_id, element, token, version, expires_at, active)
      VALUES ($1, $2, 'u', $2, 'c', $3, 1, 0, now() + $4::interval, $5)`,
    id,
    uuidv7(),
    element,
    expiresIn,
    active,
  );
const insertOperation = (version: number, status = "applied") =>
  sql(
    `INSERT INTO operations (doc_id, id, session_id, version, prev_version, type, status, element, user_id, client_id, data)
      VALUES ($1, $2, $2, $3, 0, 'update', $4, 'e', 'u', 'c', '{}')`,
    id,
    uuidv7(),
    version,
    status,
  );

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  id = uuidv7();
  // Only what has no default by its meaning.
  await sql(
    "INSERT INTO documents (id, name, created_by, updated_at) VALUES ($1, 'd', 'ann', '2020-01-01')",
    id,
  );
});

describe("documents", () => {
  test("[store.md/tables] the owner and the last editor of a new document are its creator, unless told otherwise", async () => {
    expect(
      await one(
        "SELECT owner, updated_by, type, state, version, conflict_policy FROM documents WHERE id = $1",
        id,
      ),
    ).toEqual({
      owner: "ann",
      updated_by: "ann",
      type: "whiteboard",
      state: "active",
      version: 0,
      conflict_policy: "lww",
    });
  });

  test.each([
    ["documents", "type", "painting"],
    ["documents", "state", "gone"],
    ["documents", "conflict_policy", "none"],
  ])("[store.md/tables] %s.%s is an enumeration", async (table, column, value) => {
    await expect(sql(`UPDATE ${table} SET ${column} = $2 WHERE id = $1`, id, value)).rejects.toMatchObject({
      code: "23514",
    });
  });

  test("[store.md/tables] operations and conflicts hold to their enumerations", async () => {
    await expect(insertOperation(1, "maybe")).rejects.toMatchObject({ code: "23514" });
    await expect(
      sql("INSERT INTO conflicts (doc_id, id, element, resolution) VALUES ($1, $1, 'e', 'dice')", id),
    ).rejects.toMatchObject({ code: "23514" });
  });
});

test.each([
  ["operation_type", operationTypes],
  ["document_type", documentTypes],
  ["document_state", documentStates],
  ["conflict_policy", conflictPolicies],
])(
  "[store.md/tables] the domain %s has the words of the protocol, and all checks are valid",
  async (domain, words) => {
    const { definition } = await one<{ definition: string }>(
      "SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contypid = $1::regtype AND contype = 'c'",
      domain,
    );
    expect([...definition.matchAll(/'(\w+)'/g)].map(([, word]) => word)).toEqual([...words]);
    expect(await one("SELECT count(*)::int AS invalid FROM pg_constraint WHERE NOT convalidated")).toEqual({
      invalid: 0,
    });
  },
);

describe("atomic_update_document_version", () => {
  const update = (from: number, to: number) =>
    one<{ done: boolean }>(
      "SELECT atomic_update_document_version($1, $2, $3, '\\x7b7d', 'tool') AS done",
      id,
      from,
      to,
    );

  test("[store.md/functions] sets version, content and author when the version is the old one, else false", async () => {
    expect(await update(1, 2)).toEqual({ done: false });
    expect(await document()).toMatchObject({ version: 0, content: null });
    expect(await update(0, 5)).toEqual({ done: true });
    expect(await document()).toMatchObject({
      version: 5,
      content: Buffer.from("{}"),
      content_version: 5,
      updated_by: "tool",
      last_operation_id: null,
    });
    expect((await document()).updated_at > "2026").toBe(true);
    expect(await update(0, 6)).toEqual({ done: false });
    expect(
      await one("SELECT atomic_update_document_version($1, 0, 1, '', 'tool') AS done", uuidv7()),
    ).toEqual({ done: false });
  });

  test("[store.md/functions] of many at once exactly one wins", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => update(0, i + 1)));
    expect(results.filter(({ done }) => done)).toHaveLength(1);
  });
});

describe("locks", () => {
  test("[store.md/tables] at most one active lock for a document and for an element; past ones stay", async () => {
    await insertLock(null, "1 minute", false);
    await insertLock(null, "1 minute", false);
    await insertLock(null, "1 minute");
    await expect(insertLock(null, "1 minute")).rejects.toMatchObject({ code: "23505" });
    await insertLock("e", "1 minute");
    await insertLock("f", "1 minute");
    await expect(insertLock("e", "1 minute")).rejects.toMatchObject({ code: "23505" });
  });

  test("[store.md/functions] clean_expired_locks ends expired ones, counts them, and the revision grows by as many", async () => {
    await sql("SELECT clean_expired_locks()");
    await insertLock("e", "-1 second");
    await insertLock("f", "-1 second");
    await insertLock("g", "1 minute");
    await insertLock(null, "-1 second", false);
    expect(await one("SELECT clean_expired_locks() AS count")).toEqual({ count: 2 });
    expect(await one("SELECT clean_expired_locks() AS count")).toEqual({ count: 0 });
    expect(await sql("SELECT element FROM locks WHERE doc_id = $1 AND active", id)).toEqual([
      { element: "g" },
    ]);
    expect((await document()).revision).toBe(2);
  });

  test("[store.md/functions] clean_expired_locks takes the document's row first, and waits for nobody", async () => {
    await insertLock("e", "-1 second");
    const client = await database.pool.connect();
    await client.query("BEGIN");
    await client.query("SELECT FROM documents WHERE id = $1 FOR NO KEY UPDATE", [id]);
    expect(await one("SELECT clean_expired_locks($1::uuid[]) AS count", [id])).toEqual({ count: 0 });
    await client.query("COMMIT");
    client.release();
    expect(await one("SELECT clean_expired_locks($1::uuid[]) AS count", [id])).toEqual({ count: 1 });
  });
});

test("[store.md/functions] add_active_user and remove_active_user are idempotent and move nothing else", async () => {
  for (const call of [
    "add_active_user($1, 'ann')",
    "add_active_user($1, 'ann')",
    "add_active_user($1, 'bob')",
  ])
    await sql(`SELECT ${call}`, id);
  expect(await document()).toMatchObject({ active_users: ["ann", "bob"], metadata_version: 1 });
  expect((await document()).updated_at).toBe("2020-01-01T00:00:00.000Z");
  await sql("SELECT remove_active_user($1, 'ann')", id);
  await sql("SELECT remove_active_user($1, 'ann')", id);
  expect((await document()).active_users).toEqual(["bob"]);
});

describe("the trigger of updated_at", () => {
  test.each([
    "name = 'other'",
    "type = 'text'",
    "state = 'archived'",
    "tags = '{a}'",
    "description = 'x'",
    "properties = '{\"a\":1}'",
    "owner = 'bob'",
    "editors = '{bob}'",
    "viewers = '{bob}'",
    "public = true",
    "conflict_policy = 'strict'",
    "content = '\\x01'",
  ])("[store.md/trigger] %s moves it", async (change) => {
    await sql(`UPDATE documents SET ${change} WHERE id = $1`, id);
    expect((await document()).updated_at > "2026").toBe(true);
  });

  test.each([
    "version = 1",
    "revision = 1",
    "lock_token = 1",
    "active_users = '{ann}'",
    "name = name",
    "last_operation_id = id",
  ])("[store.md/trigger] %s does not", async (change) => {
    await sql(`UPDATE documents SET ${change} WHERE id = $1`, id);
    expect((await document()).updated_at).toBe("2020-01-01T00:00:00.000Z");
  });
});

describe("views", () => {
  test("[store.md/views] v_document_stats counts what belongs to a document", async () => {
    for (const version of [1, 2, 3]) await insertOperation(version, version === 2 ? "conflict" : "applied");
    await insertOperation(4, "resolved");
    await insertLock("e", "1 minute");
    await insertLock(null, "-1 minute");
    await sql("INSERT INTO conflicts (doc_id, id, element, resolution) VALUES ($1, $1, 'e', 'manual')", id);
    await sql(
      "INSERT INTO conflicts (doc_id, id, element, resolution, resolved_by, resolved_at) VALUES ($1, $2, 'e', 'lww', 'system', now())",
      id,
      uuidv7(),
    );
    await sql("SELECT add_active_user($1, 'ann')", id);
    expect(await one("SELECT * FROM v_document_stats WHERE doc_id = $1", id)).toMatchObject({
      operations: 4,
      pending_operations: 1,
      conflicts: 2,
      unresolved_conflicts: 1,
      active_locks: 1,
      active_users: 1,
    });
  });

  test("[store.md/views] v_document_stats is zero for a new document; v_active_documents shows active ones only", async () => {
    expect(await one("SELECT * FROM v_document_stats WHERE doc_id = $1", id)).toMatchObject({
      operations: 0,
      pending_operations: 0,
      conflicts: 0,
      unresolved_conflicts: 0,
      active_locks: 0,
      active_users: 0,
    });
    expect(await sql("SELECT id FROM v_active_documents WHERE id = $1", id)).toHaveLength(1);
    await sql("UPDATE documents SET state = 'archived' WHERE id = $1", id);
    expect(await sql("SELECT id FROM v_active_documents WHERE id = $1", id)).toEqual([]);
  });
});
