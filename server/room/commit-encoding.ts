/** Decided operations as the commit takes them. */
import { encodeEffect } from "../../shared/document/operation.ts";
import type { CommitOperation } from "../store/store.ts";
import type { DecidedEntry } from "./submit-room.ts";

/** Adds a submit's operations. `records`: the conflict record of each operation that has one. */
export function encodeForCommit(
  { entry, decision }: DecidedEntry,
  records: ReadonlyMap<string, string>,
  into: CommitOperation[],
): void {
  const { origin } = entry.submission;
  for (const { operation, base, outcome } of decision.operations) {
    const { id, type, element, extra } = operation;
    const encoded: { -readonly [K in keyof CommitOperation]: CommitOperation[K] } = {
      id,
      type,
      element,
      base,
      status: outcome === "held" ? "conflict" : "applied",
      data: encodeEffect(operation),
      origin,
    };
    const conflict = decision.resolution?.resolve.conflictId ?? records.get(id);
    if (conflict !== undefined) encoded.conflict = conflict;
    if (extra !== undefined) encoded.extra = JSON.stringify(extra);
    into.push(encoded);
  }
}
