/**
 * The store's latencies on 100,000 documents and 1,000,000 operations, one client, durable commits, beside what is
 * promised (every call of the store's list); and what the batch commit costs (operations per second, PostgreSQL's CPU for 10,000).
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
import type { Origin, Store } from "../server/store/store.ts";
import { cpuSeconds } from "./cpu.ts";
import { fillLargeDatabase } from "./large-database.ts";
import { Histogram, percentiles } from "./load/histogram.ts";
import { openPostgres } from "./postgres.ts";
import { table } from "./report.ts";
import { batchAt, headsOf, newOperation, storeCalls } from "./store-calls.ts";

const usage = `npm run bench:store -- [flags]

The store's latencies on 100,000 documents and 1,000,000 operations, beside what is promised, and what the batch commit
costs; on the embedded PostgreSQL, or DATABASE_URL. Exit code 1 when a median misses its target.

  --runs N   calls of each kind; default: 300
  --json     the result as JSON
`;
const flags = readFlags();
const runs = Number(flags.runs);

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: "string", default: "300" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    if (Number.isSafeInteger(Number(values.runs)) && Number(values.runs) > 0) return values;
    process.stderr.write("bench:store: --runs: expected a whole number above 0\n");
  } catch (error) {
    process.stderr.write(`bench:store: ${(error as Error).message}\n\n${usage}`);
  }
  process.exit(2);
}

const progress = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
};

/** Commits batches of `documents` × `each` operations on two connections; returns operations per second and CPU. */
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
            Array.from({ length: each }, () => newOperation(origin)),
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
    for (const { name, targetMs, run } of storeCalls(store)) {
      progress(name);
      const histogram = new Histogram();
      for (let i = 0; i < runs + 20; i++) {
        const startedAt = performance.now();
        await run(i);
        if (i >= 20) histogram.add(performance.now() - startedAt);
      }
      const { p50, p99 } = percentiles(histogram);
      rows.push({
        call: name,
        p50Ms: p50,
        p99Ms: p99,
        targetMs,
        met: targetMs === undefined ? undefined : p50 < targetMs,
      });
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
      const lines = rows.map(({ call, p50Ms, p99Ms, targetMs, met }) => [
        call,
        p50Ms.toFixed(2),
        p99Ms.toFixed(2),
        met === undefined ? "" : `(aim < ${targetMs}: ${met ? "met" : "MISSED"})`,
      ]);
      console.log(table([["latency, ms", "p50", "p99", ""], ...lines]));
      const commits = costs.map((one) => [one.batch, String(one.opsPerSecond), one.postgresCpuPer10k]);
      console.log(`\n${table([["commit of", "ops/s", "PG CPU s for 10,000"], ...commits])}`);
    }
    return rows.every(({ met }) => met !== false) ? 0 : 1;
  } finally {
    await pool.close();
    await postgres.close();
  }
}

process.exitCode = await main();
