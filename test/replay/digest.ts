/** One short text for a whole document's content, the same wherever the content is the same. */
import { createHash } from "node:crypto";
import type { Json, Properties } from "../../shared/document/json.ts";

/** JSON with the keys of every object in order, so that equal values give equal texts. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`).join(",")}}`;
}

/** The first 16 hexadecimal digits of the SHA-256 of the elements in the order of their ids. */
export function digestOf(elements: Iterable<readonly [string, Properties]>): string {
  const hash = createHash("sha256");
  const sorted = [...elements].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [id, properties] of sorted)
    hash.update(`${JSON.stringify(id)}:${canonical(properties as Json)}\n`);
  return hash.digest("hex").slice(0, 16);
}
