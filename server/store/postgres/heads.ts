/** Where documents stand: what anti-entropy asks every second, and what joining reads. */
import type {
  ConflictRecord,
  DocumentRecord,
  Head,
  HeadAnswer,
  HeadQuery,
  KnownOperation,
  LoadedDocument,
  StoredOperation,
} from "../store.ts";
import { int4Array, uuidArray } from "./arrays.ts";
import { conflictColumns } from "./conflicts.ts";
import { type Database, promptMs } from "./database.ts";
import { documentColumns } from "./documents.ts";
import { activeLocksOfDocument, type LockRow, splitLocks } from "./locks.ts";
import { operationColumns } from "./operations.ts";
import { readNearest } from "./snapshots.ts";

/** All heads first, then one probe of the key for each id asked for: LIMIT keeps the probes from becoming a join. */
const heads = {
  name: "document_heads",
  answerWithinMs: promptMs,
  text: `SELECT d.id AS "docId", d.state, d.version, d.last_operation_id AS "operationId",
      d.metadata_version AS "metadataVersion", d.revision, d.retained_from AS "retainedFrom",
      CASE WHEN $2::uuid[] IS NULL THEN NULL ELSE (
        SELECT json_agg(json_build_object('id', k.id, 'version', k.version, 'user', k.user_id, 'client', k.client_id))
        FROM unnest($2::uuid[], $3::int4[]) a(id, doc), LATERAL (
          (SELECT o.id, o.version, o.user_id, o.client_id FROM operations o
            WHERE o.doc_id = d.id AND o.id = a.id LIMIT 1)
          UNION ALL
          (SELECT o.id, o.version, o.user_id, o.client_id FROM archived_operations o
            WHERE d.retained_from > 1 AND o.doc_id = d.id AND o.id = a.id LIMIT 1)
          LIMIT 1
        ) k WHERE ($1::uuid[])[a.doc] = d.id
      ) END AS known
    FROM documents d WHERE d.id = ANY ($1::uuid[])`,
};

type HeadRow = Head & { readonly known: KnownOperation[] | null; readonly retainedFrom: number };

/** See `DocumentStore.heads`. */
export async function readHeads(database: Database, queries: readonly HeadQuery[]): Promise<HeadAnswer[]> {
  if (queries.length === 0) return [];
  const docs = [...new Set(queries.map((query) => query.docId))];
  const place = new Map(docs.map((docId, i) => [docId, i + 1]));
  const ids: string[] = [];
  const idDocs: number[] = [];
  for (const query of queries) {
    for (const id of query.ids ?? []) {
      ids.push(id);
      idDocs.push(place.get(query.docId) ?? 0);
    }
  }
  const rows = await database.rows<HeadRow>(heads, [
    uuidArray(docs),
    ids.length > 0 ? uuidArray(ids) : null,
    ids.length > 0 ? int4Array(idDocs) : null,
  ]);
  return rows.map(({ known, retainedFrom, ...head }) => ({ head, known: known ?? [], retainedFrom }));
}

const documentWithTimes = {
  name: "load_document",
  answerWithinMs: promptMs,
  text: `SELECT ${documentColumns}, d.retained_from AS "retainedFrom", d.content_version AS "contentVersion",
    clock_timestamp()::timestamptz(3) AS now FROM documents d WHERE d.id = $1`,
};
const content = {
  name: "load_content",
  text: `SELECT convert_from(d.content, 'UTF8') AS content,
      CASE WHEN d.content_version = d.version THEN d.last_operation_id
        ELSE (SELECT o.id FROM operations o WHERE o.doc_id = d.id AND o.version = d.content_version) END AS "operationId"
    FROM documents d WHERE d.id = $1`,
};
const tail = {
  name: "load_tail",
  text: `SELECT ${operationColumns} FROM operations o WHERE o.doc_id = $1 AND o.version > $2 AND o.version <= $3
    ORDER BY o.version`,
};
const locks = { name: "load_locks", answerWithinMs: promptMs, text: activeLocksOfDocument };
const recentConflicts = {
  name: "load_conflicts",
  answerWithinMs: promptMs,
  text: `SELECT ${conflictColumns} FROM conflicts c
    WHERE c.doc_id = $1 AND c.last_at > clock_timestamp() - interval '10 seconds' ORDER BY c.last_at`,
};

const heldBack = {
  name: "load_held_back",
  answerWithinMs: promptMs,
  text: `SELECT ${operationColumns} FROM operations o
    WHERE o.doc_id = $1 AND o.status <> 'applied' AND o.status = 'conflict' ORDER BY o.version`,
};
/** Read only where something is held back. */
const unresolvedConflicts = {
  name: "load_unresolved",
  answerWithinMs: promptMs,
  text: `SELECT ${conflictColumns} FROM conflicts c WHERE c.doc_id = $1 AND c.resolved_at IS NULL
    ORDER BY c.created_at, c.id`,
};

type LoadRow = DocumentRecord & { retainedFrom: number; contentVersion: number; now: string };

/** Snapshot, the log after it, locks and recent conflicts in one snapshot of the database; see `DocumentStore.load`. */
export function loadDocument(database: Database, docId: string): Promise<LoadedDocument | undefined> {
  return database.transaction(
    async (query) => {
      const row = (await query<LoadRow>(documentWithTimes, [docId])).rows[0];
      if (row === undefined) return undefined;
      const { retainedFrom, contentVersion, now, ...document } = row;
      // A snapshot older than the retained log has no continuation. It brings the write memory along and is therefore
      // preferred to `content`, which only tools write ahead of the log.
      const oldest = retainedFrom - 1;
      let snapshot = await readNearest(query, docId, oldest, document.version);
      if (snapshot === undefined && contentVersion >= oldest && contentVersion > 0) {
        const found = (await query<{ content: string | null; operationId: string | null }>(content, [docId]))
          .rows[0];
        if (found?.content) {
          const inside = found.content.trim().slice(1, -1).trim();
          const elements = inside === "" ? [] : [inside];
          const whole = { version: contentVersion, operationId: found.operationId, elements, memory: [] };
          snapshot = { whole, changes: undefined };
        }
      }
      const from = snapshot === undefined ? oldest : (snapshot.changes ?? snapshot.whole).version;
      // A millisecond for each operation, as for a commit.
      const answerWithinMs = promptMs + document.version - from;
      const operations = (
        await query<StoredOperation>({ ...tail, answerWithinMs }, [docId, from, document.version])
      ).rows;
      const locked = splitLocks((await query<LockRow>(locks, [docId])).rows);
      const recent = (await query<ConflictRecord>(recentConflicts, [docId])).rows;
      const waiting = (await query<StoredOperation>(heldBack, [docId])).rows;
      const unresolved =
        waiting.length === 0 ? [] : (await query<ConflictRecord>(unresolvedConflicts, [docId])).rows;
      return {
        document,
        locks: { revision: document.revision, version: document.version, ...locked },
        snapshot,
        tail: operations,
        recentConflicts: [...recent.filter(({ resolvedAt }) => resolvedAt !== null), ...unresolved],
        heldBack: waiting,
        retainedFrom,
        now,
      };
    },
    { isolation: "repeatable read", readOnly: true },
  );
}
