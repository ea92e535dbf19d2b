/**
 * A document's state at an earlier version: the nearest kept snapshot at or before it and the log after that, read in
 * bounded parts and applied with turns of the event loop between them, since nobody is blocked by somebody's question
 * about the past.
 */
import { setImmediate as turn } from "node:timers/promises";
import { applySequenced, type DocumentState } from "../../shared/document/state.ts";
import type { Store } from "../store/store.ts";
import { restoreState } from "./restore.ts";
import { decodeSequenced } from "./wire.ts";

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
    for (const row of rows) {
      // A gap: what comes between is archived.
      if (row.version !== state.version + 1) return undefined;
      applySequenced(state, decodeSequenced(row));
    }
    if (state.version < from) return undefined;
    await turn();
  }
  return state;
}
