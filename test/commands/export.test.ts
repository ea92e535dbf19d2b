import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonItems } from "../../server/commands/json-items.ts";
import type { Instance } from "../../server/compose.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { verifyDocument } from "../../server/store/verify.ts";
import { caller, jwtAuth } from "../http/setup.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, command, start } from "./run-command.ts";

/** Where documents come from, and where they go. */
let source: TestDatabase;
let target: TestDatabase;
let here: Instance;
let there: Instance;
let folder: string;

beforeAll(async () => {
  buildCommands();
  [source, target] = [await createTestDatabase(), await createTestDatabase()];
  const limits = { requestsPerSecond: 0 };
  here = await startTestInstance(source.url, { ...jwtAuth, limits, snapshots: { everyOperations: 100 } });
  there = await startTestInstance(target.url, { ...jwtAuth, limits });
  folder = await mkdtemp(path.join(os.tmpdir(), "aetherflow-export-"));
}, 300_000);
afterAll(async () => {
  await here.close();
  await there.close();
  await source.drop();
  await target.drop();
  await rm(folder, { recursive: true });
});

const ada = caller(() => ({ url: here.url, instance: here }), "ada");
const adaThere = caller(() => ({ url: there.url, instance: there }), "ada");
const run = (database: TestDatabase, ...args: string[]) => command(args, { DATABASE_URL: database.url });
const set = (element: string, props: object) => ({ id: uuidv7(), type: "update", element, set: props });
const edit = async (docId: string, ...ops: object[]) => {
  const answer = await ada("POST", `/documents/${docId}/operations`, { ops });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
};

/** A document with some of everything; the first operations archived where asked for. */
async function document(archived: boolean): Promise<string> {
  // Large enough for snapshots that hold what changed only.
  const large = { t: "long ".repeat(14_000) };
  const elements = { a: { x: 1, t: 'é "😀" \\ ]}' }, b: { list: [1, { k: null }] }, c: large, d: {} };
  const properties = { number: 1.5, nested: { "a b": [true] } };
  const fields = { name: "plan ✓", tags: ["t"], editors: ["bob"], properties, conflictPolicy: "strict" };
  const docId: string = (await ada("POST", "/documents", { ...fields, elements })).body.id;
  for (let step = 0; step < 600; step += 100)
    await edit(docId, ...Array.from({ length: 100 }, (_, at) => set("a", { [`p${at % 7}`]: step + at })));
  await edit(docId, { ...set("b", { y: 1 }), extra: { why: "because" } });
  await ada("POST", `/documents/${docId}/versions`, { name: "a name", version: 604 });
  const store = createPostgresStore({ pool: source.pool });
  await waitFor(async () => ((await store.snapshots.list(docId)).at(-1)?.version ?? 0) > 500);
  const operations = (await store.operations.latest(docId, 2)).map(({ id }) => id);
  await store.conflicts.create(docId, {
    id: uuidv7(),
    join: false,
    element: "a",
    properties: ["x", "y"],
    resolution: "manual",
    resolvedBy: null,
    description: 'a "description"',
    authors: ["a\na", "b\nb"],
    operations,
  });
  const body = Buffer.alloc(3_000, "\x00\xff\n");
  await source.pool.run({
    text: `INSERT INTO assets (doc_id, sha256, content_type, bytes, body, created_by)
      VALUES ($1, $2, 'image/png', 3000, $3, 'ada')`,
    values: [docId, createHash("sha256").update(body).digest("hex"), body],
  });
  if (archived) {
    await source.pool.run({
      text: `UPDATE operations SET "timestamp" = "timestamp" - interval '9 days' WHERE doc_id = $1 AND version <= 500`,
      values: [docId],
    });
    expect(await run(source, "archive", "--older-than", "8d")).toMatchObject({ code: 0 });
  }
  return docId;
}

/** Everything that a copy must share, table by table. */
async function contents(database: TestDatabase, docId: string, renamed = false) {
  const all = async (text: string) =>
    (await database.pool.run<Record<string, unknown>>({ text, values: [docId] })).rows;
  const session = renamed ? "" : "o.session_id,";
  return {
    document: await all(
      `SELECT name, type, state, version, last_operation_id, retained_from, metadata_version, revision, created_by,
        created_at, owner, editors, tags, properties, conflict_policy FROM documents WHERE id = $1`,
    ),
    operations: await all(
      `SELECT ${session} o.id, version, prev_version, "timestamp", type, status, element, user_id, client_id, data, extra,
        ip, user_agent FROM operations o WHERE doc_id = $1 ORDER BY version`,
    ),
    archived: await all(
      "SELECT id, version, user_id, client_id FROM archived_operations WHERE doc_id = $1 ORDER BY version",
    ),
    parts: await all("SELECT id, kind, from_version, to_version, body FROM archive_parts WHERE doc_id = $1"),
    conflicts: await all(
      "SELECT id, element, properties, description, authors, created_at, last_at FROM conflicts WHERE doc_id = $1",
    ),
    named: await all("SELECT name, version, created_at, created_by FROM document_versions WHERE doc_id = $1"),
    collided: await all(
      "SELECT conflict_id, operation_id FROM conflict_operations WHERE doc_id = $1 ORDER BY operation_id",
    ),
    assets: await all("SELECT sha256, content_type, bytes, body, created_by FROM assets WHERE doc_id = $1"),
  };
}

