/**
 * Who wrote last what a document shows, from the write memory: it is written with the snapshots and keeps the last
 * write of each property for as long as its element lives, archived or not.
 */
import { setImmediate as turn } from "node:timers/promises";
import { freezeMemory } from "../../shared/document/document-memory.ts";
import { type ElementMemory, propertyMemory } from "../../shared/document/element-memory.ts";
import type { Properties } from "../../shared/document/json.ts";
import type { DocumentState } from "../../shared/document/state.ts";

/** Encoded in one turn of the event loop, some 2 ms. */
const elementsPerPart = 200;

/**
 * The inside of a JSON object, element id → property → last write, in parts; the state of the moment of the call. What
 * a tool wrote past the log has no write that is known, and is left out.
 */
export function blameTexts(state: DocumentState, element?: string): AsyncIterable<string> {
  if (element !== undefined) {
    const properties = state.elements.get(element);
    const text = properties && elementText(element, properties, state.memory.elements.get(element));
    return partsOf(text === undefined ? [] : [text]);
  }
  const elements = [...state.elements];
  const memory = new Map(freezeMemory(state.memory).elements);
  const texts = function* () {
    for (const [id, properties] of elements) yield elementText(id, properties, memory.get(id));
  };
  return partsOf(texts());
}

async function* partsOf(texts: Iterable<string>): AsyncGenerator<string> {
  let part: string[] = [];
  for (const text of texts) {
    part.push(text);
    if (part.length < elementsPerPart) continue;
    yield part.join(",");
    part = [];
    await turn();
  }
  if (part.length > 0) yield part.join(",");
}

function elementText(id: string, properties: Properties, memory: ElementMemory | undefined): string {
  const writes: string[] = [];
  for (const name of Object.keys(properties)) {
    const last = memory && propertyMemory(memory, name)?.last;
    if (last === undefined) continue;
    const { version, author, at } = last;
    writes.push(
      `${JSON.stringify(name)}:${JSON.stringify({ version, user: author.user, client: author.client, at })}`,
    );
  }
  return `${JSON.stringify(id)}:{${writes.join(",")}}`;
}
