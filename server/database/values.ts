/** How column values arrive in JavaScript: nothing is rounded, and times are as on the wire. */
import pg from "pg";

const int8 = 20;
const timestamptz = 1184;
const int8Array = 1016;
const timestamptzArray = 1185;

/** BIGINT as a number. @throws RangeError beyond 2^53 - 1: a version is refused, never rounded. */
export function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError("a BIGINT beyond 2^53 - 1 arrived from the database");
  return value;
}

/**
 * `timestamptz` in ISO style (`2026-01-02 03:04:05.678+00`) as RFC 3339 in UTC with milliseconds. Sessions are set
 * to UTC, so that this is a matter of characters; other offsets take the long way.
 */
export function parseTimestamp(text: string): string {
  const found = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text);
  if (found !== null) return `${found[1]}T${found[2]}.${(found[3] ?? "").slice(0, 3).padEnd(3, "0")}Z`;
  if (/infinity/.test(text)) throw new RangeError("an infinite time arrived from the database");
  const at = new Date(text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"));
  if (Number.isNaN(at.getTime()))
    throw new RangeError("a time that JavaScript cannot hold arrived from the database");
  return at.toISOString();
}

function parseArray<T>(parse: (text: string) => T): (text: string) => (T | null)[] {
  return (text) =>
    text === "{}"
      ? []
      : text
          .slice(1, -1)
          .split(",") // neither numbers nor times contain what an array escapes
          .map((item) => (item === "NULL" ? null : parse(item.replaceAll('"', ""))));
}

const parsers = new Map<number, (text: string) => unknown>([
  [int8, parseBigint],
  [timestamptz, parseTimestamp],
  [int8Array, parseArray(parseBigint)],
  [timestamptzArray, parseArray(parseTimestamp)],
]);

/** Parsers for one connection; the driver's own for all other types. Never set globally: pg-listen shares the driver. */
export const valueTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    (format !== "binary" && parsers.get(oid)) ||
    pg.types.getTypeParser(oid, format ?? "text")) as pg.CustomTypesConfig["getTypeParser"],
};
