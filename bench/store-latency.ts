/**
 * The store's latencies on 100,000 documents and 1,000,000 operations, one client, durable commits, beside what is
 * promised; and what the batch commit costs (operations a second, PostgreSQL's CPU for 10,000).
 *
 *   node dist/bench/store-latency.js [--runs 300] [--json]
 *
 * The embedded PostgreSQL, or DATABASE_URL. Filling takes up to a minute. Exit code 1 when a median misses its target.
 */
import { parseArgs } from "node:util";
import { uuidv7 } from "uuidv7";
import { migrate } from "../server/database/migrate.ts";
import { createPool } from "../server/database/pool.ts";
import { createPostgresStore } from "../server/store/postgres/store.ts";
import type { CommitOperation, DocumentBatch, Head, Origin, Store } from "../server/store/store.ts";
import { cpuSeconds } from "./cpu.ts";
import { documentId, fillLargeDatabase } from "./large-database.ts";
import { Histogram, percentiles } from "./load/histogram.ts";
import { openPostgres } from "./postgres.ts";

const { values: flags } = parseArgs({
  options: { runs: { type: "string", default: "300" }, json: { type: "boolean", default: false } },
});
const runs = Number(flags.runs);
const progress = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
};
const data = JSON.stringify({ set: { x: 123.5, y: 88.25, note: "n".repeat(160) } });

function operation(origin: Origin): CommitOperation {
  return { id: uuidv7(), type: "update", element: "element-1", base: 0, status: "applied", data, origin };
}

function batchAt(head: Head, operations: readonly CommitOperation[]): DocumentBatch {
  const { docId, version, operationId, metadataVersion } = head;
  return { docId, expectedVersion: version, expectedId: operationId, metadataVersion, operations };
}

async function headsOf(store: Store, from: number, count: number): Promise<Head[]> {
  const answers = await store.documents.heads(
    Array.from({ length: count }, (_, i) => ({ docId: documentId(from + i) })),
  );
  return answers.map((answer) => answer.head);
}

/** Each measured call with its target of the median in milliseconds. */
function latencyCases(
  store: Store,
): [name: string, targetMs: number, run: (i: number) => Promise<unknown>][] {
  const origin: Origin = { user: "user-1", client: "bench", session: uuidv7() };
  let head: Head | undefined;
  return [
    [
      "create document",
      10,
      () =>
        store.documents.create({
          id: uuidv7(),
          name: "New",
          type: "whiteboard",
          createdBy: "user-1",
          tags: ["new"],
        }),
    ],
    ["get document", 5, (i) => store.documents.get(documentId(i * 97))],
    [
      "update document",
      8,
      (i) => store.documents.update(documentId(i * 89), { name: `Renamed ${i}` }, "user-1"),
    ],
    [
      "list documents (50 of an owner)",
      50,
      (i) => store.documents.list({ owner: `user-${i}` }, { by: "updatedAt", order: "desc" }, { limit: 50 }),
    ],
    [
      "list documents (50 active)",
      50,
      () => store.documents.list({ state: "active" }, { by: "updatedAt", order: "desc" }, { limit: 50 }),
    ],
    [
      "commit one operation",
      5,
      async () => {
        head ??= (await headsOf(store, 500, 1))[0];
        if (head === undefined) throw new Error("no document to commit to");
        const one = operation(origin);
        const [result] = await store.commit([batchAt(head, [one])], { wait: false });
        if (result?.outcome !== "committed") throw new Error(`not committed: ${result?.outcome}`);
        head = { ...head, version: result.firstVersion, operationId: one.id };
      },
    ],
    ["latest 100 operations", 20, () => store.operations.latest(documentId(0), 100)],
    [
      "acquire lock",
      5,
      (i) =>
        store.locks.acquire({
          docId: documentId(1_000 + i),
          element: "e",
          ...origin,
          ttlMs: 30_000,
          maxPerAuthor: 0,
        }),
    ],
    ["load document (join)", 20, (i) => store.documents.load(documentId(2_000 + i))],
  ];
}

/** Commits batches of `documents` × `each` operations on two connections; returns operations a second and CPU. */
async function commitCost(store: Store, postgresPid: number | undefined, documents: number, each: number) {
  const origin: Origin = { user: "user-1", client: "bench", session: uuidv7() };
  const calls = Math.ceil(10_000 / (documents * each));
  const startedAt = performance.now();
  const cpuBefore = postgresPid === undefined ? Number.NaN : await cpuSeconds([postgresPid]);
  await Promise.all(
    [0, 1].map(async (flight) => {
      let heads = await headsOf(store, 10_000 + flight * 1_000 + documents * 10, documents);
      for (let call = 0; call < calls; call++) {
        const batches = heads.map((head) =>
          batchAt(
            head,
            Array.from({ length: each }, () => operation(origin)),
          ),
        );
        const results = await store.commit(batches, { wait: true });
        heads = heads.map((head, i) => {
          if (results[i]?.outcome !== "committed") throw new Error(`not committed: ${results[i]?.outcome}`);
          return {
            ...head,
            version: head.version + each,
            operationId: batches[i]?.operations.at(-1)?.id ?? null,
          };
        });
      }
    }),
  );
  const operations = 2 * calls * documents * each;
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuAfter = postgresPid === undefined ? Number.NaN : await cpuSeconds([postgresPid]);
  return {
    batch: `${documents} × ${each}`,
    opsPerSecond: Math.round(operations / seconds),
    postgresCpuPer10k: (((cpuAfter - cpuBefore) / operations) * 10_000).toFixed(3),
  };
}

async function main(): Promise<number> {
  const postgres = await openPostgres();
  const url = await postgres.createDatabase(`aetherflow_store_latency_${process.pid}`);
  await migrate(url, "up");
  const pool = createPool({ url, max: 3, queryTimeoutMs: 600_000 });
  try {
    progress("filling 100,000 documents and 1,000,000 operations …");
    await fillLargeDatabase(pool);
    await pool.run({ text: "ANALYZE" });
    const store = createPostgresStore({ pool });
    const rows = [];
    for (const [name, targetMs, run] of latencyCases(store)) {
      progress(name);
      const histogram = new Histogram();
      for (let i = 0; i < runs + 20; i++) {
        const startedAt = performance.now();
        await run(i);
        if (i >= 20) histogram.add(performance.now() - startedAt);
      }
      const { p50, p99 } = percentiles(histogram);
      rows.push({ call: name, p50Ms: p50, p99Ms: p99, targetMs, met: p50 < targetMs });
    }
    const costs = [];
    for (const [documents, each] of [
      [1, 100],
      [10, 10],
      [100, 1],
    ] as const) {
      progress(`commit of ${documents} × ${each}`);
      costs.push(await commitCost(store, postgres.pid, documents, each));
    }
    progress("");
    if (flags.json)
      console.log(JSON.stringify({ postgres: postgres.description, latencies: rows, commit: costs }));
    else {
      console.log(postgres.description);
      console.table(rows);
      console.table(costs);
    }
    return rows.every((row) => row.met) ? 0 : 1;
  } finally {
    await pool.close();
    await postgres.close();
  }
}

process.exitCode = await main();
