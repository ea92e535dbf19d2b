/** Cursors of paged lists: opaque to callers, the sort key of the last item inside. */
import { StoreRefused } from "./store.ts";

type Kinds = { string: string; number: number };

/** Makes a cursor of a sort key. */
export function writeCursor(...key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

/** Reads what `writeCursor` made. @throws StoreRefused when it is something else. */
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
  const fits =
    Array.isArray(key) &&
    key.length === kinds.length &&
    kinds.every(
      (kind, i) => typeof (key as unknown[])[i] === kind && !String((key as unknown[])[i]).includes("\0"),
    );
  if (!fits) throw new StoreRefused("unreadable cursor");
  return key as { [I in keyof K]: Kinds[K[I]] };
}
