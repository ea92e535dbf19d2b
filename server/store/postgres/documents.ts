/** Documents: metadata, lists, content. What the commit moves (version, revision) is moved here only by `updateVersion`, for tools. */
import { and, asc, desc, eq, getTableColumns, inArray, or, type SQL, sql } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { documents } from "../../../drizzle/documents.ts";
import { readCursor, writeCursor } from "../cursor.ts";
import type {
  DocumentChange,
  DocumentFilter,
  DocumentRecord,
  DocumentSort,
  DocumentStore,
  Page,
  Paged,
  Reader,
} from "../store.ts";
import { type Database, promptMs, refusing } from "./database.ts";
import { ofThisHistory, unflushed } from "./snapshots.ts";

const columns = getTableColumns(documents);
const shown = {
  name: columns.name,
  type: columns.type,
  state: columns.state,
  version: columns.version,
  operationId: columns.lastOperationId,
  metadataVersion: columns.metadataVersion,
  revision: columns.revision,
  docId: columns.id,
  createdBy: columns.createdBy,
  createdAt: columns.createdAt,
  updatedAt: columns.updatedAt,
  updatedBy: columns.updatedBy,
  activeUsers: columns.activeUsers,
  tags: columns.tags,
  description: columns.description,
  properties: columns.properties,
  owner: columns.owner,
  editors: columns.editors,
  viewers: columns.viewers,
  public: columns.public,
  conflictPolicy: columns.conflictPolicy,
};

/** The columns of a `DocumentRecord` of `documents d` in raw statements; times in the session's text form. */
export const documentColumns = `d.id AS "docId", d.name, d.type, d.state, d.version, d.last_operation_id AS "operationId",
  d.metadata_version AS "metadataVersion", d.revision, d.created_by AS "createdBy", d.created_at AS "createdAt",
  d.updated_at AS "updatedAt", d.updated_by AS "updatedBy", d.active_users AS "activeUsers", d.tags, d.description,
  d.properties, d.owner, d.editors, d.viewers, d.public, d.conflict_policy AS "conflictPolicy"`;

const byId = {
  name: "document_get",
  answerWithinMs: promptMs,
  text: `SELECT ${documentColumns} FROM documents d WHERE d.id = $1`,
};
const byIds = {
  name: "document_get_many",
  text: `SELECT ${documentColumns} FROM documents d WHERE d.id = ANY ($1::uuid[])`,
};
const updateVersion = {
  name: "document_update_version",
  text: "SELECT atomic_update_document_version($1, $2, $3, $4, $5) AS done",
};
/** `content` is large: it is written when nobody is in the document, and never backwards. Lost in a crash, it follows later. */
const writeContent = {
  name: "document_write_content",
  text: `UPDATE documents d SET content = $4, content_version = $2 FROM ${unflushed}
    WHERE ${ofThisHistory} AND (d.content_version < $2 OR d.content IS NULL)`,
};
const readContent = {
  name: "document_read_content",
  text: "SELECT content_version AS version, content FROM documents WHERE id = $1 AND content IS NOT NULL",
};
/** Rows that others hold are left, and named: waiting for one with the others in hand would stop their commits. */
const touch = {
  name: "document_touch",
  answerWithinMs: promptMs,
  text: `WITH free AS MATERIALIZED (
      SELECT id FROM documents WHERE id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED
    ), written AS (
      UPDATE documents d SET updated_at = greatest(d.updated_at, u.at), updated_by = u.by
      FROM free, unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[]) u(id, by, at, metadata_version)
      WHERE d.id = free.id AND u.id = free.id AND d.metadata_version = u.metadata_version
    )
    SELECT d.id AS "docId" FROM documents d WHERE d.id = ANY ($1::uuid[]) AND NOT EXISTS (
      SELECT FROM free WHERE free.id = d.id)`,
};
/** What is deleted already tells its metadata version to nobody anew: one `deleted` is enough for webhooks. */
const startPurge = {
  name: "document_start_purge",
  text: `UPDATE documents SET purging = true, state = 'deleted',
      metadata_version = CASE state WHEN 'deleted' THEN metadata_version ELSE metadata_version + 1 END
    WHERE id = $1 AND ($2::bigint IS NULL OR version = $2)`,
};
const addActiveUser = { name: "document_add_active_user", text: "SELECT add_active_user($1, $2)" };
const removeActiveUser = { name: "document_remove_active_user", text: "SELECT remove_active_user($1, $2)" };

/**
 * Rows deleted in one transaction: 1,000,000 operations at once held the document's row for 1.6 s; assets and parts of
 * an archive are megabytes.
 */
