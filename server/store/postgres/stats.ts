/** Counts. Versions have no gaps, so the log is counted by its documents and never scanned. */
import type { DocumentStats, StoreStats } from "../store.ts";
import type { Database } from "./database.ts";

const all = {
  name: "stats",
  text: `SELECT d.*,
      (SELECT count(*) FROM conflicts) AS conflicts,
      (SELECT count(*) FROM conflicts WHERE resolved_at IS NULL) AS unresolved,
      (SELECT count(*) FROM locks WHERE active AND expires_at > clock_timestamp()) AS locks,
      (SELECT count(*) FROM sessions WHERE left_at IS NULL) AS sessions,
      (SELECT count(*) FROM instances) AS instances
    FROM (
      SELECT count(*) AS total, count(*) FILTER (WHERE state = 'active') AS active,
        count(*) FILTER (WHERE state = 'archived') AS archived,
        coalesce(sum(greatest(version - retained_from + 1, 0)), 0)::bigint AS operations
      FROM documents
    ) d`,
};
const byDocument = {
  name: "stats_documents",
  text: `SELECT doc_id AS "docId", operations, pending_operations AS "pendingOperations", conflicts,
      unresolved_conflicts AS "unresolvedConflicts", active_locks AS "activeLocks", active_users AS "activeUsers"
    FROM v_document_stats WHERE doc_id = ANY ($1::uuid[])`,
};

type AllRow = Record<
  | "total"
  | "active"
  | "archived"
  | "operations"
  | "conflicts"
  | "unresolved"
  | "locks"
  | "sessions"
  | "instances",
  number
>;

/** See `Store.stats`. */
export async function readStats(database: Database): Promise<StoreStats> {
  const [row] = await database.rows<AllRow>(all);
  if (row === undefined) throw new Error("a query without FROM returned nothing");
  return {
    documents: { total: row.total, active: row.active, archived: row.archived },
    operations: row.operations,
    conflicts: { total: row.conflicts, resolved: row.conflicts - row.unresolved },
    locks: { active: row.locks },
    sessions: row.sessions,
    instances: row.instances,
  };
}

/** See `Store.documentStats`. */
export function readDocumentStats(database: Database, docIds: readonly string[]): Promise<DocumentStats[]> {
  return database.rows<DocumentStats>(byDocument, [docIds]);
}
