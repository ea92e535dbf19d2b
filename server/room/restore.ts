/** A state from what is stored: a snapshot, and the log after it. */
import { setImmediate as turn } from "node:timers/promises";
import type { Elements, Properties } from "../../shared/document/json.ts";
import { MemoryDecoder } from "../../shared/document/memory.ts";
import { elementBytes } from "../../shared/document/size.ts";
import { applySequenced, createState, type DocumentState } from "../../shared/document/state.ts";
import type { StoredOperation, StoredSnapshot } from "../store/store.ts";
import { decodeSequenced } from "./wire.ts";

/** About 2 ms. */
const operationsPerTurn = 200;

/**
 * The state that a snapshot holds; without one, that of a new document. A part of some 256 KiB a turn of the event
 * loop: 50,000 elements read at once stopped every other document for a quarter of a second. What changed since the
 * whole snapshot counts as touched.
 */
export async function restoreState(snapshot: StoredSnapshot | undefined): Promise<DocumentState> {
  if (snapshot === undefined) return createState();
  const { whole, changes } = snapshot;
  const elements: Elements = new Map();
  let bytes = 0;
  const changed: string[] = [];
  const parts = [...whole.elements, ...(changes?.elements ?? [])];
  for (const [index, part] of parts.entries()) {
    const inside = JSON.parse(`{${part}}`) as Record<string, Properties | null>;
    for (const [id, properties] of Object.entries(inside)) {
      const before = elements.get(id);
      if (before !== undefined) bytes -= elementBytes(id, before);
      if (properties === null) elements.delete(id);
      else {
        elements.set(id, properties);
        bytes += elementBytes(id, properties);
      }
      if (index >= whole.elements.length) changed.push(id);
    }
    await turn();
  }
  const { version, operationId } = changes ?? whole;
  const memory = [...whole.memory, ...(changes?.memory ?? [])];
  // Without a memory (a content that a tool wrote) nothing before the version is known.
  if (memory.length === 0) return createState({ elements, version, operationId, bytes });
  const decoder = new MemoryDecoder();
  for (const part of memory) {
    decoder.add(part);
    await turn();
  }
  const state = createState({ elements, version, operationId, bytes, memory: decoder.memory() });
  for (const id of changed) state.memory.touched.add(id);
  return state;
}

/** Applies the next operations of the log, some in a turn. Throws when they are not the next. */
export async function replay(state: DocumentState, rows: readonly StoredOperation[]): Promise<void> {
  for (const [index, row] of rows.entries()) {
    if (index > 0 && index % operationsPerTurn === 0) await turn();
    applySequenced(state, decodeSequenced(row));
  }
  await turn();
}
