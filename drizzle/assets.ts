import { sql } from "drizzle-orm";
import { integer, pgTable, primaryKey, uuid, varchar } from "drizzle-orm/pg-core";
import { bytea, instant } from "./columns.ts";
import { documents } from "./documents.ts";

/** Images and files of a document by the hash of their content: written once, never changed. */
export const assets = pgTable(
  "assets",
  {
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    /** Lower-case hexadecimal. */
    sha256: varchar("sha256", { length: 64 }).notNull(),
    contentType: varchar("content_type", { length: 255 }).notNull(),
    bytes: integer("bytes").notNull(),
    body: bytea("body").notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    createdBy: varchar("created_by", { length: 255 }).notNull(),
  },
  (table) => [primaryKey({ name: "assets_pkey", columns: [table.docId, table.sha256] })],
);
