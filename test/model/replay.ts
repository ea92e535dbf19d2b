/** What a log makes of nothing: an apply of its own, plain and slow, that shares no line with the one under test. */
import type { Json, Properties, SequencedOperation } from "../../client/index.ts";
import type { SpliceEdit } from "../../shared/document/operation.ts";

export function replay(log: readonly SequencedOperation[], upTo: number): Map<string, Properties> {
  const elements = new Map<string, Properties>();
  for (const op of log) {
    if (op.version > upTo || op.status !== "applied") continue;
    const before = elements.get(op.element);
    if (op.type === "create") elements.set(op.element, { ...op.props });
    else if (op.type === "delete") elements.delete(op.element);
    else if (before !== undefined) elements.set(op.element, write(before, op));
  }
  return elements;
}

function write(before: Properties, op: SequencedOperation): Properties {
  const after = new Map<string, Json>(Object.entries(before));
  for (const name of op.unset ?? []) after.delete(name);
  for (const [name, value] of Object.entries(op.set ?? {})) after.set(name, value);
  for (const [name, items] of Object.entries(op.append ?? {})) {
    const list = after.get(name) ?? [];
    if (Array.isArray(list)) after.set(name, [...list, ...items]);
  }
  for (const [name, edits] of Object.entries(op.splice ?? {})) {
    const text = edit(after.get(name), edits);
    if (text !== undefined) after.set(name, text);
  }
  return Object.fromEntries(after);
}

/** A text after a splice; undefined: it is none. */
export function edit(text: Json | undefined, edits: readonly SpliceEdit[]): string | undefined {
  if (typeof text !== "string") return undefined;
  // From the end, so that the places before stay where they are.
  return [...edits].reduceRight(
    (now, [at, count, insert]) => now.slice(0, at) + insert + now.slice(at + count),
    text,
  );
}
