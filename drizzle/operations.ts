import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import type { OperationType } from "../shared/document/operation.ts";
import { bytea, instant, ofDomains } from "./columns.ts";

/** `pending` and `rejected` are reserved; the log holds the other three. */
type StoredStatus = "pending" | "applied" | "conflict" | "rejected" | "resolved";

/**
 * The log. Two unique keys and two cheap indexes are all that an insert pays for:
 * (doc_id, version) is the order, (doc_id, id) finds repeats; rare statuses have a partial index and time a BRIN one
 * (rows arrive in its order, but for small ones that fill old pages after a vacuum: plain minmax then read 40 % of the
 * table for one second, minmax-multi bears outliers). By user or session the `sessions` table says where to look. No foreign keys.
 * Fixed-width columns stand first, so that nothing is lost to alignment.
 */
export const operations = pgTable(
  "operations",
  {
    docId: uuid("doc_id").notNull(),
    id: uuid("id").notNull(),
    sessionId: uuid("session_id").notNull(),
    version: bigint("version", { mode: "number" }).notNull(),
    /** The version that the operation was made against. */
    prevVersion: bigint("prev_version", { mode: "number" }).notNull(),
    timestamp: instant("timestamp").notNull().default(sql`clock_timestamp()`),
    /** The conflict record that it belongs to. */
    conflict: uuid("conflict"),
    type: varchar("type", { length: 50 }).$type<OperationType>().notNull(),
    status: varchar("status", { length: 50 }).$type<StoredStatus>().notNull().default("applied"),
    element: text("element").notNull(),
    userId: varchar("user_id", { length: 255 }).notNull(),
    clientId: varchar("client_id", { length: 255 }).notNull(),
    /** UTF-8 JSON text of what replicas apply. */
    data: bytea("data").notNull(),
    extra: jsonb("extra"),
    ip: varchar("ip", { length: 45 }),
    userAgent: text("user_agent"),
    platform: varchar("platform", { length: 100 }),
  },
  (table) => [
    primaryKey({ name: "operations_pkey", columns: [table.docId, table.version] }),
    unique("operations_doc_id_id_key").on(table.docId, table.id),
    check("operations_words_check", ofDomains({ type: "operation_type", status: "operation_status" })),
    index("operations_rare_status_idx")
      .on(table.docId, table.version)
      .where(sql.raw(`"status" <> 'applied'`)),
    index("operations_timestamp_idx")
      .using("brin", table.timestamp.op("timestamptz_minmax_multi_ops"))
      .with({ autosummarize: true, pages_per_range: 32 }),
  ],
);

/** What stays known of operations that were moved out of the live log: enough to recognise a repeat. */
export const archivedOperations = pgTable(
  "archived_operations",
  {
    docId: uuid("doc_id").notNull(),
    id: uuid("id").notNull(),
    version: bigint("version", { mode: "number" }).notNull(),
    userId: varchar("user_id", { length: 255 }).notNull(),
    clientId: varchar("client_id", { length: 255 }).notNull(),
  },
  (table) => [
    primaryKey({ name: "archived_operations_pkey", columns: [table.docId, table.id] }),
    unique("archived_operations_doc_id_version_key").on(table.docId, table.version),
  ],
);
