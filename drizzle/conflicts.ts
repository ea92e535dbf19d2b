import { sql } from "drizzle-orm";
import { check, foreignKey, index, pgTable, primaryKey, text, uuid, varchar } from "drizzle-orm/pg-core";
import { instant, oneOf } from "./columns.ts";
import { documents } from "./documents.ts";

/** Conflict records; unresolved while `resolved_at` is null. */
export const conflicts = pgTable(
  "conflicts",
  {
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    id: uuid("id").notNull(),
    element: text("element").notNull(),
    /** Empty: the whole element. */
    properties: text("properties").array().notNull().default(sql`'{}'`),
    resolution: varchar("resolution", { length: 50 }).$type<"lww" | "merge" | "manual">().notNull(),
    resolvedBy: varchar("resolved_by", { length: 255 }),
    resolvedAt: instant("resolved_at"),
    description: text("description").notNull().default(""),
    /** User, line feed, client: of the two sides. */
    authors: text("authors").array().notNull().default(sql`'{}'`),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    /** The last collision: repeated ones within 10 s of it join the record. */
    lastAt: instant("last_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    primaryKey({ name: "conflicts_pkey", columns: [table.docId, table.id] }),
    check("conflicts_resolution_check", oneOf("resolution", ["lww", "manual", "merge"])),
    check("conflicts_resolved_check", sql.raw(`("resolved_at" is null) = ("resolved_by" is null)`)),
    index("conflicts_doc_id_created_at_idx").on(table.docId, table.createdAt, table.id),
    index("conflicts_doc_id_last_at_idx").on(table.docId, table.lastAt),
    index("conflicts_unresolved_idx")
      .on(table.docId, table.createdAt, table.id)
      .where(sql.raw(`"resolved_at" is null`)),
    index("conflicts_resolved_by_idx").on(table.resolvedBy, table.docId),
    index("conflicts_created_at_idx").on(table.createdAt),
  ],
);

/** Which operations a record names. */
export const conflictOperations = pgTable(
  "conflict_operations",
  {
    docId: uuid("doc_id").notNull(),
    conflictId: uuid("conflict_id").notNull(),
    operationId: uuid("operation_id").notNull(),
  },
  (table) => [
    primaryKey({
      name: "conflict_operations_pkey",
      columns: [table.docId, table.conflictId, table.operationId],
    }),
    foreignKey({
      name: "conflict_operations_conflict_fkey",
      columns: [table.docId, table.conflictId],
      foreignColumns: [conflicts.docId, conflicts.id],
    }).onDelete("cascade"),
    index("conflict_operations_operation_idx").on(table.docId, table.operationId),
  ],
);
