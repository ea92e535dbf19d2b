/**
 * Snapshots beside the log. The parts of a large one are written first, each in a statement of its own under an id of
 * this write; the row in `snapshots` makes them visible as a whole. Who loses the race for a version takes its parts away
 * again. A small one, and changes, are one statement.
 *
 * What is written here is not flushed (`unflushed`): with a hundred documents in use, these flushes were as many as the
 * commits'. What a later durable transaction relies on is flushed by it, since all before it in the WAL is.
 */
import type pg from "pg";
import type { SnapshotStore, StoredSnapshot } from "../store.ts";
import { type Database, promptMs, promptMsOf, type Statement } from "./database.ts";

type Query = <R extends pg.QueryResultRow>(
  statement: Statement,
  values?: readonly unknown[],
) => Promise<pg.QueryResult<R>>;

/** In a FROM: the transaction of this statement does not wait for its flush. */
export const unflushed = "set_config('synchronous_commit', 'off', true)";
/** `documents d` is $1, has version $2, and its operation there is $3 (null: not compared). */
export const ofThisHistory = `d.id = $1 AND d.version >= $2 AND ($3::uuid IS NULL
  OR (d.version = $2 AND d.last_operation_id = $3)
  OR EXISTS (SELECT FROM operations o WHERE o.doc_id = d.id AND o.version = $2 AND o.id = $3))`;
/** What is kept of $1 at version $2 is of the history in which $3 is the operation there. */
const same = "doc_id = $1 AND version = $2 AND (operation_id = $3::uuid) IS NOT FALSE";
const kept = `(SELECT count(*) FROM snapshots WHERE doc_id = $1)::int
  + (SELECT count(*) FROM snapshot_changes WHERE doc_id = $1)::int AS kept`;

const present = {
  name: "snapshot_present",
  text: `SELECT (${same}) AS same, ${kept} FROM snapshots WHERE doc_id = $1 AND version = $2`,
};
const writePart = {
  name: "snapshot_write_part",
  text: `INSERT INTO snapshot_parts (doc_id, snapshot_id, kind, part, body)
    SELECT $1::uuid, $2::uuid, $3, $4::integer, $5 FROM ${unflushed}`,
};
/** With the parts of a small one. */
const publish = {
  name: "snapshot_publish",
  text: `WITH published AS (
      INSERT INTO snapshots (doc_id, version, id, operation_id, bytes)
      SELECT d.id, $2, $4::uuid, $3, $5::bigint FROM documents d, ${unflushed} WHERE ${ofThisHistory}
      ON CONFLICT DO NOTHING RETURNING id
    ), parts AS (
      INSERT INTO snapshot_parts (doc_id, snapshot_id, kind, part, body)
      SELECT $1, p.id, x.kind, 0, x.body FROM published p, (VALUES ('elements', $6::text), ('memory', $7::text)) x(kind, body)
      WHERE x.body IS NOT NULL
    )
    SELECT EXISTS (SELECT FROM published) AS published, (SELECT count(*) FROM published)::int + ${kept},
      EXISTS (SELECT FROM snapshots WHERE ${same}) AS present`,
};
const dropParts = {
  name: "snapshot_drop_parts",
  text: `DELETE FROM snapshot_parts USING ${unflushed} WHERE doc_id = $1 AND snapshot_id = $2`,
};
const writeChanges = {
  name: "snapshot_write_changes",
  text: `WITH base AS (SELECT FROM snapshots WHERE doc_id = $1 AND version = $4), written AS (
      INSERT INTO snapshot_changes (doc_id, version, operation_id, base, elements, memory)
      SELECT d.id, $2, $3, $4, $5, $6 FROM documents d, base, ${unflushed} WHERE ${ofThisHistory}
      ON CONFLICT DO NOTHING RETURNING version
    )
    SELECT EXISTS (SELECT FROM base) AND (EXISTS (SELECT FROM written)
      OR EXISTS (SELECT FROM snapshot_changes WHERE ${same})) AS present,
      (SELECT count(*) FROM written)::int + ${kept}`,
};
/** The newest whole one and the newest changes; of those that lead further, their base. */
const nearest = {
  name: "snapshot_nearest",
  answerWithinMs: promptMs,
  text: `SELECT s.version, s.id, s.operation_id AS "operationId", s.bytes, c.version AS "changesVersion",
      c.operation_id AS "changesOperationId", c.elements, c.memory
    FROM (
      (SELECT version AS base, version, 1 AS whole FROM snapshots
        WHERE doc_id = $1 AND version >= $2 AND version <= $3 ORDER BY version DESC LIMIT 1)
      UNION ALL
      (SELECT base, version, 0 FROM snapshot_changes
        WHERE doc_id = $1 AND version >= $2 AND version <= $3 ORDER BY version DESC LIMIT 1)
      ORDER BY version DESC, whole DESC LIMIT 1
    ) x
    JOIN snapshots s ON s.doc_id = $1 AND s.version = x.base
    LEFT JOIN snapshot_changes c ON x.whole = 0 AND c.doc_id = $1 AND c.version = x.version`,
};
const parts = {
  name: "snapshot_parts",
  text: "SELECT kind, body FROM snapshot_parts WHERE doc_id = $1 AND snapshot_id = $2 ORDER BY kind, part",
};
const list = {
  name: "snapshot_list",
  text: `SELECT version, operation_id AS "operationId", bytes, NULL::bigint AS base FROM snapshots WHERE doc_id = $1
    UNION ALL
    SELECT c.version, c.operation_id, octet_length(c.elements) + octet_length(c.memory), c.base FROM snapshot_changes c
    WHERE c.doc_id = $1 AND NOT EXISTS (SELECT FROM snapshots s WHERE s.doc_id = $1 AND s.version = c.version)
    ORDER BY version`,
};
/**
 * Rows and parts in one statement; what a crashed writer left an hour ago goes with them. The document's row is held
 * against archiving, which cuts the log at a snapshot under it.
 */
