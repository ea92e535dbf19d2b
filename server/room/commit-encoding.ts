/** Decided operations as the commit takes them, and as the wire shows them once they are stored. */
import { encodeEffect } from "../../shared/document/operation.ts";
import type { CommitOperation } from "../store/store.ts";
import type { DecidedEntry } from "./submit.ts";
import { encodeSequenced, type WireOperation } from "./wire.ts";

/** `records`: the conflict record of each operation that has one. */
export function encodeForCommit(
  { entry, decision }: DecidedEntry,
  records: ReadonlyMap<string, string>,
): CommitOperation[] {
  const { origin } = entry.submission;
  return decision.operations.map(({ operation, base, outcome }) => {
    const conflict = decision.resolution?.resolve.conflictId ?? records.get(operation.id);
    return {
      id: operation.id,
      type: operation.type,
      element: operation.element,
      base,
      status: outcome === "held" ? "conflict" : "applied",
      data: encodeEffect(operation),
      origin,
      ...(conflict === undefined ? {} : { conflict }),
      ...(operation.extra === undefined ? {} : { extra: JSON.stringify(operation.extra) }),
    };
  });
}

/** An operation of an own batch that was stored at `version`. */
export function encodeCommitted(
  docId: string,
  operation: CommitOperation,
  version: number,
  at: string,
): WireOperation {
  // Field by field: copying the rest of an object cost a tenth of the server's time.
  const { id, type, element, base, status, conflict = null, data, extra = null, origin } = operation;
  const { user, client, session } = origin;
  return encodeSequenced({
    docId,
    version,
    id,
    type,
    element,
    base,
    status,
    conflict,
    session,
    user,
    client,
    at,
    data,
    extra,
  });
}
