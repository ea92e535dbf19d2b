/**
 * Archiving: moves the old end of a document's log, and what is settled of its conflicts, out of the live tables.
 *
 * First the cut, one short transaction under the document's row: from then on nothing below it is read by anybody but
 * to recognise repeats, and a snapshot stands for it. Then the rows follow in parts, each under the row again, so that
 * commits wait for one part at most; a run that was broken off is completed by the next. Held-back operations
 * (`conflict`) stay where they are until they are resolved.
 */
import type { DatabasePool } from "../../database/pool.ts";
import { Database, type Statement } from "./database.ts";

/** A document with something to move. */
export interface Archivable {
  readonly docId: string;
  readonly retainedFrom: number;
  /** Everything up to this version is old. Below `retainedFrom`: only what is left of an earlier run, or conflicts. */
  readonly oldUpTo: number;
  readonly contentVersion: number;
}

/** What moving takes at once. */
interface PartLimits {
  readonly operations: number;
  readonly bytes: number;
  readonly conflicts: number;
}

/** A part holds the document's row for some 30 ms. */
const part: PartLimits = { operations: 2_000, bytes: 4 * 1024 * 1024, conflicts: 200 };

/** Conflict records that may go when everything up to $3 does, and are settled since before $2. */
const settled = `c.doc_id = $1 AND c.resolved_at < $2 AND c.last_at < $2
  AND c.last_at < clock_timestamp() - interval '1 minute'
  AND NOT EXISTS (SELECT FROM conflict_operations n, operations o
    WHERE n.doc_id = c.doc_id AND n.conflict_id = c.id AND o.doc_id = n.doc_id AND o.id = n.operation_id
      AND (o.version > $3 OR o.status = 'conflict'))`;

const candidates = {
  text: `SELECT d.id AS "docId", d.retained_from AS "retainedFrom", d.content_version AS "contentVersion",
      coalesce((SELECT o.version FROM operations o
        WHERE o.doc_id = d.id AND o.version >= d.retained_from AND o."timestamp" >= $2 ORDER BY o.version LIMIT 1) - 1,
        d.version) AS "oldUpTo",
      EXISTS (SELECT FROM operations o WHERE o.doc_id = d.id AND o.version < d.retained_from AND o.status <> 'conflict')
        AS "left",
      EXISTS (SELECT FROM conflicts c WHERE c.doc_id = d.id AND c.resolved_at < $2 AND c.last_at < $2) AS "settled"
    FROM documents d WHERE d.id > $1 ORDER BY d.id LIMIT 200`,
};
const countOperations = {
  text: `SELECT count(*)::int AS count FROM operations WHERE doc_id = $1 AND version <= $2 AND status <> 'conflict'`,
};
const countConflicts = { text: `SELECT count(*)::int AS count FROM conflicts c WHERE ${settled}` };
const hold = { text: "SELECT retained_from FROM documents WHERE id = $1 FOR NO KEY UPDATE" };
/** A snapshot of this history: thinning cannot take it away before the cut says that it is needed. */
const snapshotAt = {
  text: `SELECT FROM snapshots s WHERE s.doc_id = $1 AND s.version = $2
    AND s.operation_id = (SELECT o.id FROM operations o WHERE o.doc_id = $1 AND o.version = $2) FOR KEY SHARE OF s`,
};
const moveCut = {
  text: "UPDATE documents SET retained_from = $2 + 1 WHERE id = $1 AND retained_from <= $2 AND version >= $2",
};
const choose = {
  text: `SELECT x.version FROM (
      SELECT o.version, sum(octet_length(o.data) + 500) OVER (ORDER BY o.version) - octet_length(o.data) - 500 AS before
      FROM (
        SELECT o.version, o.data FROM operations o, documents d
        WHERE d.id = $1 AND o.doc_id = d.id AND o.version < d.retained_from AND o.status <> 'conflict'
        ORDER BY o.version LIMIT ${part.operations}
      ) o
    ) x WHERE x.before < ${part.bytes} ORDER BY x.version`,
};
const keepOperations = {
  text: `INSERT INTO archive_parts (doc_id, id, kind, from_version, to_version, body)
    SELECT $1, gen_random_uuid(), 'operations', min(o.version), max(o.version),
      string_agg(row_to_json(o)::text, E'\\n' ORDER BY o.version)
    FROM (
      SELECT id, version, prev_version, "timestamp", type, status, element, user_id, client_id, session_id, conflict,
        convert_from(data, 'UTF8') AS data, extra, ip, user_agent, platform
      FROM operations WHERE doc_id = $1 AND version = ANY ($2::bigint[])
    ) o`,
};
const keepIds = {
  text: `INSERT INTO archived_operations (doc_id, id, version, user_id, client_id)
    SELECT doc_id, id, version, user_id, client_id FROM operations WHERE doc_id = $1 AND version = ANY ($2::bigint[])
    ON CONFLICT DO NOTHING`,
};
const dropOperations = { text: "DELETE FROM operations WHERE doc_id = $1 AND version = ANY ($2::bigint[])" };
const chooseConflicts = {
  text: `SELECT c.id FROM conflicts c WHERE ${settled} ORDER BY c.created_at, c.id LIMIT ${part.conflicts}`,
};
const keepConflicts = {
  text: `INSERT INTO archive_parts (doc_id, id, kind, body)
    SELECT $1, gen_random_uuid(), 'conflicts', string_agg(row_to_json(c)::text, E'\\n' ORDER BY c.created_at, c.id)
    FROM (
      SELECT c.id, c.element, c.properties, c.resolution, c.resolved_by, c.resolved_at, c.description, c.authors,
        c.created_at, c.last_at, ARRAY(SELECT n.operation_id FROM conflict_operations n
          WHERE n.doc_id = c.doc_id AND n.conflict_id = c.id ORDER BY n.operation_id) AS operations
      FROM conflicts c WHERE c.doc_id = $1 AND c.id = ANY ($2::uuid[])
    ) c`,
};
const dropConflicts = { text: "DELETE FROM conflicts WHERE doc_id = $1 AND id = ANY ($2::uuid[])" };
/** Nothing is left to the planner but the keys, whatever it believes of tables that were never analysed. */
const byKeys = {
  text: "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off",
};

