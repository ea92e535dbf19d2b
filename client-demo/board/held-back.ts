/** What a choice of held-back edits would make of an element: as the server composes it (protocol, section 3). Pure. */
import type { Json, Properties, SequencedOperation } from "../../client/index.ts";

/**
 * The element when they were applied, in their order; undefined: it would be deleted.
 * @param current undefined: it is deleted now.
 * @param last what it was before that: a change brings it back so.
 */
export function afterHeldBack(
  held: readonly SequencedOperation[],
  current: Properties | undefined,
  last: Properties,
): Properties | undefined {
  let [fields, before] = [current, last];
  for (const { type, props, set, unset = [] } of held) {
    if (type === "delete") {
      before = fields ?? before;
      fields = undefined;
    } else if (type === "create") fields = { ...props };
    else {
      const next: { [name: string]: Json } = { ...(fields ?? before), ...set };
      for (const name of unset) delete next[name];
      fields = next;
    }
  }
  return fields;
}
