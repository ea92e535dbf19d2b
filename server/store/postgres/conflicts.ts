/** Conflict records. The server makes them within the commit; the writes here serve tools. */

import { readCursor, writeCursor } from "../cursor.ts";
import type { ConflictRecord, ConflictStore, ConflictWrite, StoredOperation } from "../store.ts";
import { type Database, promptMs } from "./database.ts";
import { operationColumns } from "./operations.ts";

/** Operations that a record shows. */
const shownOperations = 100;

/**
 * The columns of a `ConflictRecord` of `conflicts c`. Operations in version order, archived ones too; ids of
 * operations that are nowhere (yet) come last.
 */
export const conflictColumns = `c.id, c.doc_id AS "docId", c.element, c.properties, c.resolution,
  c.resolved_by AS "resolvedBy", c.resolved_at AS "resolvedAt", c.description, c.created_at AS "createdAt",
  c.last_at AS "lastAt", c.authors,
  ARRAY(SELECT y.operation_id::text FROM (
    SELECT x.operation_id, x.version FROM (
      SELECT n.operation_id, coalesce(
        (SELECT o.version FROM operations o WHERE o.doc_id = n.doc_id AND o.id = n.operation_id LIMIT 1),
        (SELECT a.version FROM archived_operations a WHERE a.doc_id = n.doc_id AND a.id = n.operation_id LIMIT 1)
      ) AS version
      FROM conflict_operations n WHERE n.doc_id = c.doc_id AND n.conflict_id = c.id
    ) x ORDER BY x.version DESC NULLS FIRST, x.operation_id DESC LIMIT ${shownOperations}
  ) y ORDER BY y.version NULLS LAST, y.operation_id) AS operations`;

const byId = {
  name: "conflict_get",
  text: `SELECT ${conflictColumns} FROM conflicts c WHERE c.doc_id = $1 AND c.id = $2`,
};
const unresolved = {
  name: "conflict_unresolved",
  answerWithinMs: promptMs,
  text: 'SELECT id, last_at AS "lastAt" FROM conflicts WHERE doc_id = $1 AND resolved_at IS NULL',
};
const byIds = {
  name: "conflict_get_many",
  answerWithinMs: promptMs,
  text: `SELECT ${conflictColumns} FROM conflicts c WHERE c.doc_id = $1 AND c.id = ANY ($2::uuid[]) ORDER BY c.created_at, c.id`,
};
const operationsOf = {
  name: "conflict_operations",
  text: `SELECT x.* FROM conflict_operations n, LATERAL (
      SELECT ${operationColumns} FROM operations o WHERE o.doc_id = n.doc_id AND o.id = n.operation_id LIMIT 1
    ) x WHERE n.doc_id = $1 AND n.conflict_id = $2 ORDER BY x.version`,
};
const hold = {
  name: "conflict_hold",
  text: "SELECT FROM documents WHERE id = $1 FOR NO KEY UPDATE",
};
const grow = { name: "conflict_grow", text: "UPDATE documents SET revision = revision + 1 WHERE id = $1" };
const insert = {
  name: "conflict_insert",
  text: `INSERT INTO conflicts (doc_id, id, element, properties, resolution, resolved_by, resolved_at, description, authors)
    VALUES ($1, $2, $3, $4, $5, $6::varchar, CASE WHEN $6::varchar IS NOT NULL THEN clock_timestamp() END, $7, $8)`,
};
const insertOperations = {
  name: "conflict_insert_operations",
  text: `INSERT INTO conflict_operations (doc_id, conflict_id, operation_id)
    SELECT $1, $2, u FROM unnest($3::uuid[]) u ON CONFLICT DO NOTHING`,
};
const markOperations = {
  name: "conflict_mark_operations",
  text: "UPDATE operations SET status = 'resolved' WHERE doc_id = $1 AND id = ANY ($2::uuid[]) AND status = 'conflict'",
};
const resolve = {
  name: "conflict_resolve",
  text: `UPDATE conflicts SET resolved_by = $3, resolved_at = clock_timestamp()
    WHERE doc_id = $1 AND id = $2 AND resolved_at IS NULL`,
};

const states = {
  unresolved: "AND c.resolved_at IS NULL",
  resolved: "AND c.resolved_at IS NOT NULL",
  any: "",
} as const;

/** Conflict records in PostgreSQL. */
export function createConflicts(database: Database): ConflictStore {
  const get = async (docId: string, conflictId: string) => {
    const conflict = (await database.rows<ConflictRecord>(byId, [docId, conflictId]))[0];
    if (conflict === undefined) return undefined;
    return { conflict, operations: await database.rows<StoredOperation>(operationsOf, [docId, conflictId]) };
  };
  return {
    async create(docId, conflict: ConflictWrite) {
      await database.transaction(async (query) => {
        await query(hold, [docId]);
        const { id, element, properties, resolution, resolvedBy, description, authors, operations } =
          conflict;
        await query(insert, [docId, id, element, properties, resolution, resolvedBy, description, authors]);
        await query(insertOperations, [docId, id, operations]);
        await query(grow, [docId]);
      });
      const made = await get(docId, conflict.id);
      if (made === undefined) throw new Error("a conflict record vanished while it was made");
      return made.conflict;
    },
    get,
    async list(docId, state, page) {
      const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, "time", "uuid");
      const rows = await database.rows<ConflictRecord>(
        {
          text: `SELECT ${conflictColumns} FROM (
            SELECT * FROM conflicts c WHERE c.doc_id = $1 ${states[state ?? "any"]}
              ${cursor === undefined ? "" : "AND (c.created_at, c.id) > ($3::timestamptz, $4::uuid)"}
            ORDER BY c.created_at, c.id LIMIT $2) c ORDER BY c.created_at, c.id`,
        },
        [docId, page.limit + 1, ...(cursor ?? [])],
      );
      const items = rows.slice(0, page.limit);
      const last = items.at(-1);
      return {
        items,
        nextCursor:
          rows.length > page.limit && last !== undefined ? writeCursor(last.createdAt, last.id) : null,
      };
    },
    unresolved(docId) {
      return database.rows(unresolved, [docId]);
    },
    getMany(docId, conflictIds) {
      return database.rows<ConflictRecord>(byIds, [docId, conflictIds]);
    },
    resolve(docId, { conflictId, resolvedBy, operations }) {
      return database.transaction(async (query) => {
        await query(hold, [docId]);
        const resolved = (await query(resolve, [docId, conflictId, resolvedBy])).rowCount ?? 0;
        if (resolved === 0) return false;
        await query(markOperations, [docId, operations]);
        await query(grow, [docId]);
        return true;
      });
    },
  };
}
