/**
 * Bare durable: a relay with version-checked group commit over many documents into one table with one key, one
 * shared frame a batch, coalesced notify. The yardstick of `npm run bench`.
 *
 *   DATABASE_URL=… node dist/bench/baselines/bare-durable.js [--port 0]
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import pg from "pg";
import { bareTable, insertBare } from "./bare-table.ts";
import { type Relay, type RelayAnswer, type RelayBatch, startRelay } from "./relay.ts";

const { values: flags } = parseArgs({
  options: { port: { type: "string", default: "0" } },
});
const url = process.env.DATABASE_URL;
if (url === undefined) throw new Error("DATABASE_URL is missing");
/** Three flights as the server's default. */
const pool = new pg.Pool({ connectionString: url, max: 4 });
pool.on("error", () => {});
await pool.query(bareTable).catch((error: unknown) => {
  // Two instances that start at once race for the table's type; the loser finds it there.
  if ((error as { code?: string }).code !== "23505") throw error;
});

const instance = randomUUID();
const committedNothing: RelayAnswer = { missed: [], again: false };

async function after(doc: string, version: number): Promise<Buffer[]> {
  const { rows } = await pool.query<{ data: Buffer }>({
    name: "bare-after",
    text: "SELECT data FROM bare_log WHERE doc = $1 AND version > $2 ORDER BY version",
    values: [doc, version],
  });
  return rows.map(({ data }) => data);
}

async function commit(batches: readonly RelayBatch[]): Promise<RelayAnswer[]> {
  try {
    await insertBare(pool, batches);
    return batches.map(() => committedNothing);
  } catch (error) {
    if ((error as { code?: string }).code !== "23505") throw error;
    // Somebody else was first in at least one document: each goes alone, the late ones again after what they missed.
    if (batches.length > 1) return (await Promise.all(batches.map((batch) => commit([batch])))).flat();
    const [batch] = batches;
    if (batch === undefined) return [];
    return [{ missed: await after(batch.doc, batch.first - 1), again: true }];
  }
}

// ---- other instances --------------------------------------------------------------------------------------

const notifier = new pg.Client({ connectionString: url, options: "-c synchronous_commit=off" });
const listener = new pg.Client({ connectionString: url });
await Promise.all([notifier.connect(), listener.connect()]);

/** What waits for the notification in flight: by document its first version and operations. */
const news: RelayBatch[] = [];
let notifying = false;
async function notify(): Promise<void> {
  if (notifying) return;
  notifying = true;
  while (news.length > 0) {
    const batches = news.splice(0);
    const inline = `${instance}[${batches
      .map(({ doc, first, ops }) => `["${doc}",${first},[${ops.map((op) => op.toString()).join(",")}]]`)
      .join(",")}]`;
    // PostgreSQL takes payloads of at most 7,999 bytes; a longer one becomes pointers, 150 to a payload.
    if (Buffer.byteLength(inline) < 7900) await notifier.query("SELECT pg_notify('bare', $1)", [inline]);
    else {
      const docs = [...new Set(batches.map(({ doc }) => doc))];
      for (let from = 0; from < docs.length; from += 150) {
        const part = docs.slice(from, from + 150).map((doc) => `["${doc}"]`);
        await notifier.query("SELECT pg_notify('bare', $1)", [`${instance}[${part.join(",")}]`]);
      }
    }
  }
  notifying = false;
}

const relay: Relay = await startRelay({
  port: Number(flags.port),
  flights: 3,
  maxOperations: 1000,
  commit,
  async open(doc) {
    const { rows } = await pool.query<{ version: string }>(
      "SELECT coalesce(max(version), 0) AS version FROM bare_log WHERE doc = $1",
      [doc],
    );
    return Number(rows[0]?.version ?? 0);
  },
  committed(batches) {
    news.push(...batches);
    void notify();
  },
});

listener.on("notification", ({ payload }) => {
  if (payload === undefined || payload.startsWith(instance)) return;
  for (const [doc, first, ops] of JSON.parse(payload.slice(36)) as [string, number?, unknown[]?][]) {
    const version = relay.version(doc);
    if (version === undefined) continue;
    const followed =
      first !== undefined &&
      ops !== undefined &&
      relay.deliver(
        doc,
        first,
        ops.map((op) => Buffer.from(JSON.stringify(op))),
      );
    if (!followed) void after(doc, version).then((missed) => relay.deliver(doc, version + 1, missed));
  }
});
await listener.query("LISTEN bare");
