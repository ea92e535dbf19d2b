import { setImmediate as turn } from "node:timers/promises";
import type { Elements, Properties } from "../../shared/document/json.ts";
import { MemoryDecoder } from "../../shared/document/memory.ts";
import { elementBytes } from "../../shared/document/size.ts";
import { createState, type DocumentState } from "../../shared/document/state.ts";
import type { Snapshot } from "../store/store.ts";

/**
 * The state that a snapshot holds; without one, that of a new document. A part of some 256 KiB a turn of the event
 * loop: 50,000 elements read at once stopped every other document for a quarter of a second.
 */
export async function restoreState(snapshot: Snapshot | undefined): Promise<DocumentState> {
  if (snapshot === undefined) return createState();
  const { version, operationId } = snapshot;
  const elements: Elements = new Map();
  let bytes = 0;
  for (const part of snapshot.elements) {
    const inside = JSON.parse(`{${part}}`) as Record<string, Properties>;
    for (const [id, properties] of Object.entries(inside)) {
      elements.set(id, properties);
      bytes += elementBytes(id, properties);
    }
    await turn();
  }
  // Without a memory (a content that a tool wrote) nothing before the version is known.
  if (snapshot.memory.length === 0) return createState({ elements, version, operationId, bytes });
  const decoder = new MemoryDecoder();
  for (const part of snapshot.memory) {
    decoder.add(part);
    await turn();
  }
  return createState({ elements, version, operationId, bytes, memory: decoder.memory() });
}
