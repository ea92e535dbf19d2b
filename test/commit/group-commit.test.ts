import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGroupCommit, type GroupCommitOptions } from "../../server/commit/group-commit.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { Head, Store } from "../../server/store/store.ts";
import { batchAt, newDocument, operation, origin } from "../store/fixtures.ts";
import { recordSessions } from "../store/recorded.ts";
import { createTestDatabase, holdRow, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.createPool({ max: 16 }) });
});
afterAll(() => database.drop());

const groupCommit = (more: Partial<GroupCommitOptions> = {}) =>
  createGroupCommit({
    store,
    flights: 3,
    maxBatchOperations: 1_000,
    maxBatchBytes: 1_000_000,
    retryForMs: 4_000,
    random: Math.random,
    ...more,
  });

async function documents(count: number): Promise<Head[]> {
  const created = await Promise.all(
    Array.from({ length: count }, () => store.documents.create(newDocument())),
  );
  return created.map((result) => {
    if (result.outcome !== "created") throw new Error("not created");
    return result.document;
  });
}

const edit = (head: Head) => batchAt(head, [operation(origin(), "e")]);

test("[group-commit-1] a row that a stranger holds delays its own document and no other", async () => {
  const heads = await documents(40);
  const commits = groupCommit();
  const held = heads[17]!;
  const stranger = await holdRow(database, held.docId);
  let isHeld = true;
  // In one call with the others.
  const delayed = commits.commit(edit(held)).then((outcome) => ({ outcome, whileHeld: isHeld }));
  let others = heads.filter((head) => head !== held);
  try {
    // All of the others are stored, twice, before the row is let go.
    for (const version of [1, 2]) {
      const outcomes = await Promise.all(others.map((head) => commits.commit(edit(head))));
      const now = await store.documents.heads(others.map(({ docId }) => ({ docId })));
      others = now.map(({ head }) => head);
      expect(outcomes).toEqual(
        others.map(() => expect.objectContaining({ outcome: "committed", firstVersion: version })),
      );
    }
  } finally {
    isHeld = false;
    await stranger.release();
  }
  expect(await delayed).toMatchObject({
    whileHeld: false,
    outcome: { outcome: "committed", firstVersion: 1 },
  });
  await commits.close();
});

test("[group-commit-2] a document whose row stays held is told that nobody knows, in time, and nothing of it is stored", async () => {
  const [head] = await documents(1);
  const commits = groupCommit({ retryForMs: 400 });
  const stranger = await holdRow(database, head!.docId);
  try {
    expect(await commits.commit(edit(head!))).toMatchObject({ outcome: "unknown" });
  } finally {
    await stranger.release();
  }
  await commits.close();
  expect(await store.operations.latest(head!.docId, 10)).toEqual([]);
});

test("[group-commit-3] two instances that write to the same documents wait for each other's rows: none is refused, none starves", async () => {
  const heads = await documents(20);
  const instances = [groupCommit(), groupCommit()];
  const rounds = 30;
  const stored = await Promise.all(
    instances.flatMap((commits, instance) =>
      heads.map(async (created) => {
        const by = origin(`user-${instance}`);
        let head: Pick<Head, "version" | "operationId"> = created;
        for (let round = 0; round < rounds; round += 1) {
          const batch = batchAt({ ...created, ...head }, [operation(by, `e-${instance}`)]);
          if (round === 0) await recordSessions(store, [batch]);
          const outcome = await commits.commit(batch);
          if (outcome.outcome !== "committed") return outcome.outcome;
          head = { version: outcome.firstVersion, operationId: batch.operations[0]!.id };
        }
        return rounds;
      }),
    ),
  );
  expect(stored).toEqual(stored.map(() => rounds));
  await Promise.all(instances.map((commits) => commits.close()));
});

test("[group-commit-4] a call carries maxBatchOperations and maxBatchBytes at most; a larger batch goes alone", async () => {
  const large = operation(origin(), "e", { data: JSON.stringify({ set: { x: "x".repeat(1_000) } }) });
  const bytes = large.data.length;
  for (const [limits, sizes] of [
    [{ maxBatchBytes: 2 * bytes }, [2, 2, 1]],
    [{ maxBatchBytes: 2 * bytes - 1 }, [1, 1, 1, 1, 1]],
    [{ maxBatchBytes: 1 }, [1, 1, 1, 1, 1]],
    [{ maxBatchOperations: 3 }, [3, 2]],
  ] as const) {
    const calls: number[] = [];
    const counting: GroupCommitOptions["store"] = {
      commit: (batches, options) => {
        calls.push(batches.length);
        return store.commit(batches, options);
      },
    };
    const commits = groupCommit({ store: counting, flights: 1, ...limits });
    const batches = (await documents(5)).map((head) => batchAt(head, [{ ...large, id: uuidv7() }]));
    const outcomes = await Promise.all(batches.map((batch) => commits.commit(batch)));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(batches.map(() => "committed"));
    expect(calls).toEqual(sizes);
    await commits.close();
  }
});

test("[group-commit-5] a batch over which the database stumbles is found, and no other document hears of it", async () => {
  const heads = await documents(5);
  const [poisoned] = heads;
  const stumbling: Pick<Store, "commit"> = {
    commit: async (batches, options) => {
      if (batches.some(({ docId }) => docId === poisoned!.docId)) throw new Error("XX000");
      return store.commit(batches, options);
    },
  };
  const commits = groupCommit({ store: stumbling, flights: 1 });
  const outcomes = await Promise.all(heads.map((head) => commits.commit(edit(head))));
  const committed = Array(4).fill("committed");
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["unknown", ...committed]);
  await commits.close();
});
