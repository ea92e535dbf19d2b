import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { DocumentRecord, Store } from "../../server/store/store.ts";
import { verifyDocument } from "../../server/store/verify.ts";
import { createTestDatabase, holdRow, type TestDatabase } from "../support/database.ts";
import { storeContract } from "./contract.ts";
import { commitContract } from "./contract-commit.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import { ofRecordedSessions, recordSessions } from "./recorded.ts";

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.pool });
});
afterAll(async () => {
  await store.close();
  await database.drop();
});

// Only the database's clock counts, and it cannot be moved: leases in these tests are short.
storeContract("PostgreSQL", () => ({ store, pass: (ms) => delay(ms + 5) }));

describe("PostgreSQL store, of recorded sessions", () => {
  commitContract(() => ({ store: ofRecordedSessions(store), pass: (ms) => delay(ms + 5) }));
});

test("[store/commit] a call waits for a row that comes free; one that stays held makes all of it busy, and nothing is written", async () => {
  const created = await Promise.all([1, 2].map(() => store.documents.create(newDocument())));
  const heads = created.map((result) => {
    if (result.outcome !== "created") throw new Error("not created");
    return result.document;
  });
  const batches = heads.map((head) => batchAt(head, [operation(origin(), "e")]));
  await recordSessions(store, batches);
  const [held] = heads;
  // Both ways: commit_batch_v1, and commit_one_v1.
  for (const call of [batches, batches.slice(0, 1)]) {
    const busy = call.map(() => ({ outcome: "busy" }));
    const expected = call.map(() => (call === batches ? "committed" : "repeat"));
    let results: readonly { readonly outcome: string }[] = [];
    // On a machine that stands still the row may come free too late: then once more. Who never waited would stay busy.
    for (let attempt = 1; attempt <= 20 && results[0]?.outcome !== expected[0]; attempt += 1) {
      const stranger = await holdRow(database, held!.docId);
      if (attempt === 1) expect(await store.commit(call, { wait: true })).toEqual(busy);
      const waiting = store.commit(call, { wait: true });
      await delay(20);
      await stranger.release();
      results = await waiting;
    }
    expect(results.map(({ outcome }) => outcome)).toEqual(expected);
  }
  const versions = await store.documents.heads(heads.map(({ docId }) => ({ docId })));
  expect(versions.map(({ head }) => head.version)).toEqual([1, 1]);
});

test("[store/documents] touch waits for no row: it writes the others, and names what it left", async () => {
  const docIds = [newDocument(), newDocument(), newDocument()].map(({ id }) => id).sort();
  for (const id of docIds) await store.documents.create(newDocument({ id, createdBy: "olga" }));
  const edits = docIds.map((docId) => ({
    docId,
    by: "bob",
    at: new Date().toISOString(),
    metadataVersion: 1,
  }));
  const stranger = await holdRow(database, docIds[1] ?? "");
  try {
    expect(await store.documents.touch(edits)).toEqual([docIds[1]]);
  } finally {
    await stranger.release();
  }
  const by = async () =>
    (await Promise.all(docIds.map((id) => store.documents.get(id)))).map((one) => one?.updatedBy);
  expect(await by()).toEqual(["bob", "olga", "bob"]);
  expect(await store.documents.touch(edits)).toEqual([]);
  expect(await by()).toEqual(["bob", "bob", "bob"]);
});

test("[store/purge] one that broke off has no way back: not active again, no finding, finished by the next", async () => {
  const created = await store.documents.create(newDocument({ createdBy: "ada" }));
  if (created.outcome !== "created") throw new Error("not created");
  const { docId } = created.document;
  const head = await commitOne(created.document);
  await database.pool.run({
    text: `CREATE FUNCTION stop_purge() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'query_canceled'; END $$;
      CREATE TRIGGER stop_purge BEFORE DELETE ON documents FOR EACH ROW EXECUTE FUNCTION stop_purge()`,
  });
  try {
    await expect(store.documents.purge(docId)).rejects.toThrow();
  } finally {
    await database.pool.run({ text: "DROP TRIGGER stop_purge ON documents; DROP FUNCTION stop_purge()" });
  }
  // Its log is gone.
  expect(await store.operations.byVersion(docId, 1, 9)).toEqual([]);
  for (const expected of [undefined, head.metadataVersion + 1]) {
    expect(await store.documents.update(docId, { state: "active" }, "ada", expected)).toEqual({
      outcome: "missing",
    });
  }
  const [late] = await store.commit([batchAt(head, [operation(origin(), "e")])], { wait: true });
  expect(late).toMatchObject({ outcome: "changed" });
  expect(await verifyDocument(database.pool, docId)).toEqual([]);
  expect(await store.documents.purge(docId)).toBe(true);
  expect(await store.documents.get(docId)).toBeUndefined();
});

/** The document with one operation more. */
async function commitOne(document: DocumentRecord): Promise<DocumentRecord> {
  const [result] = await store.commit([batchAt(document, [operation(origin(), "e")])], { wait: true });
  expect(result?.outcome).toBe("committed");
  const now = await store.documents.get(document.docId);
  if (now === undefined) throw new Error("not there");
  return now;
}
