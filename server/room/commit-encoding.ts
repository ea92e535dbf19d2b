/** Decided operations as the commit takes them. */
import { encodeEffect } from "../../shared/document/operation.ts";
import type { CommitOperation } from "../store/store.ts";
import type { DecidedEntry } from "./submit.ts";

/** `records`: the conflict record of each operation that has one. */
export function encodeForCommit(
  decided: readonly DecidedEntry[],
  records: ReadonlyMap<string, string>,
): CommitOperation[] {
  const encoded: CommitOperation[] = [];
  for (const { entry, decision } of decided) {
    const { origin } = entry.submission;
    const choice = decision.resolution?.resolve.conflictId;
    for (const { operation, base, outcome } of decision.operations) {
      const { id, type, element, extra } = operation;
      const conflict = choice ?? records.get(id);
      const one: { -readonly [K in keyof CommitOperation]: CommitOperation[K] } = {
        id,
        type,
        element,
        base,
        status: outcome === "held" ? "conflict" : "applied",
        data: encodeEffect(operation),
        origin,
      };
      if (conflict !== undefined) one.conflict = conflict;
      if (extra !== undefined) one.extra = JSON.stringify(extra);
      encoded.push(one);
    }
  }
  return encoded;
}
