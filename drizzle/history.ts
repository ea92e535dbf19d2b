import { sql } from "drizzle-orm";
import { bigint, check, index, pgTable, primaryKey, text, uuid, varchar } from "drizzle-orm/pg-core";
import { instant, oneOf } from "./columns.ts";
import { documents } from "./documents.ts";

/** Moments of a document that somebody named. */
export const documentVersions = pgTable(
  "document_versions",
  {
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    name: varchar("name", { length: 255 }).notNull(),
    version: bigint("version", { mode: "number" }).notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    createdBy: varchar("created_by", { length: 255 }).notNull(),
  },
  (table) => [
    primaryKey({ name: "document_versions_pkey", columns: [table.docId, table.name] }),
    index("document_versions_version_idx").on(table.docId, table.version),
  ],
);

/**
 * What archiving took out of the live tables, in parts as they were moved: JSON lines of whole rows. Nothing that
 * serves reads them; `archived_operations` and `retained_from` say what is needed.
 */
export const archiveParts = pgTable(
  "archive_parts",
  {
    docId: uuid("doc_id").notNull(),
    id: uuid("id").notNull(),
    kind: varchar("kind", { length: 50 }).$type<"operations" | "conflicts">().notNull(),
    /** Of operations: the first and the last version in the part. */
    fromVersion: bigint("from_version", { mode: "number" }),
    toVersion: bigint("to_version", { mode: "number" }),
    body: text("body").notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    primaryKey({ name: "archive_parts_pkey", columns: [table.docId, table.id] }),
    check("archive_parts_kind_check", oneOf("kind", ["operations", "conflicts"])),
  ],
);
