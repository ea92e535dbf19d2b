import type { DocumentState } from "../../shared/document/state.ts";

/** The whole state, memory included, in an order that does not depend on how it came about. */
export function fingerprint({ elements, memory, version, operationId, bytes }: DocumentState): string {
  const sorted = [...memory.elements]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { properties, epoch: _, ...rest }]) => {
      return [id, rest, [...properties].sort(([a], [b]) => (a < b ? -1 : 1))];
    });
  const shown = [...elements]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, properties]) => [id, Object.entries(properties).sort()]);
  return JSON.stringify({ shown, sorted, since: memory.since, version, operationId, bytes });
}
