/** Column types that drizzle does not have, and the checks that hold enumerations to their values. */
import { type SQL, sql } from "drizzle-orm";
import { customType } from "drizzle-orm/pg-core";

/** `bytea`, read and written as bytes. */
export const bytea = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => "bytea",
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  fromDriver: (value) => value,
});

/** RFC 3339, UTC, milliseconds, from what the driver or PostgreSQL itself prints. */
export function rfc3339(value: string | Date): string {
  return (value instanceof Date ? value : new Date(value)).toISOString();
}

/** `timestamptz(3)`, read and written as an RFC 3339 string in UTC with milliseconds. */
export const instant = customType<{ data: string; driverData: string | Date }>({
  dataType: () => "timestamp (3) with time zone",
  fromDriver: rfc3339,
});

/** A check expression: the column holds one of these words. */
export function oneOf(column: string, values: readonly string[]): SQL {
  return sql.raw(`"${column}" in (${values.map((value) => `'${value}'`).join(", ")})`);
}

/**
 * The same by domains (migrations 0008 and 0009), for the tables that a commit writes: PostgreSQL parses every check
 * anew for each statement, and one that lists words is long.
 */
export function ofDomains(domains: Readonly<Record<string, string>>): SQL {
  const parts = Object.entries(domains).map(([column, domain]) => `"${column}"::${domain} is not null`);
  return sql.raw(parts.join(" and "));
}
