/**
 * Own tables: the relay of `bare-durable.ts` through the server's own commit (`commit_batch_v1`) into its own tables.
 * What lies between it and bare durable is the price of the data model; between it and the server, of the rest.
 * One instance; no fan-out.
 *
 *   DATABASE_URL=… node dist/bench/baselines/own-tables.js [--port 0]
 */
import { parseArgs } from "node:util";
import { uuidv7 } from "uuidv7";
import { migrate } from "../../server/database/migrate.ts";
import { createPool } from "../../server/database/pool.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { CommitOperation, DocumentBatch, Origin } from "../../server/store/store.ts";
import { type RelayAnswer, type RelayBatch, startRelay } from "./relay.ts";

const { values: flags } = parseArgs({
  options: { port: { type: "string", default: "0" } },
});
const url = process.env.DATABASE_URL;
if (url === undefined) throw new Error("DATABASE_URL is missing");
await migrate(url, "up");
const store = createPostgresStore({ pool: createPool({ url, max: 4 }) });

/** Where each document stands: what a proposal has to name. */
const heads = new Map<string, { lastId: string | null; metadataVersion: number }>();
const origin: Origin = { user: "bench", client: "relay", session: uuidv7() };
/** As a server's: the commit is cheaper for sessions that are recorded and whose instance keeps its lease. */
const instanceId = `own tables ${origin.session}`;
await store.sessions.heartbeat(instanceId);
setInterval(() => void store.sessions.heartbeat(instanceId), 1_000);

/** The relay's operations have `set` or `props` last: the effect is cut out, not encoded again. */
function operationOf(bytes: Buffer, base: number): CommitOperation {
  const text = bytes.toString();
  const { id, type, element } = JSON.parse(text) as Pick<CommitOperation, "id" | "type" | "element">;
  const effect = text.indexOf(type === "create" ? '"props":' : '"set":');
  return { id, type, element, base, status: "applied", data: `{${text.slice(effect)}`, origin };
}

async function commit(batches: readonly RelayBatch[]): Promise<RelayAnswer[]> {
  const proposals = batches.map((batch): DocumentBatch => {
    const head = heads.get(batch.doc);
    return {
      docId: batch.doc,
      expectedVersion: batch.first - 1,
      expectedId: head?.lastId ?? null,
      metadataVersion: head?.metadataVersion ?? 1,
      operations: batch.ops.map((op) => operationOf(op, batch.first - 1)),
    };
  });
  const results = await store.commit(proposals, { wait: false });
  return results.map((result, index) => {
    const proposal = proposals[index] as DocumentBatch;
    if (result.outcome === "busy") return { missed: [], again: true };
    if (result.outcome !== "committed") throw new Error(`document ${proposal.docId}: ${result.outcome}`);
    const head = heads.get(proposal.docId);
    if (head !== undefined) head.lastId = proposal.operations.at(-1)?.id ?? null;
    return { missed: [], again: false };
  });
}

await startRelay({
  port: Number(flags.port),
  flights: 3,
  maxOperations: 1000,
  commit,
  async open(doc) {
    await store.documents.create({ id: doc, name: "benchmark", type: "whiteboard", createdBy: "bench" });
    const found = await store.documents.get(doc);
    if (found === undefined) throw new Error(`document ${doc} is not there`);
    const { user, client, session } = origin;
    await store.sessions.join([
      { id: session, docId: doc, instanceId, user: { id: user }, client, role: "editor", version: 0 },
    ]);
    heads.set(doc, { lastId: found.operationId, metadataVersion: found.metadataVersion });
    return found.version;
  },
});
