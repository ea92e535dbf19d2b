/**
 * A document's state at an earlier version: the nearest kept snapshot at or before it and the log after that, read in
 * bounded parts and applied with turns of the event loop between them, since nobody is blocked by somebody's question
 * about the past.
 */
import type { DocumentState } from "../../shared/document/state.ts";
import type { Store } from "../store/store.ts";
import { replay, restoreState } from "./restore.ts";

/** Operations of one read of the log. */
const partOperations = 1_000;

/**
 * The state at a version, with its write memory where the snapshot has one. Undefined: it is older than the retained
 * log and no snapshot reaches it, or the document never was at it. Rejects with `StoreUnavailable`.
 */
export async function stateAt(
  store: Pick<Store, "snapshots" | "operations">,
  docId: string,
  version: number,
): Promise<DocumentState | undefined> {
  const state = await restoreState(await store.snapshots.nearest(docId, version));
  while (state.version < version) {
    const from = state.version + 1;
    const rows = await store.operations.byVersion(
      docId,
      from,
      Math.min(version, state.version + partOperations),
    );
    // A gap: what comes between is archived.
    if (rows.some((row, index) => row.version !== from + index)) return undefined;
    await replay(state, rows);
    if (state.version < from) return undefined;
  }
  return state;
}
