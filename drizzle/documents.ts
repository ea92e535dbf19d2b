import { sql } from "drizzle-orm";
import { bigint, boolean, check, index, jsonb, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
import type { Json } from "../shared/document/json.ts";
import type { ConflictPolicy, DocumentState, DocumentType } from "../shared/protocol/messages.ts";
import { bytea, instant, ofDomains } from "./columns.ts";

/**
 * One row a document. `version`, `last_operation_id`, `revision` and `lock_token` change with every accepted batch:
 * no index and no trigger may name them, or the update stops being heap-only (a later migration also leaves room on
 * the page). Every ordered list has an index that ends in `id`, for cursors.
 */
export const documents = pgTable(
  "documents",
  {
    id: uuid("id").primaryKey(),
    name: varchar("name", { length: 255 }).notNull(),
    type: varchar("type", { length: 50 }).$type<DocumentType>().notNull().default("whiteboard"),
    state: varchar("state", { length: 50 }).$type<DocumentState>().notNull().default("active"),
    version: bigint("version", { mode: "number" }).notNull().default(0),
    /** Id of the operation at `version`: the commit compares histories by the locked row alone. */
    lastOperationId: uuid("last_operation_id"),
    /** Lowest version whose operation is in the live log (1 until something was archived). */
    retainedFrom: bigint("retained_from", { mode: "number" }).notNull().default(1),
    /** UTF-8 JSON text: an object, element id → properties, as at `content_version`. */
    content: bytea("content"),
    contentVersion: bigint("content_version", { mode: "number" }).notNull().default(0),
    metadataVersion: bigint("metadata_version", { mode: "number" }).notNull().default(1),
    revision: bigint("revision", { mode: "number" }).notNull().default(0),
    lockToken: bigint("lock_token", { mode: "number" }).notNull().default(0),
    createdBy: varchar("created_by", { length: 255 }).notNull(),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    updatedAt: instant("updated_at").notNull().default(sql`now()`),
    updatedBy: varchar("updated_by", { length: 255 }).notNull(),
    owner: varchar("owner", { length: 255 }).notNull(),
    activeUsers: text("active_users").array().notNull().default(sql`'{}'`),
    tags: text("tags").array().notNull().default(sql`'{}'`),
    editors: text("editors").array().notNull().default(sql`'{}'`),
    viewers: text("viewers").array().notNull().default(sql`'{}'`),
    public: boolean("public").notNull().default(false),
    conflictPolicy: varchar("conflict_policy", { length: 50 })
      .$type<ConflictPolicy>()
      .notNull()
      .default("lww"),
    /** Its log is being deleted: there is no way back. */
    purging: boolean("purging").notNull().default(false),
    description: text("description").notNull().default(""),
    properties: jsonb("properties").$type<{ readonly [key: string]: Json }>().notNull().default({}),
  },
  (table) => [
    check(
      "documents_words_check",
      ofDomains({ type: "document_type", state: "document_state", conflict_policy: "conflict_policy" }),
    ),
    check(
      "documents_version_check",
      sql.raw(`"content_version" >= 0 and "version" >= "content_version" and "version" <= 9007199254740991`),
    ),
    index("documents_created_by_idx").on(table.createdBy, table.updatedAt, table.id),
    index("documents_owner_idx").on(table.owner, table.updatedAt, table.id),
    index("documents_type_idx").on(table.type, table.updatedAt, table.id),
    index("documents_state_idx").on(table.state, table.updatedAt, table.id),
    index("documents_created_at_idx").on(table.createdAt, table.id),
    index("documents_updated_at_idx").on(table.updatedAt, table.id),
    index("documents_name_idx").on(sql`lower("name") collate "C"`, table.id),
    index("documents_active_users_idx").using("gin", table.activeUsers),
    index("documents_access_idx").using("gin", table.editors, table.viewers),
    index("documents_tags_idx").using("gin", table.tags),
    index("documents_properties_idx").using("gin", table.properties.op("jsonb_path_ops")),
  ],
);

/**
 * What is left of a purged document: its id and its last metadata version. A new document of that id goes on from
 * there (triggers of migration 0013), so that an instance that has not heard of the purge cannot take it for the old one.
 */
export const purgedDocuments = pgTable("purged_documents", {
  id: uuid("id").primaryKey(),
  metadataVersion: bigint("metadata_version", { mode: "number" }).notNull(),
});
