/**
 * Plans are made on a connection's first calls, when a document may be small, and kept: what was as good as anything then
 * (the other unique key) reads the whole log of a document that has grown meanwhile, for every call.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { DocumentBatch } from "../../server/store/store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { newDocument, operation, origin } from "./fixtures.ts";
import { recordSessions } from "./recorded.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const ada = origin("ada");
const grown = 10_000;

test("[store/commit] a call reads what it missed, however much its document has grown since the connection began", async () => {
  const pool = database.createPool({ max: 1 });
  const store = createPostgresStore({ pool });
  const created = [newDocument(), newDocument()];
  for (const document of created) await store.documents.create(document);
  const documents = created.map(({ id }) => id);
  const logs = new Map(documents.map((id) => [id, [] as string[]]));

  /** Operations on an element of their own, proposed at so many versions before the newest. */
  const proposal = (docId: string, count: number, behind: number): DocumentBatch => {
    const log = logs.get(docId) ?? [];
    const expectedVersion = log.length - behind;
    const element = `e${log.length}`;
    return {
      docId,
      expectedVersion,
      expectedId: log[expectedVersion - 1] ?? null,
      metadataVersion: 1,
      operations: Array.from({ length: count }, () => operation(ada, element, { base: expectedVersion })),
    };
  };
  const commit = async (batches: DocumentBatch[]): Promise<void> => {
    for (const [index, result] of (await store.commit(batches, { wait: false })).entries()) {
      expect(result.outcome).toBe("committed");
      const batch = batches[index];
      logs.get(batch?.docId ?? "")?.push(...(batch?.operations ?? []).map(({ id }) => id));
    }
  };
  const [first = "", second = ""] = documents;
  const calls = {
    "one document": () => [proposal(first, 1, 0)],
    "one document, behind": () => [proposal(first, 1, 3)],
    "two documents": () => [proposal(first, 1, 0), proposal(second, 1, 0)],
    "two documents, behind": () => [proposal(first, 1, 3), proposal(second, 1, 3)],
  };

  await recordSessions(store, [proposal(first, 1, 0)]);
  await commit([proposal(first, 5, 0), proposal(second, 5, 0)]);
  // More often than PostgreSQL looks whether a plan for all values will do.
  for (let round = 0; round < 8; round += 1) for (const call of Object.values(calls)) await commit(call());
  for (const id of documents)
    for (let count = 0; count < grown; count += 1_000) await commit([proposal(id, 1_000, 0)]);
  for (const [name, call] of Object.entries(calls)) {
    const before = await entriesRead(pool);
    await commit(call());
    expect((await entriesRead(pool)) - before, name).toBeLessThan(100);
  }
});

/** Index entries of the log that were read, counting what this connection has not reported yet. */
async function entriesRead(pool: ReturnType<TestDatabase["createPool"]>): Promise<number> {
  await pool.query("SELECT pg_stat_force_next_flush()");
  const { rows } = await pool.query<{ read: number }>(
    "SELECT sum(idx_tup_read)::float8 AS read FROM pg_stat_user_indexes WHERE relname = 'operations'",
  );
  return rows[0]?.read ?? 0;
}
