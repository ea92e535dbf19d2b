import type { Elements, Properties } from "../../shared/document/json.ts";
import { decodeMemory } from "../../shared/document/memory.ts";
import { createState, type DocumentState } from "../../shared/document/state.ts";
import type { Snapshot } from "../store/store.ts";

/** The state that a snapshot holds; without one, that of a new document. */
export function restoreState(snapshot: Snapshot | undefined): DocumentState {
  if (snapshot === undefined) return createState();
  const elements: Elements = new Map();
  for (const part of snapshot.elements) {
    const inside = JSON.parse(`{${part}}`) as Record<string, Properties>;
    for (const [id, properties] of Object.entries(inside)) elements.set(id, properties);
  }
  const { version, operationId } = snapshot;
  // Without a memory (a content that a tool wrote) nothing before the version is known.
  if (snapshot.memory.length === 0) return createState({ elements, version, operationId });
  return createState({ elements, version, operationId, memory: decodeMemory(snapshot.memory) });
}