export interface Archive {
  /** Documents with something older than a time, in the order of their ids. */
  candidates(olderThan: string): AsyncIterable<Archivable>;
  /** How much would move if the log were cut after `version`. */
  count(
    docId: string,
    version: number,
    olderThan: string,
  ): Promise<{ operations: number; conflicts: number }>;
  /** Lets the retained log begin after `version`. False: no snapshot of it, or already cut there. */
  cut(docId: string, version: number): Promise<boolean>;
  /** Moves one part of what lies below the cut; how many operations, 0 when nothing is left. */
  moveOperations(docId: string): Promise<number>;
  /** Moves one part of the settled conflict records whose operations are all below the cut. */
  moveConflicts(docId: string, olderThan: string): Promise<number>;
}

export function createArchive(pool: DatabasePool): Archive {
  const database = new Database(pool);
  const one = async (statement: Statement, values: readonly unknown[]) =>
    (await database.rows<{ count: number }>(statement, values))[0]?.count ?? 0;

  return {
    async *candidates(olderThan) {
      let last = "00000000-0000-0000-0000-000000000000";
      for (;;) {
        const rows = await database.transaction(
          async (query) => {
            await query(byKeys);
            return (
              await query<Archivable & { left: boolean; settled: boolean }>(candidates, [last, olderThan])
            ).rows;
          },
          { readOnly: true },
        );
        for (const { left, settled: hasSettled, ...document } of rows) {
          last = document.docId;
          if (left || hasSettled || document.oldUpTo >= document.retainedFrom) yield document;
        }
        if (rows.length === 0) return;
      }
    },

    async count(docId, version, olderThan) {
      return {
        operations: await one(countOperations, [docId, version]),
        conflicts: await one(countConflicts, [docId, olderThan, version]),
      };
    },

    cut(docId, version) {
      return database.transaction(
        async (query) => {
          await query(hold, [docId]);
          if ((await query(snapshotAt, [docId, version])).rowCount === 0) return false;
          return ((await query(moveCut, [docId, version])).rowCount ?? 0) > 0;
        },
        { idempotent: true },
      );
    },

    moveOperations(docId) {
      return database.transaction(
        async (query) => {
          await query(byKeys);
          await query(hold, [docId]);
          const chosen = (await query<{ version: number }>(choose, [docId])).rows.map(
            ({ version }) => version,
          );
          if (chosen.length === 0) return 0;
          await query(keepOperations, [docId, chosen]);
          await query(keepIds, [docId, chosen]);
          return (await query(dropOperations, [docId, chosen])).rowCount ?? 0;
        },
        { idempotent: true },
      );
    },

    moveConflicts(docId, olderThan) {
      return database.transaction(
        async (query) => {
          const held = (await query<{ retained_from: number }>(hold, [docId])).rows[0];
          if (held === undefined) return 0;
          const found = await query<{ id: string }>(chooseConflicts, [
            docId,
            olderThan,
            held.retained_from - 1,
          ]);
          const ids = found.rows.map(({ id }) => id);
          if (ids.length === 0) return 0;
          await query(keepConflicts, [docId, ids]);
          return (await query(dropConflicts, [docId, ids])).rowCount ?? 0;
        },
        { idempotent: true },
      );
    },
  };
}
