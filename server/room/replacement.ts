import type { Properties } from "../../shared/document/json.ts";
import type { Operation } from "../../shared/document/operation.ts";
import { changeOf } from "../../shared/document/revert.ts";

/**
 * The operations that turn one content into another: deletions first, so that limits of size hold on the way.
 * `isKnownEqual`: elements that need not be compared.
 */
export function replacement(
  current: ReadonlyMap<string, Properties>,
  wanted: ReadonlyMap<string, Properties>,
  newId: () => string,
  isKnownEqual: (now: Properties) => boolean = () => false,
): Operation[] {
  const ops: Operation[] = [];
  for (const element of current.keys()) {
    if (!wanted.has(element)) ops.push({ id: newId(), type: "delete", element });
  }
  for (const [element, properties] of wanted) {
    const now = current.get(element);
    if (now !== undefined && isKnownEqual(now)) continue;
    const change = changeOf(element, now, properties);
    if (change !== undefined) ops.push({ id: newId(), ...change });
  }
  return ops;
}
