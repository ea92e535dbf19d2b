/**
 * What a document is made of, table by table, as export writes it and import reads it: rows as JSON objects whose
 * fields are the columns. Locks, sessions and what servers keep for speed are not part of it.
 */

/** Of files; raised when older readers would misread newer files. */
export const transferFormat = "aetherflow-document-1";

/** Columns of `documents` that are carried over. */
export const documentFields = {
  name: "text",
  type: "text",
  state: "text",
  version: "bigint",
  last_operation_id: "uuid",
  retained_from: "bigint",
  metadata_version: "bigint",
  revision: "bigint",
  lock_token: "bigint",
  created_by: "text",
  created_at: "timestamptz",
  updated_at: "timestamptz",
  updated_by: "text",
  owner: "text",
  tags: "text[]",
  editors: "text[]",
  viewers: "text[]",
  public: "boolean",
  conflict_policy: "text",
  description: "text",
  properties: "jsonb",
} as const;

/** Where a tool wrote the content that the log follows on, and no snapshot stands for it: then the content is carried over. */
export const needsContent = `d.retained_from > 1 AND d.content_version = d.retained_from - 1
  AND NOT EXISTS (SELECT FROM snapshots s WHERE s.doc_id = d.id AND s.version = d.retained_from - 1)`;

/** One table of a document's. */
export interface TransferSection {
  readonly key: string;
  readonly table: string;
  /** The columns beside `doc_id`, with the types of their JSON fields. */
  readonly fields: { readonly [column: string]: string };
  /** How a column is written as a JSON field; itself where absent. */
  readonly read?: { readonly [column: string]: string };
  /** How a field `x.…` becomes a column; itself where absent. $1 is the document's id. */
  readonly write?: { readonly [column: string]: string };
  /** A page goes on after these columns' last values; together unique in the document. */
  readonly orderedBy: readonly string[];
  /** Which rows, of `t`. */
  readonly where?: string;
  /** Rows of a page: large ones few at a time. */
  readonly page: number;
}

/** The snapshot that the retained log begins at, and the newest: without one, opening would read the whole log. */
const neededSnapshots = `t.version >= (SELECT retained_from - 1 FROM documents d WHERE d.id = t.doc_id)
  AND (t.version = (SELECT retained_from - 1 FROM documents d WHERE d.id = t.doc_id)
    OR t.version = (SELECT max(s.version) FROM snapshots s WHERE s.doc_id = t.doc_id))`;

/** What leads on furthest from the newest. */
const newestChanges = `t.base = (SELECT max(s.version) FROM snapshots s WHERE s.doc_id = t.doc_id)
  AND t.base >= (SELECT retained_from - 1 FROM documents d WHERE d.id = t.doc_id)
  AND t.version = (SELECT max(c.version) FROM snapshot_changes c WHERE c.doc_id = t.doc_id AND c.base = t.base)`;

const operationFields = {
  id: "uuid",
  version: "bigint",
  prev_version: "bigint",
  timestamp: "timestamptz",
  type: "text",
  status: "text",
  element: "text",
  user_id: "text",
  client_id: "text",
  session_id: "uuid",
  conflict: "uuid",
  data: "text",
  extra: "jsonb",
  ip: "text",
  user_agent: "text",
  platform: "text",
} as const;

/** In the order of the file. */
export const transferSections: readonly TransferSection[] = [
  {
    key: "versions",
    table: "document_versions",
    fields: { name: "text", version: "bigint", created_at: "timestamptz", created_by: "text" },
    orderedBy: ["name"],
    page: 500,
  },
  {
    key: "assets",
    table: "assets",
    fields: {
      sha256: "text",
      content_type: "text",
      bytes: "integer",
      body: "text",
      created_at: "timestamptz",
      created_by: "text",
    },
    read: { body: "translate(encode(t.body, 'base64'), E'\\n', '')" },
    write: { body: "decode(x.body, 'base64')" },
    orderedBy: ["sha256"],
    page: 1,
  },
  {
    key: "conflicts",
    table: "conflicts",
    fields: {
      id: "uuid",
      element: "text",
      properties: "text[]",
      resolution: "text",
      resolved_by: "text",
      resolved_at: "timestamptz",
      description: "text",
      authors: "text[]",
      created_at: "timestamptz",
      last_at: "timestamptz",
    },
    orderedBy: ["id"],
    page: 500,
  },
  {
    key: "conflictOperations",
    table: "conflict_operations",
    fields: { conflict_id: "uuid", operation_id: "uuid" },
    orderedBy: ["conflict_id", "operation_id"],
    page: 2_000,
  },
  {
    key: "archiveParts",
    table: "archive_parts",
    fields: {
      id: "uuid",
      kind: "text",
      from_version: "bigint",
      to_version: "bigint",
      body: "text",
      created_at: "timestamptz",
    },
    orderedBy: ["id"],
    page: 1,
  },
  {
    key: "archivedOperations",
    table: "archived_operations",
    fields: { id: "uuid", version: "bigint", user_id: "text", client_id: "text" },
    orderedBy: ["version"],
    page: 2_000,
  },
  {
    key: "snapshots",
    table: "snapshots",
    fields: {
      version: "bigint",
      id: "uuid",
      operation_id: "uuid",
      bytes: "bigint",
      created_at: "timestamptz",
    },
    orderedBy: ["version"],
    where: neededSnapshots,
    page: 10,
  },
  {
    key: "snapshotParts",
    table: "snapshot_parts",
    fields: { snapshot_id: "uuid", kind: "text", part: "integer", body: "text" },
    orderedBy: ["snapshot_id", "kind", "part"],
    where: `t.snapshot_id IN (SELECT t.id FROM snapshots t WHERE t.doc_id = $1 AND ${neededSnapshots})`,
    page: 4,
  },
  {
    key: "snapshotChanges",
    table: "snapshot_changes",
    fields: { version: "bigint", base: "bigint", operation_id: "uuid", elements: "text", memory: "text" },
    orderedBy: ["version"],
    where: newestChanges,
    page: 4,
  },
  {
    key: "operations",
    table: "operations",
    fields: operationFields,
    read: { data: "convert_from(t.data, 'UTF8')" },
    write: { data: "convert_to(x.data, 'UTF8')" },
    orderedBy: ["version"],
    page: 500,
  },
];
