import { sql } from "drizzle-orm";
import { pgTable, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";

/** Values that all instances share and that are decided once (the secret of development tokens). */
export const settings = pgTable("settings", {
  name: text("name").primaryKey(),
  value: text("value").notNull(),
  createdAt: instant("created_at").notNull().default(sql`clock_timestamp()`),
});
