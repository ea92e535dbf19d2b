import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { CommitOperation, Store } from "../../server/store/store.ts";
import { type Finding, verifyAll, verifyDocument } from "../../server/store/verify.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";

let database: TestDatabase;
let store: Store;
let docId: string;
let operations: CommitOperation[];

const sql = (text: string, ...values: unknown[]) => database.pool.run({ text, values });
const problems = async () => (await verifyDocument(database.pool, docId)).map(({ problem }) => problem);

beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.pool });
});
afterAll(() => database.drop());

/** Three operations: e created, written, f created; a snapshot at 2, content at 3. */
beforeEach(async () => {
  const created = await store.documents.create(newDocument());
  if (created.outcome !== "created") throw new Error("not created");
  docId = created.document.docId;
  const by = origin();
  operations = [
    operation(by, "e", { type: "create", data: '{"props":{"x":1,"t":"é"}}' }),
    operation(by, "e", { data: '{"set":{"x":2}}' }),
    operation(by, "f", { type: "create", data: "{}" }),
  ];
  await store.commit([batchAt(created.document, operations)], { wait: true });
  await store.snapshots.write(docId, {
    version: 2,
    operationId: operations[1]!.id,
    elements: ['"e":{"t":"é","x":2}'],
    memory: ["m"],
  });
  await store.documents.writeContent(
    docId,
    { version: 3, operationId: null },
    new TextEncoder().encode('{"f":{},"e":{"x":2,"t":"é"}}'),
  );
});

test("[verify] sound data has no findings", async () => {
  expect(await verifyDocument(database.pool, docId)).toEqual([]);
  expect(await verifyDocument(database.pool, uuidv7())).toEqual([]);
});

test("[verify] an empty document and one that a tool moved are sound", async () => {
  const created = await store.documents.create(newDocument());
  if (created.outcome !== "created") throw new Error("not created");
  expect(await verifyDocument(database.pool, created.document.docId)).toEqual([]);
  await store.documents.updateVersion(docId, 3, 10, new TextEncoder().encode('{"z":{"x":1}}'), "tool");
  const [answer] = await store.documents.heads([{ docId }]);
  await store.commit([batchAt(answer!.head, [operation(origin(), "z")])], { wait: true });
  expect(await problems()).toEqual([]);
});

test("[verify] [R1] a gap in the versions", async () => {
  await sql("DELETE FROM operations WHERE doc_id = $1 AND version = 2", docId);
  expect(await problems()).toContain("gap");
});

test("[verify] [R1] a document ahead of its log, and behind it", async () => {
  await sql("UPDATE documents SET version = 4 WHERE id = $1", docId);
  expect(await problems()).toEqual(["version"]);
  await sql("UPDATE documents SET content = NULL, content_version = 0, version = 2 WHERE id = $1", docId);
  expect(await problems()).toEqual(["version"]);
});

test("[verify] a last operation that is another", async () => {
  await sql("UPDATE documents SET last_operation_id = $2 WHERE id = $1", docId, uuidv7());
  expect(await problems()).toEqual(["history"]);
});

test("[verify] [R5] a snapshot, and content, that differ from the replay", async () => {
  await sql(
    "UPDATE snapshot_parts SET body = replace(body, '2', '3') WHERE doc_id = $1 AND kind = 'elements'",
    docId,
  );
  expect(await problems()).toEqual(["replay"]);
  await sql("UPDATE documents SET content = convert_to('{\"e\":{}}', 'UTF8') WHERE id = $1", docId);
  expect(await problems()).toEqual(["replay", "replay"]);
});

test("[verify] a snapshot that lost a part, or was taken in another history", async () => {
  await sql("DELETE FROM snapshot_parts WHERE doc_id = $1 AND kind = 'memory'", docId);
  expect(await problems()).toEqual(["snapshot"]);
  await sql("UPDATE snapshots SET bytes = bytes - 1, operation_id = $2 WHERE doc_id = $1", docId, uuidv7());
  expect(await problems()).toEqual(["history"]);
});

test("[verify] [R5] changes to a snapshot: right, with a wrong value, without what was written, of another history", async () => {
  const at = { version: 3, operationId: operations[2]!.id, base: 2, memory: ["m"] };
  await store.snapshots.writeChanges(docId, { ...at, elements: ['"f":{}', '"g":null'] });
  expect(await problems()).toEqual([]);
  const change = (elements: string) =>
    sql("UPDATE snapshot_changes SET elements = $2 WHERE doc_id = $1", docId, elements);
  for (const wrong of ['"f":{"x":1}', '"f":null', "", '"f":{},"e":{}', '"f":{},"g":{}']) {
    await change(wrong);
    expect(await problems()).toEqual(["replay"]);
  }
  await change("nonsense");
  expect(await problems()).toEqual(["data"]);
  await change('"f":{}');
  await sql("UPDATE snapshot_changes SET operation_id = $2 WHERE doc_id = $1", docId, uuidv7());
  expect(await problems()).toEqual(["history"]);
  await sql("UPDATE snapshot_changes SET version = 4 WHERE doc_id = $1", docId);
  expect(await problems()).toEqual(["snapshot"]);
});