const purgedInParts = {
  operations: 10_000,
  archived_operations: 10_000,
  snapshot_parts: 1_000,
  archive_parts: 100,
  assets: 20,
} as const;

type Own = Omit<DocumentStore, "heads" | "load">;

/** Documents in PostgreSQL. */
export function createDocuments(database: Database, orm: NodePgDatabase): Own {
  return {
    async create(document) {
      const { createdBy } = document;
      const { id, name, type, tags, description, properties, editors, viewers, conflictPolicy } = document;
      const rows = await refusing(() =>
        orm
          .insert(documents)
          .values({
            id,
            name,
            type,
            createdBy,
            updatedBy: createdBy,
            owner: createdBy,
            description: description ?? "",
            tags: [...(tags ?? [])],
            editors: [...(editors ?? [])],
            viewers: [...(viewers ?? [])],
            public: document.public ?? false,
            conflictPolicy: conflictPolicy ?? "lww",
            properties: properties ?? {},
          })
          .onConflictDoNothing()
          .returning(shown),
      );
      const created = rows[0];
      return created === undefined ? { outcome: "taken" } : { outcome: "created", document: created };
    },

    async get(docId) {
      return (await database.rows<DocumentRecord>(byId, [docId]))[0];
    },

    getMany(docIds) {
      return database.rows<DocumentRecord>(byIds, [docIds]);
    },

    async update(docId, change, by, expectedMetadataVersion) {
      const rows = await refusing(() =>
        orm
          .update(documents)
          .set({ ...changed(change), updatedBy: by, metadataVersion: sql`${documents.metadataVersion} + 1` })
          .where(
            and(
              eq(documents.id, docId),
              eq(documents.purging, false),
              expectedMetadataVersion === undefined
                ? undefined
                : eq(documents.metadataVersion, expectedMetadataVersion),
            ),
          )
          .returning(shown),
      );
      if (rows[0] !== undefined) return { outcome: "updated", document: rows[0] };
      const [found] = await orm
        .select({ ...shown, purging: documents.purging })
        .from(documents)
        .where(eq(documents.id, docId));
      if (found === undefined || found.purging) return { outcome: "missing" };
      const { purging: _, ...document } = found;
      return { outcome: "mismatch", document };
    },

    async purge(docId, { onlyAtVersion } = {}) {
      // First nothing more can be committed and nobody can bring it back, then the log goes in parts, then the row, by
      // cascade, with the rest.
      const closed = await database.count(startPurge, [docId, onlyAtVersion ?? null]);
      if (closed === 0) return false;
      for (const [table, part] of Object.entries(purgedInParts)) {
        const text = `DELETE FROM ${table} WHERE doc_id = $1 AND ctid = ANY (ARRAY(
          SELECT ctid FROM ${table} WHERE doc_id = $1 LIMIT ${part}))`;
        while ((await database.count({ text }, [docId])) === part);
      }
      return (await database.count({ text: "DELETE FROM documents WHERE id = $1" }, [docId])) > 0;
    },

    list: (filter, sort, page) => list(orm, filter, sort, page),

    async count(filter) {
      const rows = await refusing(() =>
        orm.select({ count: sql<number>`count(*)::int` }).from(documents).where(matching(filter)),
      );
      return rows[0]?.count ?? 0;
    },

    async updateVersion(docId, from, to, content, by) {
      const rows = await database.rows<{ done: boolean }>(updateVersion, [
        docId,
        from,
        to,
        Buffer.from(content),
        by,
      ]);
      return rows[0]?.done === true;
    },

    async writeContent(docId, { version, operationId }, content) {
      const values = [docId, version, operationId, Buffer.from(content)];
      return (await database.count(writeContent, values)) > 0;
    },

    async readContent(docId) {
      return (await database.rows<{ version: number; content: Uint8Array }>(readContent, [docId]))[0];
    },

    async touch(edits) {
      if (edits.length === 0) return [];
      const left = await database.rows<{ docId: string }>(touch, [
        edits.map(({ docId }) => docId),
        edits.map(({ by }) => by),
        edits.map(({ at }) => at),
        edits.map(({ metadataVersion }) => metadataVersion),
      ]);
      return left.map((row) => row.docId);
    },

    async addActiveUser(docId, user) {
      await database.rows(addActiveUser, [docId, user]);
    },

    async removeActiveUser(docId, user) {
      await database.rows(removeActiveUser, [docId, user]);
    },
  };
}

