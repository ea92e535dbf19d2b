/** Submits whose operations appear in the log by another way than the answer to their own proposal. */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { Entry } from "./submission.ts";

/** The entries that these operations complete. Of copies of one submit (a client that reconnected) the first is meant. */
export function completedBy(
  entries: readonly Entry[],
  operations: readonly SequencedOperation[],
): readonly Entry[] {
  const awaited = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.answered) continue;
    for (const { id } of entry.ops) if (!awaited.has(id)) awaited.set(id, entry);
  }
  const complete: Entry[] = [];
  for (const { id, version, status, user, client } of operations) {
    const entry = awaited.get(id);
    if (entry === undefined) continue;
    const { origin } = entry.submission;
    // Another author's by the same id: that is no answer to this one.
    if (origin.user !== user || origin.client !== client) continue;
    entry.appearance ??= { versions: [], statuses: [], missing: entry.ops.length };
    const { appearance } = entry;
    const at = entry.ops.findIndex((operation) => operation.id === id);
    appearance.versions[at] = version;
    appearance.statuses[at] = status;
    appearance.missing -= 1;
    if (appearance.missing === 0) complete.push(entry);
  }
  return complete;
}
