/**
 * Raw PostgreSQL: one client, one multi-row insert with a version check after another, no sockets at all.
 * Prints operations per second as JSON.
 *
 *   DATABASE_URL=… node dist/bench/baselines/raw-postgres.js [--documents 1] [--batch 80] [--seconds 3]
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import pg from "pg";
import { operationText } from "../load/operations.ts";
import { bareTable, insertBare } from "./bare-table.ts";

const { values: flags } = parseArgs({
  options: {
    documents: { type: "string", default: "1" },
    batch: { type: "string", default: "80" },
    seconds: { type: "string", default: "3" },
  },
});
const url = process.env.DATABASE_URL;
if (url === undefined) throw new Error("DATABASE_URL is missing");
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query(bareTable);

const documents = Array.from({ length: Number(flags.documents) }, () => ({ doc: randomUUID(), first: 1 }));
const perDocument = Math.max(1, Math.round(Number(flags.batch) / documents.length));
const warmUntil = performance.now() + 500;
let started = 0;
let count = 0;
for (;;) {
  const now = performance.now();
  if (started === 0 && now >= warmUntil) {
    started = now;
    count = 0;
  }
  if (started > 0 && now - started >= Number(flags.seconds) * 1000) break;
  const batches = documents.map(({ doc, first }) => ({
    doc,
    first,
    ops: Array.from({ length: perDocument }, (_, index) =>
      Buffer.from(operationText(0, first + index, "e0")),
    ),
  }));
  await insertBare(client, batches);
  for (const document of documents) document.first += perDocument;
  count += perDocument * documents.length;
}
console.log(JSON.stringify({ opsPerSecond: count / ((performance.now() - started) / 1000) }));
await client.end();
