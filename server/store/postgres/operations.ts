/**
 * Reading the log. Every statement names `doc_id` first and leaves the planner one key; those without a document go
 * by the sessions of a user or the BRIN index of time.
 */

import { readCursor, writeCursor } from "../cursor.ts";
import type { LogRange, OperationFilter, OperationStore, Page, Paged, StoredOperation } from "../store.ts";
import { int8Array } from "./arrays.ts";
import { type Database, promptMs, type Statement } from "./database.ts";

/** The columns of a `StoredOperation` of `operations o`. */
export const operationColumns = `o.doc_id AS "docId", o.version, o.id, o.type, o.element, o.prev_version AS base, o.status,
  o.conflict, o.session_id AS session, o.user_id AS "user", o.client_id AS client, o."timestamp" AS at,
  convert_from(o.data, 'UTF8') AS data, o.extra::text AS extra`;

const byId = {
  name: "operation_get",
  text: `SELECT ${operationColumns} FROM operations o WHERE o.doc_id = $1 AND o.id = $2`,
};
const latest = {
  name: "operation_latest",
  text: `SELECT ${operationColumns} FROM operations o WHERE o.doc_id = $1 ORDER BY o.version DESC LIMIT $2`,
};
const byVersion = {
  name: "operation_by_version",
  answerWithinMs: promptMs,
  text: `SELECT ${operationColumns} FROM operations o WHERE o.doc_id = $1 AND o.version BETWEEN $2 AND $3 ORDER BY o.version`,
};
const byAuthor = {
  name: "operation_by_author",
  answerWithinMs: promptMs,
  text: `SELECT ${operationColumns} FROM operations o WHERE o.doc_id = $1 AND o.version BETWEEN $2 AND $3
    AND o.user_id = $4 AND o.client_id = $5 ORDER BY o.version`,
};
const statuses = {
  name: "operation_statuses",
  text: "SELECT version, status FROM operations WHERE doc_id = $1 AND version = ANY ($2::bigint[])",
};
const pending = {
  name: "operation_pending",
  answerWithinMs: promptMs,
  text: `SELECT o.id, o.version, o.conflict FROM operations o
    WHERE o.doc_id = $1 AND o.status <> 'applied' AND o.status IN ('pending', 'conflict') ORDER BY o.version`,
};
/** Under the document's row, like every write of its log. */
const updateStatus = {
  name: "operation_update_status",
  text: `WITH held AS (SELECT id FROM documents WHERE id = $1 FOR NO KEY UPDATE)
    UPDATE operations o SET status = $3 FROM held WHERE o.doc_id = held.id AND o.id = $2`,
};

/**
 * One read of the head, whether `after` is its history, and what follows as far as it fits. One statement has one
 * snapshot: the head belongs to the operations.
 */
const after = {
  name: "operation_after",
  answerWithinMs: promptMs,
  text: `SELECT d.state, d.version AS head_version, d.last_operation_id, d.metadata_version, d.revision, d.retained_from,
      CASE WHEN $2::bigint = 0 OR $3::uuid IS NULL THEN true
        WHEN $2 = d.version THEN d.last_operation_id = $3
        ELSE EXISTS (SELECT FROM operations k WHERE k.doc_id = d.id AND k.version = $2 AND k.id = $3)
          OR EXISTS (SELECT FROM archived_operations k WHERE k.doc_id = d.id AND k.version = $2 AND k.id = $3)
      END AS same,
      x.*
    FROM documents d LEFT JOIN LATERAL (
      SELECT ${operationColumns},
        sum(octet_length(o.data) + 250) OVER (ORDER BY o.version) - octet_length(o.data) - 250 AS before
      FROM (
        SELECT * FROM operations o WHERE o.doc_id = d.id AND o.version > $2 AND o.version <= d.version
          AND $2 + 1 >= d.retained_from
        ORDER BY o.version LIMIT $5
      ) o
    ) x ON x.before < $4
    WHERE d.id = $1 ORDER BY x.version`,
};
/** Operations of one read at most; the byte bound is the caller's. */
const afterRows = 5_000;

type AfterRow = StoredOperation & {
  state: "active" | "archived" | "deleted";
  head_version: number;
  last_operation_id: string | null;
  metadata_version: number;
  revision: number;
  retained_from: number;
  same: boolean | null;
  before: number;
};

/** The log in PostgreSQL. */
export function createOperations(database: Database): OperationStore {
  return {
    async get(docId, operationId) {
      return (await database.rows<StoredOperation>(byId, [docId, operationId]))[0];
    },
    list: (filter, order, page) => list(database, filter, order, page),
    async latest(docId, count) {
      return (await database.rows<StoredOperation>(latest, [docId, count])).reverse();
    },
    byVersion(docId, from, to) {
      return database.rows<StoredOperation>(byVersion, [docId, from, to]);
    },
    byAuthor(docId, { user, client }, from, to) {
      return database.rows<StoredOperation>(byAuthor, [docId, from, to, user, client]);
    },
    statuses(docId, versions) {
      return database.rows(statuses, [docId, int8Array(versions)]);
    },
    async after(docId, { version, id }, maxBytes): Promise<LogRange> {
      const rows = await database.rows<AfterRow>(after, [
        docId,
        version,
        id,
        Math.max(1, maxBytes),
        afterRows,
      ]);
      const first = rows[0];
      if (first === undefined) return { outcome: "missing" };
      const head = {
        docId,
        state: first.state,
        version: first.head_version,
        operationId: first.last_operation_id,
        metadataVersion: first.metadata_version,
        revision: first.revision,
      };
      if (version > head.version || first.same !== true) return { outcome: "history", head };
      if (version + 1 < first.retained_from) return { outcome: "archived", head };
      const operations = rows.filter((row) => row.id !== null).map(operationOf);
      return {
        outcome: "range",
        operations,
        complete: (operations.at(-1)?.version ?? version) === head.version,
        head,
      };
    },
    pending(docId) {
      return database.rows(pending, [docId]);
    },
    async updateStatus(docId, operationId, status) {
      return (await database.count(updateStatus, [docId, operationId, status])) > 0;
    },
  };
}

