import { sql } from "drizzle-orm";
import { bigint, check, index, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
import type { Role } from "../shared/protocol/messages.ts";
import { instant, oneOf } from "./columns.ts";
import { documents } from "./documents.ts";

/** Server instances by lease: one that does not renew `heartbeat_at` is dead, and any other ends its sessions. */
export const instances = pgTable("instances", {
  id: text("id").primaryKey(),
  startedAt: instant("started_at").notNull().default(sql`clock_timestamp()`),
  heartbeatAt: instant("heartbeat_at").notNull().default(sql`clock_timestamp()`),
});

/**
 * Sessions, live ones (`left_at` null) for presence and ended ones as the look-up of operations by user and by
 * session: those of a session stand in its document between `first_version` and `last_version` (null: not known yet,
 * look to the end). That costs an insert a session instead of two index entries an operation.
 */
export const sessions = pgTable(
  "sessions",
  {
    id: uuid("id").primaryKey(),
    docId: uuid("doc_id")
      .notNull()
      .references(() => documents.id, { onDelete: "cascade" }),
    instanceId: text("instance_id"),
    userId: varchar("user_id", { length: 255 }).notNull(),
    userName: text("user_name"),
    userColor: text("user_color"),
    clientId: varchar("client_id", { length: 255 }).notNull(),
    role: varchar("role", { length: 50 }).$type<Role>().notNull(),
    joinedAt: instant("joined_at").notNull().default(sql`clock_timestamp()`),
    leftAt: instant("left_at"),
    firstVersion: bigint("first_version", { mode: "number" }).notNull(),
    lastVersion: bigint("last_version", { mode: "number" }),
    ip: varchar("ip", { length: 45 }),
    userAgent: text("user_agent"),
    platform: varchar("platform", { length: 100 }),
  },
  (table) => [
    check("sessions_role_check", oneOf("role", ["owner", "editor", "viewer"])),
    index("sessions_user_id_idx").on(table.userId, table.docId),
    index("sessions_doc_id_idx").on(table.docId),
    index("sessions_live_idx").on(table.docId).where(sql.raw(`"left_at" is null`)),
    index("sessions_live_instance_idx").on(table.instanceId).where(sql.raw(`"left_at" is null`)),
    index("sessions_unsettled_idx")
      .on(table.leftAt)
      .where(sql.raw(`"left_at" is not null and "last_version" is null`)),
  ],
);
