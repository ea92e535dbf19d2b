import { setImmediate as turn } from "node:timers/promises";
import type { DocumentMemory } from "../../shared/document/document-memory.ts";
import type { Elements, Properties } from "../../shared/document/json.ts";
import { decodeMemory, decodeMemoryPart } from "../../shared/document/memory.ts";
import { elementBytes } from "../../shared/document/size.ts";
import { createState, type DocumentState } from "../../shared/document/state.ts";
import type { Snapshot } from "../store/store.ts";

/** The state that a snapshot holds; without one, that of a new document. */
export function restoreState(snapshot: Snapshot | undefined): DocumentState {
  if (snapshot === undefined) return createState();
  const elements: Elements = new Map();
  for (const part of snapshot.elements) {
    for (const [id, properties] of readElements(part)) elements.set(id, properties);
  }
  const { version, operationId } = snapshot;
  // Without a memory (a content that a tool wrote) nothing before the version is known.
  if (snapshot.memory.length === 0) return createState({ elements, version, operationId });
  return createState({ elements, version, operationId, memory: decodeMemory(snapshot.memory) });
}

/** The same, a part per event-loop turn: for what is read while the document is in use. */
export async function restoreStateInTurns(snapshot: Snapshot | undefined): Promise<DocumentState> {
  if (snapshot === undefined) return createState();
  const { version, operationId } = snapshot;
  let memory: DocumentMemory | undefined;
  for (const part of snapshot.memory) {
    memory = decodeMemoryPart(memory, part);
    await turn();
  }
  const state = createState({ version, operationId, ...(memory === undefined ? {} : { memory }) });
  for (const part of snapshot.elements) {
    for (const [id, properties] of readElements(part)) {
      state.elements.set(id, properties);
      state.bytes += elementBytes(id, properties);
    }
    await turn();
  }
  return state;
}

function readElements(part: string): [string, Properties][] {
  return Object.entries(JSON.parse(`{${part}}`) as Record<string, Properties>);
}