function operationOf(row: AfterRow): StoredOperation {
  const { state, head_version, last_operation_id, metadata_version, revision, retained_from, same, ...rest } =
    row;
  const { before, ...operation } = rest;
  return operation;
}

/**
 * Lists by filter. In a document the order is that of versions; across documents it is that of time. A user's or a
 * session's operations are looked for where their sessions say.
 */
async function list(
  database: Database,
  filter: OperationFilter,
  order: "asc" | "desc",
  page: Page,
): Promise<Paged<StoredOperation>> {
  const values: unknown[] = [];
  const value = (of: unknown) => `$${values.push(of)}`;
  const conditions: string[] = [];
  const { docId, user, session, type, status, element, fromTime, toTime, fromVersion, toVersion } = filter;
  if (docId !== undefined) conditions.push(`o.doc_id = ${value(docId)}`);
  if (user !== undefined) conditions.push(`o.user_id = ${value(user)}`);
  if (session !== undefined) conditions.push(`o.session_id = ${value(session)}`);
  if (type !== undefined) conditions.push(`o.type = ${value(type)}`);
  if (status !== undefined) {
    conditions.push(`o.status = ${value(status)}`);
    // The partial index is found only by its own words.
    if (status !== "applied") conditions.push("o.status <> 'applied'");
  }
  if (element !== undefined) conditions.push(`o.element = ${value(element)}`);
  if (fromTime !== undefined) conditions.push(`o."timestamp" >= ${value(fromTime)}`);
  if (toTime !== undefined) conditions.push(`o."timestamp" <= ${value(toTime)}`);
  if (fromVersion !== undefined) conditions.push(`o.version >= ${value(fromVersion)}`);
  if (toVersion !== undefined) conditions.push(`o.version <= ${value(toVersion)}`);

  // Where an author's sessions say, also within a document: a long log is not read for one short visit.
  const bySession = session !== undefined || (user !== undefined && docId === undefined);
  let source = "operations o";
  if (bySession) {
    const whose = [
      ...(session === undefined ? [] : [`s.id = ${value(session)}`]),
      ...(user === undefined || session !== undefined ? [] : [`s.user_id = ${value(user)}`]),
      ...(docId === undefined ? [] : [`s.doc_id = ${value(docId)}`]),
    ].join(" AND ");
    source = `(
      SELECT o.* FROM (SELECT s.doc_id, s.id, s.first_version, s.last_version FROM sessions s WHERE ${whose} OFFSET 0) s
      CROSS JOIN LATERAL (
        SELECT * FROM operations o WHERE o.doc_id = s.doc_id AND o.session_id = s.id
          AND o.version >= s.first_version AND o.version <= coalesce(s.last_version, 9007199254740991) OFFSET 0
      ) o
    ) o`;
  }

  const sign = order === "asc" ? ">" : "<";
  const key = docId === undefined ? `o."timestamp", o.doc_id, o.version` : "o.version";
  if (page.cursor !== undefined && docId !== undefined) {
    const [version] = readCursor(page.cursor, "version");
    conditions.push(`o.version ${sign} ${value(version)}`);
  } else if (page.cursor !== undefined) {
    const [at, doc, version] = readCursor(page.cursor, "time", "uuid", "version");
    // Said twice: the BRIN index understands only the first.
    conditions.push(`o."timestamp" ${sign}= ${value(at)}::timestamptz`);
    conditions.push(
      `(${key}) ${sign} (${value(at)}::timestamptz, ${value(doc)}::uuid, ${value(version)}::bigint)`,
    );
  }
  const direction = order === "asc" ? "ASC" : "DESC";
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const ordering = key
    .split(", ")
    .map((part) => `${part} ${direction}`)
    .join(", ");
  const statement = {
    text: `SELECT ${operationColumns} FROM ${source} ${where} ORDER BY ${ordering} LIMIT ${value(page.limit + 1)}`,
  };
  const rows =
    docId !== undefined || bySession
      ? await database.rows<StoredOperation>(statement, values)
      : await acrossDocuments(database, statement, values);
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  const nextCursor = !more
    ? null
    : docId === undefined
      ? writeCursor(last.at, last.docId, last.version)
      : writeCursor(last.version);
  return { items, nextCursor };
}

/** Without a document only BRIN or the partial index is left; before the first ANALYZE the planner would rather scan. */
function acrossDocuments(database: Database, statement: Statement, values: readonly unknown[]) {
  return database.transaction(
    async (query) => {
      await query({ text: "SET LOCAL enable_seqscan = off" });
      await query({ text: "SET LOCAL jit = off" });
      return (await query<StoredOperation>(statement, values)).rows;
    },
    { readOnly: true },
  );
}
