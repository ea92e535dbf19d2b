import { sql } from "drizzle-orm";
import { index, integer, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";
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
  },
  (table) => [
    index("webhooks_owner_idx").on(table.owner, table.createdAt, table.id),
    index("webhooks_doc_id_idx").on(table.docId),
  ],
);

/** What is still to be delivered; written in the transaction of what it tells, deleted when it arrived. */
export const outbox = pgTable(
  "outbox",
  {
    /** Version 7: in the order of writing. */
    id: uuid("id").primaryKey(),
    webhookId: uuid("webhook_id")
      .notNull()
      .references(() => webhooks.id, { onDelete: "cascade" }),
    docId: uuid("doc_id").notNull(),
    event: varchar("event", { length: 50 }).notNull(),
    /** JSON text. */
    body: text("body").notNull(),
    createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
    attempts: integer("attempts").notNull().default(0),
    nextAttemptAt: instant("next_attempt_at").notNull().default(sql`clock_timestamp()`),
  },
  (table) => [
    index("outbox_next_attempt_idx").on(table.nextAttemptAt, table.id),
    index("outbox_webhook_id_idx").on(table.webhookId),
  ],
);
