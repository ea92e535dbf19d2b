import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { verifyDocument } from "../../server/store/verify.ts";
import { caller, jwtAuth, token } from "../http/setup.ts";
import { join } from "../instances/raw-client.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, command } from "./run-command.ts";

let database: TestDatabase;
const instances: Instance[] = [];

beforeAll(async () => {
  buildCommands();
  database = await createTestDatabase();
  for (const _ of [1, 2]) {
    instances.push(
      await startTestInstance(database.url, {
        ...jwtAuth,
        limits: { requestsPerSecond: 0, opsPerSecond: 0 },
      }),
    );
  }
}, 300_000);
afterAll(async () => {
  for (const instance of instances) await instance.close();
  await database.drop();
});

const sql = <R extends Record<string, unknown>>(text: string, ...values: unknown[]) =>
  database.pool.run<R>({ text, values });
const running = () => ({ url: instances[0]!.url, instance: instances[0]! });
const ada = caller(running, "ada");
const make = (element: string, props: object = {}) => ({ id: uuidv7(), type: "create", element, props });
const set = (element: string, props: object) => ({ id: uuidv7(), type: "update", element, set: props });
const archive = (...args: string[]) =>
  command(["archive", "--older-than", "90d", ...args], { DATABASE_URL: database.url });
const archiveJson = async (...args: string[]) => {
  const { code, out, err } = await archive("--json", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
};
/** Makes what was committed up to a version 100 days old. */
const age = (docId: string, version: number) =>
  sql(
    `UPDATE operations SET "timestamp" = "timestamp" - interval '100 days' WHERE doc_id = $1 AND version <= $2`,
    docId,
    version,
  );
const create = async (elements: object = {}, fields: object = {}): Promise<string> =>
  (await ada("POST", "/documents", { name: "old", elements, ...fields })).body.id;
const edit = async (docId: string, ...ops: object[]) => {
  const answer = await ada("POST", `/documents/${docId}/operations`, { ops });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body;
};
const rowsOf = async (docId: string) => {
  const { rows } = await sql<{ live: number; ids: number; parts: number; retained: number; version: number }>(
    `SELECT (SELECT count(*)::int FROM operations WHERE doc_id = d.id) AS live,
      (SELECT count(*)::int FROM archived_operations WHERE doc_id = d.id) AS ids,
      (SELECT count(*)::int FROM archive_parts WHERE doc_id = d.id) AS parts,
      d.retained_from AS retained, d.version FROM documents d WHERE d.id = $1`,
    docId,
  );
  return rows[0];
};

describe("archive", () => {
  test("[history-7] what is old moves, the content stays; repeats are recognised, the past is 410", async () => {
    const docId = await create({ a: { x: 1 }, b: { y: 1 } });
    const first = [set("a", { x: 2 }), set("b", { y: 2 })];
    await edit(docId, ...first);
    await edit(docId, set("a", { x: 3 }));
    const named = await ada("POST", `/documents/${docId}/versions`, { name: "then", version: 2 });
    expect(named.status).toBe(201);
    await age(docId, 4);
    const blame = (await ada("GET", `/documents/${docId}/blame`)).body;

    const dry = await archiveJson("--dry-run");
    expect(dry).toMatchObject({
      ok: true,
      dryRun: true,
      operations: 4,
      conflicts: 0,
      documents: [{ docId, through: 4, operations: 4 }],
    });
    expect(await rowsOf(docId)).toMatchObject({ live: 5, ids: 0, parts: 0, retained: 1 });
    expect(await archiveJson()).toMatchObject({ dryRun: false, operations: 4, problems: [] });
    expect(await rowsOf(docId)).toEqual({ live: 1, ids: 4, parts: 1, retained: 5, version: 5 });
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
    expect(await archiveJson()).toMatchObject({ operations: 0, documents: [] });
    expect(await archive("--dry-run")).toEqual({ code: 0, out: "Nothing to archive.\n", err: "" });

    const content = await ada("GET", `/documents/${docId}/content`);
    expect(content.body).toEqual({ version: 5, elements: { a: { x: 3 }, b: { y: 2 } } });
    expect((await ada("GET", `/documents/${docId}/blame`)).body).toEqual(blame);
    expect((await ada("GET", `/documents/${docId}/content?version=4`)).body.elements.a).toEqual({ x: 2 });
    const tooOld = { status: 410, body: { code: "base_too_old" } };
    expect(await ada("GET", `/documents/${docId}/content?version=3`)).toMatchObject(tooOld);
    expect(await ada("POST", `/documents/${docId}/restore`, { version: 3 })).toMatchObject(tooOld);
    expect(await ada("POST", `/documents/${docId}/revert`, { from: 4, to: 5 })).toMatchObject(tooOld);
    expect(await ada("POST", `/documents/${docId}/versions`, { name: "x", version: 3 })).toMatchObject(
      tooOld,
    );
    expect((await ada("GET", `/documents/${docId}/versions`)).body.items).toMatchObject([{ name: "then" }]);
    // Archived ids are still known, with their versions.
    expect(await edit(docId, ...first)).toMatchObject({ versions: [3, 4], duplicate: true });
    expect((await ada("GET", `/documents/${docId}/operations`)).body.items).toMatchObject([{ version: 5 }]);
    expect(await ada("POST", `/documents/${docId}/restore`, { version: 4 })).toMatchObject({ status: 200 });
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
  });

  test("[history-7] a document that is old as a whole goes on: opened anew, edited, archived again", async () => {
    const docId = await create({ a: { x: 1 } });
    await age(docId, 1);
    expect(await archiveJson()).toMatchObject({ operations: 1 });
    expect(await rowsOf(docId)).toMatchObject({ live: 0, retained: 2, version: 1 });
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
    // The second instance opens it only now.
    const there = caller(() => ({ url: instances[1]!.url, instance: instances[1]! }), "ada");
    expect((await there("GET", `/documents/${docId}/content`)).body).toEqual({
      version: 1,
      elements: { a: { x: 1 } },
    });
    const blame = (await there("GET", `/documents/${docId}/blame`)).body.elements;
    expect(blame.a.x).toMatchObject({ version: 1, user: "ada", client: "server" });
    await there("POST", `/documents/${docId}/operations`, { ops: [set("a", { x: 2 })] });
    await age(docId, 2);
    expect(await archiveJson()).toMatchObject({ operations: 1, documents: [{ docId, through: 2 }] });
    expect(await rowsOf(docId)).toMatchObject({ live: 0, ids: 2, parts: 2, retained: 3 });
    expect((await sql("SELECT FROM snapshots WHERE doc_id = $1", docId)).rowCount).toBe(1);
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
    expect((await ada("DELETE", `/documents/${docId}?purge=true`)).status).toBe(204);
    expect((await sql("SELECT FROM archive_parts WHERE doc_id = $1", docId)).rowCount).toBe(0);
  });

  test("[history-7] resolved conflicts go with their operations; what is held back stays, with its record", async () => {
    const docId = await create({ a: { x: 1 }, b: { x: 1 }, c: { x: 1 } });
    const store = createPostgresStore({ pool: database.pool });
    const ops = [set("a", { x: 2 }), set("b", { x: 2 }), set("c", { x: 2 })];
    await edit(docId, ...ops);
    const record = (resolvedBy: string | null, at: number, more: string[] = []) => ({
      id: uuidv7(),
      join: false,
      element: "a",
      properties: ["x"],
      resolution: "manual" as const,
      resolvedBy,
      description: "",
      authors: ["a\na", "b\nb"],
      operations: [ops[at]!.id, ...more],
    });
    const later = set("a", { x: 3 });
    await edit(docId, later);
    const [gone, held, straddling] = [record("ann", 0), record(null, 1), record("ann", 2, [later.id])];
    for (const each of [gone, held, straddling]) await store.conflicts.create(docId, each);
    await sql(
      "UPDATE operations SET status = 'conflict', conflict = $2 WHERE doc_id = $1 AND id = $3",
      docId,
      held.id,
      ops[1]!.id,
    );
    await sql(
      `UPDATE conflicts SET created_at = created_at - interval '100 days', last_at = last_at - interval '100 days',
        resolved_at = resolved_at - interval '100 days' WHERE doc_id = $1`,
      docId,
    );
    await age(docId, 6);
    expect(await archiveJson("--dry-run")).toMatchObject({ operations: 5, conflicts: 1 });
    const plain = await archive("--dry-run");
    expect(plain).toMatchObject({ code: 0, err: "" });
    expect(plain.out).toMatch(/^1 document: 5 operations, 1 conflict would be moved\n/m);
    expect(await archiveJson()).toMatchObject({ operations: 5, conflicts: 1 });
    const { items } = await store.conflicts.list(docId, undefined, { limit: 9 });
    expect(items.map(({ id }) => id).sort()).toEqual([held.id, straddling.id].sort());
    expect(await rowsOf(docId)).toMatchObject({ live: 2, ids: 5, parts: 2, retained: 7 });
    expect(await store.operations.pending(docId)).toMatchObject([{ id: ops[1]!.id, version: 5 }]);
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
    const { rows } = await sql<{ body: string }>(
      "SELECT body FROM archive_parts WHERE doc_id = $1 AND kind = 'conflicts'",
      docId,
    );
    expect(JSON.parse(rows[0]!.body)).toMatchObject({ id: gone.id, operations: [ops[0]!.id] });
    // Resolved later, the next run takes it.
    await store.conflicts.resolve(docId, {
      conflictId: held.id,
      resolvedBy: "ann",
      operations: [ops[1]!.id],
    });
    await sql("UPDATE conflicts SET resolved_at = last_at WHERE doc_id = $1", docId);
    expect(await archiveJson()).toMatchObject({ operations: 1, conflicts: 1 });
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
  });

  test("[history-7] open rooms notice: bases below are too old, an older since gets a snapshot with rebase", async () => {
    const docId = await create({ a: { x: 1 } });
    const clients = await Promise.all(
      instances.map(async ({ url }) =>
        join({ url, docId, hello: { token: await token("ada"), clientId: url, since: 0 } }),
      ),
    );
    for (let step = 0; step < 6; step++) await edit(docId, set("a", { x: step }));
    for (const client of clients) await waitFor(() => client.operations.at(-1)?.version === 7);
    await age(docId, 5);
    expect(await archiveJson()).toMatchObject({ operations: 5 });
    const [, there] = clients;
    // Told by anti-entropy, within a period or two.
    await waitFor(async () => {
      const { status } = await caller(running, "ada")("POST", `/documents/${docId}/operations`, {
        ops: [set("a", { y: 1 })],
        base: 3,
      });
      return status === 410;
    });
    let seq = 0;
    await waitFor(() => {
      there!.send({ type: "submit", seq: ++seq, base: 3, ops: [set("a", { z: seq })] });
      return there!.messages.some((message) => message.type === "reject" && message.code === "base_too_old");
    });
    const sinceId = clients[0]!.operations.find(({ version }) => version === 3)!.id;
    const hello = { token: await token("ada"), clientId: "late", since: 3, sinceId };
    const late = await join({ url: instances[1]!.url, docId, hello });
    expect(late.welcome).toMatchObject({ rebase: true, snapshot: { version: expect.any(Number) } });
    const known = clients[0]!.operations.find(({ version }) => version === 5)!.id;
    const back = await join({
      url: instances[0]!.url,
      docId,
      hello: { ...hello, clientId: "back", since: 5, sinceId: known, pending: [sinceId] },
    });
    expect(back.welcome.rebase).toBeUndefined();
    for (const client of [...clients, late, back]) await client.close();
  });

  test("[history-7] beside clients that edit: nothing is lost, every stream is whole, verify is clean throughout", async () => {
    const docId = await create({ a: { x: 0 } });
    const old = Array.from({ length: 900 }, (_, at) => set("a", { [`p${at % 50}`]: at }));
    for (let round = 0; round < 6; round++)
      await edit(docId, ...old.map(({ type, element, set }) => ({ id: uuidv7(), type, element, set })));
    await age(docId, 5_001);
    const clients = await Promise.all(
      instances.map(async ({ url }, which) =>
        join({ url, docId, hello: { token: await token("ada"), clientId: `c${which}` } }),
      ),
    );
    let busy = true;
    const acknowledged: string[] = [];
    const editing = clients.map(async (client, which) => {
      for (let seq = 1; busy; seq++) {
        const op = make(`${which}-${seq}`);
        const base = client.operations.at(-1)?.version ?? client.welcome.version;
        client.send({ type: "submit", seq, base, ops: [op] });
        await client.sequenced(op.id);
        acknowledged.push(op.id);
      }
    });
    await waitFor(() => acknowledged.length > 20);
    const archiving = archiveJson();
    let checks = 0;
    let done = false;
    const checking = (async () => {
      while (!done) {
        expect(await verifyDocument(database.pool, docId)).toEqual([]);
        checks += 1;
      }
    })();
    expect(await archiving).toMatchObject({ documents: [{ docId, through: 5_001, operations: 5_001 }] });
    done = true;
    await checking;
    const during = acknowledged.length;
    await waitFor(() => acknowledged.length > during + 20);
    busy = false;
    await Promise.all(editing);
    expect(checks).toBeGreaterThan(0);
    const state = await rowsOf(docId);
    expect(state).toMatchObject({ ids: 5_001, parts: 3, retained: 5_002 });
    const { rows } = await sql<{ id: string }>("SELECT id FROM operations WHERE doc_id = $1", docId);
    const live = new Set(rows.map(({ id }) => id));
    expect(acknowledged.filter((id) => !live.has(id))).toEqual([]);
    for (const client of clients) {
      const versions = client.operations.map(({ version }) => version);
      expect(versions).toEqual(versions.map((_, at) => versions[0]! + at));
      await client.close();
    }
    expect(await verifyDocument(database.pool, docId)).toEqual([]);
  });

  test("[history-7] usage: help with examples; a time is required", async () => {
    const help = await command(["archive", "--help"]);
    expect(help).toMatchObject({ code: 0, err: "" });
    expect(help.out).toContain("Examples");
    for (const args of [
      ["archive"],
      ["archive", "--older-than", "soon"],
      ["archive", "--older-than", "1d", "x"],
    ])
      expect(await command(args)).toMatchObject({ code: 2, out: "" });
  });
});
