import { sql } from "drizzle-orm";
import { bigint, index, integer, pgTable, text, uniqueIndex, uuid, varchar } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";
import { documents } from "./documents.ts";

/** Who wants to be called. */
export const webhooks = pgTable(
  "webhooks",
  {
    id: uuid("id").primaryKey(),
    /** Whose rights decide which documents' events are sent. */
    owner: varchar("owner", { length: 255 }).notNull(),
    /** Null: every document that the owner may read. */
    docId: uuid("doc_id").references(() => documents.id, { onDelete: "cascade" }),
    url: text("url").notNull(),
    /** Key of the HMAC of each delivery. */
    secret: text("secret").notNull(),
    events: text("events").array().notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    /** Set when deliveries failed for too long: nothing more is sent until it is changed. */
    disabledAt: instant("disabled_at"),
    /** The first failure since the last delivery that arrived. */
    failingSince: instant("failing_since"),
    /** What the last failure was, for its owner to read. */
    lastError: text("last_error"),
  },
  (table) => [
    index("webhooks_owner_idx").on(table.owner, table.createdAt, table.id),
    index("webhooks_doc_id_idx").on(table.docId),
  ],
);

/**
 * What is still to be delivered; written in the transaction of what it tells, deleted when it arrived. The rows of one
 * webhook and document are a lane: delivered one after the other, the lowest `seq` first.
 */
export const outbox = pgTable(
  "outbox",
  {
    /** The event's id, by which a receiver knows a repeat. */
    id: uuid("id").primaryKey(),
    /** Within a lane in the order of the transactions: they hold the document's row while they write. */
    seq: bigint("seq", { mode: "number" }).generatedAlwaysAsIdentity().notNull(),
    /** No foreign key: deleting a webhook must not make a commit fail. Rows without one are swept. */
    webhookId: uuid("webhook_id").notNull(),
    docId: uuid("doc_id").notNull(),
    event: varchar("event", { length: 50 }).notNull(),
    /** JSON text of what is not read at the delivery. */
    body: text("body").notNull(),
    /** Versions of an `operations` event, which grows until it is first tried. */
    fromVersion: bigint("from_version", { mode: "number" }),
    toVersion: bigint("to_version", { mode: "number" }),
    /** What a `conflicts` event is about: one that was not tried yet tells its later states too. */
    ref: uuid("ref"),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    attempts: integer("attempts").notNull().default(0),
    nextAttemptAt: instant("next_attempt_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    uniqueIndex("outbox_lane_idx").on(table.webhookId, table.docId, table.seq),
    uniqueIndex("outbox_ref_idx").on(table.webhookId, table.docId, table.ref).where(sql`attempts = 0`),
  ],
);
