/** Cursors of paged lists: opaque to callers, the sort key of the last item inside. */
import { isUuid } from "../../shared/document/identifier.ts";
import { isText } from "../../shared/document/json.ts";
import { UnreadableCursor } from "./store.ts";

/** `time`: as RFC 3339, or as PostgreSQL writes it. */
type Kinds = { text: string; time: string; uuid: string; version: number };

const fits: { readonly [Kind in keyof Kinds]: (value: unknown) => boolean } = {
  text: (value) => typeof value === "string" && isText(value),
  time: (value) => typeof value === "string" && isTime(value),
  uuid: isUuid,
  version: (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0,
};

/** Makes a cursor of a sort key. */
export function writeCursor(...key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

/**
 * Reads what `writeCursor` made, so closely that the database refuses nothing of it.
 * @throws UnreadableCursor when it is something else.
 */
export function readCursor<K extends readonly (keyof Kinds)[]>(
  cursor: string,
  ...kinds: K
): { [I in keyof K]: Kinds[K[I]] } {
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    key = undefined;
  }
  const own =
    Array.isArray(key) &&
    key.length === kinds.length &&
    kinds.every((kind, i) => fits[kind]((key as unknown[])[i]));
  if (!own) throw new UnreadableCursor("unreadable cursor");
  return key as { [I in keyof K]: Kinds[K[I]] };
}

const time = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-5])(?::[0-5]\d){0,2})$/;

function isTime(text: string): boolean {
  const [, day, clock] = time.exec(text) ?? [];
  const whole = `${day}T${clock}.000Z`;
  const at = new Date(whole);
  // A day that its month does not have becomes one of the next month, and the database knows no year 0.
  return !Number.isNaN(at.getTime()) && at.toISOString() === whole && !whole.startsWith("0000");
}
