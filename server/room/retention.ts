/** The log of an open document was cut by archiving: what only older bases would ask for is forgotten. */
import { setImmediate as turn } from "node:timers/promises";
import { type DocumentMemory, forgetInSteps } from "../../shared/document/document-memory.ts";

/** About 2 ms. */
const elementsPerTurn = 1_000;

/** Forgets in the background, so that a large document stops nobody. `from`: the lowest version in the log. */
export function forgetInTurns(memory: DocumentMemory, from: number): void {
  void (async () => {
    for (const _ of forgetInSteps(memory, from, elementsPerTurn)) await turn();
  })();
}
