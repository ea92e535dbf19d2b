/** The SQL of docs/sql.md, run as it stands on a database with some content. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveDocument } from "../../server/commands/archive-document.ts";
import type { Instance } from "../../server/compose.ts";
import { createArchive } from "../../server/store/postgres/archive.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { join, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

const page = readFileSync(path.resolve(import.meta.dirname, "../../docs/sql.md"), "utf8");
const board = "0197a3c2-7c1e-7a00-8000-000000000001";
const other = "0197a3c2-7c1e-7a00-8000-000000000002";
const day = 86_400_000;

/** Each block with the line of text that stands before it; undefined where it follows another block. */
const blocks = [...page.matchAll(/(?:^(?!```)([^\n]+)\n\n)?```sql\n(.*?)```/gms)].map(
  ([, says, text = ""]) => ({ says, text }),
);
const block = (says: string): string => {
  const found = blocks.filter((each) => each.says?.startsWith(says));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} blocks after "${says}"`);
  return found[0].text;
};

let database: TestDatabase;
let instance: Instance;
let ada: string;
let session: RawClient;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url);
  const { url } = instance;
  ada = await devToken(url, "ada", "Ada");
  const bob = await devToken(url, "bob");
  const call = async (token: string, method: string, route: string, body: object) => {
    const answer = await rest(url, token, method, `/documents${route}`, body);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  };
  const set = (x: number) => ({ id: uuidv7(), type: "update", element: "note", set: { x } });
  const fields = { editors: ["bob"], properties: { project: "bridge" }, conflictPolicy: "manual" };
  await call(ada, "POST", "", { id: board, name: "Board", ...fields, elements: { note: { x: 0 } } });
  await call(ada, "POST", "", { id: other, name: "Other", elements: { note: { x: 0 } } });
  await call(ada, "POST", `/${board}/operations`, { base: 1, ops: [set(1)] });
  await call(bob, "POST", `/${board}/operations`, { base: 1, ops: [set(2)] });
  await call(ada, "POST", `/${board}/locks`, { clientId: "tab", element: "frame" });
  session = await join({ url, docId: board, hello: { token: ada, clientId: "tab" } });

  await database.pool.query(
    `UPDATE operations SET "timestamp" = "timestamp" - interval '100 days' WHERE doc_id = $1 AND version = 1`,
    [board],
  );
  const archive = createArchive(database.pool);
  const store = createPostgresStore({ pool: database.pool });
  const olderThan = new Date(Date.now() - 90 * day).toISOString();
  for await (const candidate of archive.candidates(olderThan)) {
    const archived = await archiveDocument(candidate, { archive, store, olderThan, dryRun: false });
    expect(archived).toMatchObject({ docId: board, through: 1, operations: 1 });
  }
});
afterAll(async () => {
  await session?.close();
  await instance?.close();
  await database?.drop();
});

/** As the role that the first block makes: it lives as long as the transaction. */
async function asReader<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await database.pool.connect();
  const role = `reader_${process.pid}_${Date.now()}`;
  try {
    await client.query("BEGIN");
    await client.query(block("Let whoever reads use a role").replaceAll("board_reader", role));
    await client.query(`SET LOCAL ROLE ${role}`);
    return await work(client);
  } finally {
    await client.query("ROLLBACK");
    client.release();
  }
}

