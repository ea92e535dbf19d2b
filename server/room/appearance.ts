/** Submits whose operations appear in the log by another way than the answer to their own proposal. */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { Entry } from "./submission.ts";

/** The entries that these operations complete. Of copies of one submit (a client that reconnected) the first is meant. */
export function completedBy(
  entries: readonly Entry[],
  operations: readonly SequencedOperation[],
): readonly Entry[] {
  const awaited = new Map<string, { readonly entry: Entry; readonly at: number }>();
  for (const entry of entries) {
    if (entry.answered) continue;
    for (const [at, { id }] of entry.ops.entries()) if (!awaited.has(id)) awaited.set(id, { entry, at });
  }
  const complete: Entry[] = [];
  for (const { id, version, status, user, client } of operations) {
    const found = awaited.get(id);
    if (found === undefined) continue;
    const { entry, at } = found;
    const { origin } = entry.submission;
    // Another author's by the same id: that is no answer to this one.
    if (origin.user !== user || origin.client !== client) continue;
    entry.appearance ??= { versions: [], statuses: [], missing: entry.ops.length };
    const { appearance } = entry;
    appearance.versions[at] = version;
    appearance.statuses[at] = status;
    appearance.missing -= 1;
    if (appearance.missing === 0) complete.push(entry);
  }
  return complete;
}
