import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  index,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";
import { documents } from "./documents.ts";

/** Leases on documents (`element` null) and elements. Ended ones stay as history with `active` false. */
export const locks = pgTable(
  "locks",
  {
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    id: uuid("id").notNull(),
    userId: varchar("user_id", { length: 255 }).notNull(),
    sessionId: uuid("session_id").notNull(),
    clientId: varchar("client_id", { length: 255 }).notNull(),
    element: text("element"),
    /** Fencing token: `documents.lock_token` at the grant. */
    token: bigint("token", { mode: "number" }).notNull(),
    /** `documents.version` at the grant. */
    version: bigint("version", { mode: "number" }).notNull(),
    acquiredAt: instant("acquired_at").notNull().default(sql`clock_timestamp()`),
    expiresAt: instant("expires_at").notNull(),
    active: boolean("active").notNull().default(true),
  },
  (table) => [
    primaryKey({ name: "locks_pkey", columns: [table.docId, table.id] }),
    uniqueIndex("locks_active_document_key").on(table.docId).where(sql.raw(`"active" and "element" is null`)),
    uniqueIndex("locks_active_element_key")
      .on(table.docId, table.element)
      .where(sql.raw(`"active" and "element" is not null`)),
    index("locks_active_expires_at_idx").on(table.expiresAt).where(sql.raw(`"active"`)),
  ],
);