const remove = {
  name: "snapshot_remove",
  text: `WITH held AS MATERIALIZED (
      SELECT d.retained_from - 1 AS first FROM documents d, ${unflushed} WHERE d.id = $1 FOR SHARE OF d
    ), changes AS (
      DELETE FROM snapshot_changes WHERE doc_id = $1 AND version = ANY ($2::bigint[])
    ), gone AS (
      DELETE FROM snapshots s USING held h
      WHERE s.doc_id = $1 AND s.version = ANY ($2::bigint[]) AND s.version <> h.first
        AND NOT EXISTS (SELECT FROM snapshot_changes c
          WHERE c.doc_id = $1 AND c.base = s.version AND c.version <> ALL ($2::bigint[]))
      RETURNING s.id
    )
    DELETE FROM snapshot_parts p WHERE p.doc_id = $1 AND (
      p.snapshot_id IN (SELECT id FROM gone)
      OR (p.created_at < clock_timestamp() - interval '1 hour'
        AND NOT EXISTS (SELECT FROM snapshots s WHERE s.doc_id = $1 AND s.id = p.snapshot_id)))`,
};

/** A document that is wanted waits for what is read of it, and its closing for what is written. */
const prompt = (statement: Statement, bytes = 0): Statement => ({
  ...statement,
  answerWithinMs: promptMsOf(bytes),
});

/** Of the parts of changes, in one column: JSON has no line breaks of its own. */
const separator = "\n";
const split = (text: string) => (text === "" ? [] : text.split(separator));

interface NearestRow {
  readonly version: number;
  readonly id: string;
  readonly operationId: string | null;
  readonly bytes: number;
  readonly changesVersion: number | null;
  readonly changesOperationId: string | null;
  readonly elements: string;
  readonly memory: string;
}

/** The newest snapshot between two versions, bounds inclusive. For a transaction with one view of the database. */
export async function readNearest(
  query: Query,
  docId: string,
  atLeast: number,
  atMost: number,
): Promise<StoredSnapshot | undefined> {
  const row = (await query<NearestRow>(nearest, [docId, atLeast, atMost])).rows[0];
  if (row === undefined) return undefined;
  const { rows } = await query<{ kind: "elements" | "memory"; body: string }>(prompt(parts, row.bytes), [
    docId,
    row.id,
  ]);
  const read = { elements: [] as string[], memory: [] as string[] };
  for (const { kind, body } of rows) read[kind].push(body);
  const { version, operationId, changesVersion, changesOperationId, elements, memory } = row;
  return {
    whole: { version, operationId, ...read },
    changes:
      changesVersion === null
        ? undefined
        : {
            version: changesVersion,
            operationId: changesOperationId,
            base: version,
            elements: split(elements),
            memory: split(memory),
          },
  };
}

/** Snapshots in PostgreSQL. `newId` makes version-7 UUIDs. */
export function createSnapshots(database: Database, newId: () => string): SnapshotStore {
  return {
    async write(docId, { version, operationId, elements, memory }) {
      const id = newId();
      const isSmall = elements.length <= 1 && memory.length <= 1;
      const bytes = [...elements, ...memory].reduce((sum, body) => sum + Buffer.byteLength(body), 0);
      if (!isSmall) {
        const at = [docId, version, operationId];
        const [found] = await database.rows<{ same: boolean; kept: number }>(prompt(present), at);
        if (found !== undefined) return found.same ? found.kept : undefined;
        for (const [part, body] of elements.entries())
          await database.count(prompt(writePart, body.length), [docId, id, "elements", part, body]);
        for (const [part, body] of memory.entries())
          await database.count(prompt(writePart, body.length), [docId, id, "memory", part, body]);
      }
      const small = isSmall ? [elements[0], memory[0]] : [null, null];
      const [row] = await database.rows<{ published: boolean; present: boolean; kept: number }>(
        prompt(publish, isSmall ? bytes : 0),
        [docId, version, operationId, id, bytes, ...small],
      );
      if (row === undefined || row.published) return row?.kept;
      if (!isSmall) await database.count(dropParts, [docId, id]);
      return row.present ? row.kept : undefined;
    },
    async writeChanges(docId, { version, operationId, base, elements, memory }) {
      const texts = [elements.join(separator), memory.join(separator)] as const;
      const [row] = await database.rows<{ present: boolean; kept: number }>(
        prompt(writeChanges, texts[0].length + texts[1].length),
        [docId, version, operationId, base, ...texts],
      );
      return row?.present === true ? row.kept : undefined;
    },
    nearest(docId, atMost) {
      return database.transaction((query) => readNearest(query, docId, 0, atMost), {
        isolation: "repeatable read",
        readOnly: true,
      });
    },
    list(docId) {
      return database.rows(list, [docId]);
    },
    async remove(docId, versions) {
      if (versions.length > 0) await database.count(remove, [docId, versions]);
    },
  };
}