test("[verify] data that cannot be read", async () => {
  await sql("UPDATE operations SET data = 'nonsense' WHERE doc_id = $1 AND version = 3", docId);
  expect(await problems()).toContain("data");
});

test("[verify] archived operations are no gap, below a snapshot that stands for them; without one they are", async () => {
  await sql(
    `INSERT INTO archived_operations SELECT doc_id, id, version, user_id, client_id FROM operations WHERE doc_id = $1 AND version < 3`,
    docId,
  );
  await sql("DELETE FROM operations WHERE doc_id = $1 AND version < 3", docId);
  await sql("UPDATE documents SET retained_from = 3 WHERE id = $1", docId);
  expect(await problems()).toEqual([]);
  // Repeats of them are still recognised, alone or beside something new.
  const [answer] = await store.documents.heads([{ docId, ids: [operations[0]!.id] }]);
  expect(answer?.known).toMatchObject([{ id: operations[0]!.id, version: 1 }]);
  const again = await store.commit([batchAt(answer!.head, [operation(origin(), "z"), operations[1]!])], {
    wait: true,
  });
  expect(again).toMatchObject([
    { outcome: "repeat", known: [{ id: operations[1]!.id, version: 2, user: "ann" }] },
  ]);
  const behind = await store.commit(
    [batchAt({ ...answer!.head, version: 1, operationId: operations[0]!.id }, [operation(origin(), "z")])],
    {
      wait: true,
    },
  );
  expect(behind).toMatchObject([{ outcome: "stale", missed: { operations: [], complete: false } }]);
  // The store does not give it up.
  await store.snapshots.remove(docId, [2]);
  expect(await problems()).toEqual([]);
  await sql("DELETE FROM snapshots WHERE doc_id = $1", docId);
  expect(await problems()).toContain("snapshot");
});

test("[verify] orphans: named operations, records and whole documents that are nowhere", async () => {
  const conflictId = uuidv7();
  await store.conflicts.create(docId, {
    id: conflictId,
    join: false,
    element: "e",
    properties: [],
    resolution: "lww",
    resolvedBy: "system",
    description: "",
    authors: [],
    operations: [operations[0]!.id],
  });
  expect(await problems()).toEqual([]);
  await sql("INSERT INTO conflict_operations VALUES ($1, $2, $3)", docId, conflictId, uuidv7());
  await sql(
    "UPDATE operations SET status = 'conflict', conflict = $2 WHERE doc_id = $1 AND version = 3",
    docId,
    uuidv7(),
  );
  expect((await problems()).filter((problem) => problem === "orphan")).toHaveLength(2);

  const lost = uuidv7();
  await sql("INSERT INTO archived_operations VALUES ($1, $2, 1, 'u', 'c')", lost, uuidv7());
  const found: Finding[] = [];
  for await (const finding of verifyAll(database.pool)) found.push(finding);
  expect(found.filter((finding) => finding.docId === lost)).toMatchObject([{ problem: "orphan" }]);
  expect(found.filter((finding) => finding.docId === docId).length).toBeGreaterThan(0);
});

test.each(["pending", "rejected"])("[verify] a log does not hold %s operations", async (status) => {
  await sql("UPDATE operations SET status = $2 WHERE doc_id = $1 AND version = 3", docId, status);
  expect(await problems()).toContain("data");
});

test("[verify] orphans: a settled operation's record, a snapshot's parts, a named version that is beyond", async () => {
  const set = (conflict: string | null) =>
    sql(
      "UPDATE operations SET status = 'applied', conflict = $2 WHERE doc_id = $1 AND version = 3",
      docId,
      conflict,
    );
  await set(uuidv7());
  expect(await problems()).toEqual(["orphan"]);
  await set(null);

  await sql(
    "INSERT INTO snapshot_parts (doc_id, snapshot_id, kind, part, body) VALUES ($1, $2, 'elements', 0, '')",
    docId,
    uuidv7(),
  );
  // A server may be about to write the snapshot.
  expect(await problems()).toEqual([]);
  await sql(
    "UPDATE snapshot_parts SET created_at = created_at - interval '2 hours' WHERE doc_id = $1",
    docId,
  );
  expect(await problems()).toEqual(["orphan"]);
  await sql("DELETE FROM snapshot_parts WHERE doc_id = $1 AND body = ''", docId);

  await sql(
    "INSERT INTO document_versions (doc_id, name, version, created_by) VALUES ($1, 'n', 4, 'ann')",
    docId,
  );
  expect(await problems()).toEqual(["orphan"]);
});
