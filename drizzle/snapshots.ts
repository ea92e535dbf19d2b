import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { instant, oneOf } from "./columns.ts";
import { documents } from "./documents.ts";

/** A document's state at a version. The row is written after its parts: a snapshot without it does not exist. */
export const snapshots = pgTable(
  "snapshots",
  {
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    version: bigint("version", { mode: "number" }).notNull(),
    /** Names the parts: two instances that write the same version do not mix theirs. */
    id: uuid("id").notNull(),
    operationId: uuid("operation_id"),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [primaryKey({ name: "snapshots_pkey", columns: [table.docId, table.version] })],
);

/**
 * What a document's state at a version differs in from an earlier snapshot, its base. A table of its own: instances of
 * before, which know nothing of it, read a snapshot and a longer log.
 */
export const snapshotChanges = pgTable(
  "snapshot_changes",
  {
    docId: uuid("doc_id").notNull(),
    version: bigint("version", { mode: "number" }).notNull(),
    base: bigint("base", { mode: "number" }).notNull(),
    operationId: uuid("operation_id"),
    /** Parts, one a line. */
    elements: text("elements").notNull(),
    /** Parts, one a line. */
    memory: text("memory").notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    primaryKey({ name: "snapshot_changes_pkey", columns: [table.docId, table.version] }),
    foreignKey({
      name: "snapshot_changes_base_fkey",
      columns: [table.docId, table.base],
      foreignColumns: [snapshots.docId, snapshots.version],
    }).onDelete("cascade"),
  ],
);

/** The parts of snapshots, each written in a transaction of its own. No foreign key: they come before their snapshot. */
export const snapshotParts = pgTable(
  "snapshot_parts",
  {
    docId: uuid("doc_id").notNull(),
    snapshotId: uuid("snapshot_id").notNull(),
    kind: varchar("kind", { length: 50 }).$type<"elements" | "memory">().notNull(),
    part: integer("part").notNull(),
    body: text("body").notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    primaryKey({
      name: "snapshot_parts_pkey",
      columns: [table.docId, table.snapshotId, table.kind, table.part],
    }),
    check("snapshot_parts_kind_check", oneOf("kind", ["elements", "memory"])),
    index("snapshot_parts_created_at_idx").using("brin", table.createdAt),
  ],
);