function changed(change: DocumentChange) {
  const { name, type, description, properties, state, owner, conflictPolicy, tags, editors, viewers } =
    change;
  return {
    ...(name !== undefined && { name }),
    ...(type !== undefined && { type }),
    ...(description !== undefined && { description }),
    ...(properties !== undefined && { properties }),
    ...(state !== undefined && { state }),
    ...(owner !== undefined && { owner }),
    ...(conflictPolicy !== undefined && { conflictPolicy }),
    ...(change.public !== undefined && { public: change.public }),
    ...(tags !== undefined && { tags: [...tags] }),
    ...(editors !== undefined && { editors: [...editors] }),
    ...(viewers !== undefined && { viewers: [...viewers] }),
  };
}

/** `text[] @> ARRAY[value]`: what the GIN indexes answer. */
function has(column: AnyPgColumn, value: string): SQL {
  return sql`${column} @> ARRAY[${value}]::text[]`;
}

/** The documents on which a user has a role by the lists. */
function accessibleTo(user: string): SQL | undefined {
  return or(eq(documents.owner, user), has(documents.editors, user), has(documents.viewers, user));
}

/** The same, as far as the reader is shown the lists. */
function shownAccessibleTo(user: string, reader: Reader | undefined): SQL | undefined {
  if (reader === undefined || reader.user === user) return accessibleTo(user);
  const { editable } = reader;
  const shown = or(
    eq(documents.owner, reader.user),
    has(documents.editors, reader.user),
    editable.length > 0 ? inArray(documents.id, [...editable]) : undefined,
  );
  return or(eq(documents.owner, user), and(accessibleTo(user), shown));
}

function matching(filter: DocumentFilter): SQL | undefined {
  const { readableBy, text } = filter;
  const pattern = text === undefined ? undefined : `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  return and(
    filter.type === undefined ? undefined : eq(documents.type, filter.type),
    filter.state === undefined ? undefined : eq(documents.state, filter.state),
    filter.createdBy === undefined ? undefined : eq(documents.createdBy, filter.createdBy),
    filter.owner === undefined ? undefined : eq(documents.owner, filter.owner),
    filter.user === undefined ? undefined : shownAccessibleTo(filter.user, readableBy),
    filter.activeUser === undefined ? undefined : has(documents.activeUsers, filter.activeUser),
    filter.tag === undefined ? undefined : has(documents.tags, filter.tag),
    pattern === undefined
      ? undefined
      : sql`(${documents.name} ILIKE ${pattern} OR ${documents.description} ILIKE ${pattern})`,
    filter.properties === undefined
      ? undefined
      : sql`${documents.properties} @> ${JSON.stringify(filter.properties)}::jsonb`,
    filter.public === undefined ? undefined : eq(documents.public, filter.public),
    readableBy === undefined
      ? undefined
      : or(
          accessibleTo(readableBy.user),
          readableBy.docIds.length > 0 ? inArray(documents.id, [...readableBy.docIds]) : undefined,
          filter.public === true ? eq(documents.public, true) : undefined,
        ),
  );
}

const sortColumns = {
  updatedAt: sql`${documents.updatedAt}`,
  createdAt: sql`${documents.createdAt}`,
  name: sql`lower(${documents.name}) COLLATE "C"`,
} as const;

async function list(
  orm: NodePgDatabase,
  filter: DocumentFilter,
  sort: DocumentSort,
  page: Page,
): Promise<Paged<DocumentRecord>> {
  const kind = sort.by === "name" ? "text" : "time";
  const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, kind, "uuid");
  const key = sortColumns[sort.by];
  const type = sort.by === "name" ? sql`text` : sql`timestamptz`;
  const place = sort.by === "name" ? sql<string>`lower(${documents.name})` : sql<string>`${key}::text`;
  const after =
    cursor === undefined
      ? undefined
      : sort.order === "asc"
        ? sql`(${key}, ${documents.id}) > (${cursor[0]}::${type}, ${cursor[1]}::uuid)`
        : sql`(${key}, ${documents.id}) < (${cursor[0]}::${type}, ${cursor[1]}::uuid)`;
  const order = sort.order === "asc" ? asc : desc;
  const rows = await refusing(() =>
    orm
      .select({ ...shown, place })
      .from(documents)
      .where(and(matching(filter), after))
      .orderBy(order(key), order(documents.id))
      .limit(page.limit + 1),
  );
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const nextCursor =
    rows.length > page.limit && last !== undefined ? writeCursor(last.place, last.docId) : null;
  return { items: items.map(({ place: _, ...document }) => document), nextCursor };
}
