/**
 * Snapshots beside the log. Parts are written first, each in a statement of its own under an id of this write; the
 * row in `snapshots` makes them visible as a whole. Who loses the race for a version takes its parts away again.
 */
import type pg from "pg";
import type { Snapshot, SnapshotStore } from "../store.ts";
import type { Database, Statement } from "./database.ts";

type Query = <R extends pg.QueryResultRow>(
  statement: Statement,
  values?: readonly unknown[],
) => Promise<pg.QueryResult<R>>;

const exists = { name: "snapshot_exists", text: "SELECT FROM snapshots WHERE doc_id = $1 AND version = $2" };
const writePart = {
  name: "snapshot_write_part",
  text: "INSERT INTO snapshot_parts (doc_id, snapshot_id, kind, part, body) VALUES ($1, $2, $3, $4, $5)",
};
/** Nothing for a document that is gone, or whose history does not have this operation (any more). */
const publish = {
  name: "snapshot_publish",
  text: `INSERT INTO snapshots (doc_id, version, id, operation_id, bytes)
    SELECT d.id, $2, $3, $4, $5 FROM documents d WHERE d.id = $1 AND d.version >= $2
    ON CONFLICT DO NOTHING`,
};
const dropParts = {
  name: "snapshot_drop_parts",
  text: "DELETE FROM snapshot_parts WHERE doc_id = $1 AND snapshot_id = $2",
};
const parts = {
  name: "snapshot_parts",
  text: "SELECT kind, body FROM snapshot_parts WHERE doc_id = $1 AND snapshot_id = $2 ORDER BY kind, part",
};
const nearest = {
  name: "snapshot_nearest",
  text: `SELECT s.version, s.id, s.operation_id AS "operationId" FROM snapshots s
    WHERE s.doc_id = $1 AND s.version <= $2 ORDER BY s.version DESC LIMIT 1`,
};
const list = {
  name: "snapshot_list",
  text: `SELECT version, operation_id AS "operationId", bytes FROM snapshots WHERE doc_id = $1 ORDER BY version`,
};
/** Against archiving, which cuts the log at a snapshot under the document's row. */
const hold = {
  name: "snapshot_hold",
  text: `SELECT retained_from - 1 AS first FROM documents WHERE id = $1 FOR SHARE`,
};
/** Row and parts in one statement; what a crashed writer left an hour ago goes with them. */
const remove = {
  name: "snapshot_remove",
  text: `WITH gone AS (
      DELETE FROM snapshots WHERE doc_id = $1 AND version = ANY ($2::bigint[]) AND version <> $3 RETURNING id
    )
    DELETE FROM snapshot_parts p WHERE p.doc_id = $1 AND (
      p.snapshot_id IN (SELECT id FROM gone)
      OR (p.created_at < clock_timestamp() - interval '1 hour'
        AND NOT EXISTS (SELECT FROM snapshots s WHERE s.doc_id = $1 AND s.id = p.snapshot_id)))`,
};

/** Reads the parts of one snapshot, in the transaction that found it. */
export async function readParts(
  query: Query,
  docId: string,
  snapshotId: string,
): Promise<{ elements: string[]; memory: string[] }> {
  const { rows } = await query<{ kind: "elements" | "memory"; body: string }>(parts, [docId, snapshotId]);
  const read = { elements: [] as string[], memory: [] as string[] };
  for (const { kind, body } of rows) read[kind].push(body);
  return read;
}

/** Snapshots in PostgreSQL. `newId` makes version-7 UUIDs. */
export function createSnapshots(database: Database, newId: () => string): SnapshotStore {
  return {
    async write(docId, snapshot) {
      if ((await database.count(exists, [docId, snapshot.version])) > 0) return;
      const id = newId();
      let bytes = 0;
      for (const kind of ["elements", "memory"] as const) {
        for (const [part, body] of snapshot[kind].entries()) {
          await database.count(writePart, [docId, id, kind, part, body]);
          bytes += Buffer.byteLength(body);
        }
      }
      const published = await database.count(publish, [
        docId,
        snapshot.version,
        id,
        snapshot.operationId,
        bytes,
      ]);
      if (published === 0) await database.count(dropParts, [docId, id]);
    },
    nearest(docId, atMost) {
      return database.transaction(
        async (query): Promise<Snapshot | undefined> => {
          const row = (
            await query<{ version: number; id: string; operationId: string | null }>(nearest, [docId, atMost])
          ).rows[0];
          if (row === undefined) return undefined;
          return {
            version: row.version,
            operationId: row.operationId,
            ...(await readParts(query, docId, row.id)),
          };
        },
        { isolation: "repeatable read", readOnly: true },
      );
    },
    list(docId) {
      return database.rows(list, [docId]);
    },
    async remove(docId, versions) {
      if (versions.length === 0) return;
      await database.transaction(
        async (query) => {
          const row = (await query<{ first: number }>(hold, [docId])).rows[0];
          await query(remove, [docId, versions, row?.first ?? 0]);
        },
        { idempotent: true },
      );
    },
  };
}