describe("export and import", () => {
  test.each([false, true])("[history-8] a round trip keeps all of it; archived: %s", async (archived) => {
    const docId = await document(archived);
    const file = path.join(folder, `${docId}.json`);
    const exported = await run(source, "export", docId);
    expect(exported).toMatchObject({ code: 0, err: "" });
    await writeFile(file, exported.out);
    expect(await run(source, "export", docId, "--json")).toEqual(exported);
    expect(JSON.parse(exported.out)).toMatchObject({
      format: "aetherflow-document-1",
      document: { id: docId },
    });

    const imported = await run(target, "import", file);
    expect(imported).toMatchObject({ code: 0, err: "", out: expect.stringContaining(docId) });
    const original = await contents(source, docId);
    const [live, past] = [original.operations.length, original.archived.length];
    const all = archived ? `${live} live, ${past} archived operations` : `${live} operations`;
    expect(imported.out).toBe(`${docId}  version 605: ${all}\n`);
    const snapshotIn = (database: TestDatabase, atMost: number) =>
      createPostgresStore({ pool: database.pool }).snapshots.nearest(docId, atMost);
    const moved = await snapshotIn(target, 1_000);
    expect(moved?.changes?.base).toBe(104);
    expect(moved).toEqual(await snapshotIn(source, moved?.changes?.version ?? 0));
    // At the snapshot near what is old.
    expect(original.archived).toHaveLength(archived ? 104 : 0);
    expect(await contents(target, docId)).toEqual(original);
    expect(await verifyDocument(target.pool, docId)).toEqual([]);
    // The test made operations older beneath an open room, which has their times from before.
    const plain = (body: unknown) =>
      JSON.parse(JSON.stringify(body, (key, value) => (archived && key === "at" ? undefined : value)));
    for (const what of [
      "content",
      "content?version=550",
      "blame",
      "versions",
      "operations?user=ada&order=desc",
    ]) {
      const [one, other] = [
        await ada("GET", `/documents/${docId}/${what}`),
        await adaThere("GET", `/documents/${docId}/${what}`),
      ];
      expect(other.status, what).toBe(200);
      expect(plain(other.body), what).toEqual(plain(one.body));
    }
    // It goes on there, and knows what came before.
    const repeat = original.operations[0] as { id: string; version: number };
    const more = await adaThere("POST", `/documents/${docId}/operations`, { ops: [set("a", { x: 9 })] });
    expect(more).toMatchObject({ status: 200, body: { version: 606 } });
    const store = createPostgresStore({ pool: target.pool });
    const [answer] = await store.documents.heads([{ docId, ids: [repeat.id] }]);
    expect(answer?.known).toMatchObject([{ id: repeat.id, version: repeat.version }]);
    const { items } = await store.operations.list({ user: "ada" }, "asc", { limit: 5 });
    expect(items.length).toBeGreaterThan(0);

    // The id is taken, another one is not: also beside the original.
    const taken = await run(target, "import", file);
    expect(taken).toMatchObject({ code: 1, out: "", err: expect.stringContaining("--as") });
    const as = uuidv7();
    const copy = await run(source, "import", file, "--as", as, "--json");
    expect(copy).toMatchObject({ code: 0 });
    expect(JSON.parse(copy.out)).toEqual({
      docId: as,
      version: 605,
      operations: live,
      archivedOperations: past,
    });
    expect(await contents(source, as, true)).toEqual(await contents(source, docId, true));
    expect(await verifyDocument(source.pool, as)).toEqual([]);
    // A session is looked up in the whole database: the copy's are its own.
    const { operations: copied } = createPostgresStore({ pool: source.pool });
    const [newest] = await copied.latest(as, 1);
    const found = await copied.list({ session: newest!.session }, "asc", { limit: 9 });
    expect(found.items.map((each) => each.docId)).toEqual([as]);
  });

  test("[history-8] a file that is cut off, changed or none: exit 1, nothing stays", async () => {
    const docId = await document(false);
    const { out } = await run(source, "export", docId);
    const file = path.join(folder, "bad.json");
    const cases: [string, string, RegExp?][] = [
      ["cut off", out.slice(0, Math.floor(out.length * 0.9))],
      ["with a gap", out.replace(/\n\{[^\n]*"version":300,[^\n]*/, "")],
      ["with an operation that cannot be", out.replace('{\\"set\\":{\\"p3\\":', '{\\"set\\":{\\"p 3\\":')],
      ["with a type that is none", out.replace('"type":"update"', '"type":"paint"')],
      [
        "with a status that no log holds",
        out.replace('"status":"applied"', '"status":"pending"'),
        /operations: .*status/,
      ],
      ["with another asset", out.replace(/("body":")../, "$1xx"), /assets: sha256/],
      ["with an asset of another length", out.replace('"bytes":3000', '"bytes":2999'), /assets: bytes/],
      ["without a name", out.replace('"name":"plan ✓"', '"name":""'), /document: name/],
      ["without an owner", out.replace('"owner":"ada"', '"owner":""'), /document: owner/],
      ["of another format", out.replace("aetherflow-document-1", "aetherflow-document-9")],
      ["empty", "", /bad\.json: is empty\n$/],
      ["no object", "[1]", /bad\.json: not a JSON object\n$/],
    ];
    for (const [title, text, says = /^aetherflow import: /] of cases) {
      expect(text, title).not.toBe(out);
      await writeFile(file, text);
      const ended = await run(target, "import", file);
      expect(ended, title).toMatchObject({ code: 1, out: "" });
      expect(ended.err, title).toMatch(/^aetherflow import: \/.*\/bad\.json: /);
      expect(ended.err, title).toMatch(says);
      expect(ended.err, title).not.toContain("    at ");
      for (const [table, column] of [
        ["documents", "id"],
        ["operations", "doc_id"],
        ["snapshot_parts", "doc_id"],
      ]) {
        const rows = await target.pool.run({
          text: `SELECT FROM ${table} WHERE ${column} = $1`,
          values: [docId],
        });
        expect(rows.rowCount, title).toBe(0);
      }
    }
  });

  test("[history-8] usage: help with examples; absent documents and files exit 1, wrong arguments 2", async () => {
    for (const name of ["export", "import"]) {
      const help = await command([name, "--help"]);
      expect(help).toMatchObject({ code: 0, err: "" });
      expect(help.out).toContain("Examples");
      expect(await command([name])).toMatchObject({ code: 2, out: "" });
    }
    expect(await command(["export", "x"])).toMatchObject({ code: 2 });
    expect(await command(["import", "x", "--as", "y"])).toMatchObject({ code: 2 });
    expect(await run(source, "export", uuidv7())).toMatchObject({ code: 1, out: "" });
    const absent = path.join(folder, "absent.json");
    const err = `aetherflow import: ${absent}: no such file\n`;
    expect(await run(source, "import", absent)).toEqual({ code: 1, out: "", err });
    const isFolder = `aetherflow import: ${folder}: is a folder, not a file\n`;
    expect(await run(source, "import", folder)).toEqual({ code: 1, out: "", err: isFolder });
  });

  test("[history-8] a reader that has enough: exit 1 in words", async () => {
    const docId = await document(false);
    const { child, ended } = start(["export", docId], { DATABASE_URL: source.url });
    child.stdout?.destroy();
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^aetherflow export: the output ended before the document did \(EPIPE\)\n$/);
  });

  test("[history-8] the database goes in the middle: exit 1 in one line", async () => {
    const docId = await document(false);
    for (const element of ["b", "c", "d"]) await edit(docId, set(element, { t: "long ".repeat(100_000) }));
    const { child, ended } = start(["export", docId], { DATABASE_URL: source.url });
    // More than fits between the two waits to be read.
    child.stdout?.pause();
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'idle in transaction' AND application_name = 'aetherflow'`;
    await waitFor(async () => (await source.pool.query(terminate)).rowCount, { timeoutMs: 30_000 });
    child.stdout?.resume();
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^aetherflow export: the database.*\n$/);
  });

  test("[history-8] a large object is read item by item, however it is cut into pieces", async () => {
    const value = {
      one: 'a "quoted\\" ,]} text',
      list: [1, "two, [", { three: ["}", { x: null }] }, []],
      empty: [],
      object: { a: [1, 2], b: { c: "]" } },
      last: false,
    };
    const expected = [
      ["one", value.one],
      ...value.list.map((item) => ["list", item]),
      ["object", value.object],
      ["last", false],
    ];
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      for (const size of [1, 2, 7, 10_000]) {
        const chunks = async function* () {
          for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
        };
        const items = [];
        for await (const { key, value } of jsonItems(chunks())) items.push([key, value]);
        expect(items).toEqual(expected);
      }
    }
  });

  test.each([
    ["", "is empty"],
    [" \n", "is empty"],
    ["hello\n", "not a JSON object"],
    ["[1]", "not a JSON object"],
    ['{"a": 1', "the JSON ends too early, or goes on after its end"],
    ['{"a": 1} x', "the JSON ends too early, or goes on after its end"],
  ])("[history-8] %j is told for what it is: %s", async (text, message) => {
    const chunks = async function* () {
      yield text;
    };
    const all = async () => {
      for await (const _ of jsonItems(chunks()));
    };
    await expect(all()).rejects.toThrow(new SyntaxError(message));
  });
});