describe("docs/sql.md", () => {
  it("[docs-19] its reader may read what the page names, and no secrets", async () => {
    for (const table of ["settings", "webhooks"]) {
      const refused = asReader((client) => client.query(`SELECT * FROM ${table}`));
      await expect(refused).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("[docs-20] the columns that it names are there, and the reader may read them", async () => {
    // Of a row: the name, and the first list of several words.
    const rows = [...page.matchAll(/^\| `(\w+)` \| (.*)/gm)].flatMap(([, table = "", rest = ""]) => {
      const list = [...rest.matchAll(/`([^`]*)`/g)].find(([, code = ""]) => /^\w+( \w+)+$/.test(code))?.[1];
      return list === undefined ? [] : [{ table, columns: list.split(" ") }];
    });
    expect(rows.map(({ table }) => table)).toEqual([
      "documents",
      "operations",
      "archived_operations",
      "archive_parts",
      "conflicts",
      "conflict_operations",
      "locks",
      "sessions",
      "instances",
      "document_versions",
      "v_active_documents",
      "v_document_stats",
    ]);
    await asReader(async (client) => {
      for (const { table, columns } of rows) {
        const list = columns.map((column) => `"${column}"`).join(", ");
        await client.query(`SELECT ${list} FROM ${table} LIMIT 1`);
      }
    });
  });

  const note = { user_id: "ada", status: "applied", change: { set: { x: 1 } } };
  const held = { user_id: "bob", status: "conflict", change: { set: { x: 2 } } };
  it.each<[says: string, rows: readonly object[]]>([
    ["Who changed an element", [note, held]],
    [
      "The same, including archived operations",
      [
        { version: 1, type: "create", change: { props: { x: 0 } }, archived: true },
        { ...note, archived: false },
        { ...held, archived: false },
      ],
    ],
    [
      "Unresolved conflicts",
      [
        { name: "Board", element: "note", properties: ["x"], ...note },
        { name: "Board", element: "note", properties: ["x"], ...held },
      ],
    ],
    ["Who is in which document now", [{ name: "Board", user_id: "ada", user_name: "Ada", role: "owner" }]],
    [
      "Who wrote to which document",
      [
        { name: "Board", user_id: "bob", operations: 1 },
        { name: "Board", user_id: "ada", operations: 1 },
        { name: "Other", user_id: "ada", operations: 1 },
      ],
    ],
    [
      "The busiest documents",
      [
        { id: board, operations: 2, people: 2 },
        { id: other, operations: 1, people: 1 },
      ],
    ],
    [
      "What is stored for each document",
      [
        { name: "Board", version: 3, operations: 2, unresolved_conflicts: 1, active_locks: 1 },
        { name: "Other", version: 1, operations: 1, unresolved_conflicts: 0, active_locks: 0 },
      ],
    ],
    ["Documents by a property", [{ id: board, name: "Board", owner: "ada" }]],
    ["Locks that are held now", [{ name: "Board", element: "frame", user_id: "ada", client_id: "tab" }]],
  ])("[docs-21] %s: the query runs for that reader and finds it", async (says, expected) => {
    const { rows } = await asReader((client) => client.query(block(says)));
    expect(rows).toMatchObject(expected);
  });

  it("[docs-22] its calls of functions run: expired locks end, a version moves with its content", async () => {
    const calls = blocks.map(({ text }) => text).filter((text) => /^SELECT \w+\(/.test(text));
    const [clean = "", move = ""] = calls;
    expect(calls).toHaveLength(2);
    await database.pool.query(
      `INSERT INTO locks (doc_id, id, user_id, session_id, client_id, element, token, version, expires_at)
        VALUES ($1, $2, 'eve', $2, 'tab', 'e', 1, 0, now() - interval '1 second')`,
      [other, uuidv7()],
    );
    expect((await database.pool.query(clean)).rows).toEqual([{ clean_expired_locks: 1 }]);
    expect((await database.pool.query(move)).rows).toEqual([{ atomic_update_document_version: true }]);
    expect((await database.pool.query(move)).rows).toEqual([{ atomic_update_document_version: false }]);
    // The room that is open ends within the request, and another begins.
    const content = await rest(instance.url, ada, "GET", `/documents/${other}/content`);
    expect(content).toMatchObject({ status: 200, body: { version: 2, elements: { note: { x: 5 } } } });
  });

  it("[docs-23] no block of it is left out here", () => {
    expect(blocks).toHaveLength(1 + 9 + 2);
  });
});
