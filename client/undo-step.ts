/**
 * What one step of undo takes back, property by property: pure.
 *
 * An element is in a step as `created` (undone by deleting it), as `deleted` (undone by making it again as it was), or as
 * `changed`: by property either a value, undone by writing the one of before, or a text's splices, undone by splices
 * that take out and put back only what was typed. A property that may not be undone any more is simply gone from its step.
 */
import { applyEffect } from "../shared/document/apply.ts";
import { type Json, jsonEqual, own, type Properties } from "../shared/document/json.ts";
import type { Operation, SpliceEdit } from "../shared/document/operation.ts";
import { applySplice, composeSplices, spliceFits } from "../shared/document/splice.ts";

/** How a property is taken back. Undefined: absent. */
export type PropertyUndo =
  | { readonly kind: "value"; before: Json | undefined; after: Json | undefined }
  | { readonly kind: "text"; inverse: readonly SpliceEdit[] };

/** How an element is taken back. */
export type ElementUndo =
  | { readonly kind: "created" }
  | { readonly kind: "deleted"; before: Properties }
  | { readonly kind: "changed"; readonly properties: Map<string, PropertyUndo> };

/** One step, by element. */
export interface UndoStep {
  readonly elements: Map<string, ElementUndo>;
  /** What the application saved with it (its selection). */
  readonly saved: unknown;
}

/** Splices that undo others. */
export function invertSplice(text: string, edits: readonly SpliceEdit[]): SpliceEdit[] {
  let shift = 0;
  return edits.map(([position, deleteCount, insert]) => {
    const inverse: SpliceEdit = [
      position + shift,
      insert.length,
      text.slice(position, position + deleteCount),
    ];
    shift += insert.length - deleteCount;
    return inverse;
  });
}

/**
 * Adds to a step what an operation does.
 * @param before the element before it. @returns the element after it.
 */
export function recordOperation(
  step: UndoStep,
  operation: Operation,
  before: Properties | undefined,
): Properties | undefined {
  const after = applyEffect(before, operation);
  const { element } = operation;
  const present = step.elements.get(element);
  if (operation.type === "create") {
    if (present?.kind === "deleted") {
      step.elements.set(element, { kind: "changed", properties: differences(present.before, after) });
    } else if (before === undefined) {
      step.elements.set(element, { kind: "created" });
    }
  } else if (operation.type === "delete") {
    if (present?.kind === "created") step.elements.delete(element);
    else if (before !== undefined) {
      const original = present?.kind === "changed" ? takenBack(before, present.properties) : before;
      step.elements.set(element, { kind: "deleted", before: original });
    }
  } else if (present?.kind !== "created" && before !== undefined) {
    const properties = present?.kind === "changed" ? present.properties : new Map<string, PropertyUndo>();
    recordWrites(properties, operation, before, after);
    if (properties.size > 0) step.elements.set(element, { kind: "changed", properties });
    else step.elements.delete(element);
  }
  return after;
}

function recordWrites(
  properties: Map<string, PropertyUndo>,
  { set, unset, append, splice }: Operation,
  before: Properties,
  after: Properties | undefined,
): void {
  for (const name of [...Object.keys(set ?? {}), ...(unset ?? []), ...Object.keys(append ?? {})]) {
    const was = own(before, name);
    const is = own(after, name);
    const present = properties.get(name);
    let original = was;
    if (present?.kind === "value") original = present.before;
    else if (present !== undefined && typeof was === "string") original = applySplice(was, present.inverse);
    if (jsonEqual(original, is)) properties.delete(name);
    else properties.set(name, { kind: "value", before: original, after: is });
  }
  for (const [name, edits] of Object.entries(splice ?? {})) {
    const was = own(before, name);
    if (typeof was !== "string") continue;
    const present = properties.get(name);
    if (present?.kind === "value") {
      present.after = own(after, name);
      continue;
    }
    const inverse = invertSplice(was, edits);
    properties.set(name, {
      kind: "text",
      inverse: present === undefined ? inverse : composeSplices(inverse, present.inverse),
    });
  }
}

function differences(before: Properties, after: Properties | undefined): Map<string, PropertyUndo> {
  const properties = new Map<string, PropertyUndo>();
  for (const name of new Set([...Object.keys(before), ...Object.keys(after ?? {})])) {
    const was = own(before, name);
    const is = own(after, name);
    if (!jsonEqual(was, is)) properties.set(name, { kind: "value", before: was, after: is });
  }
  return properties;
}

/** An element with these properties as they were before. */
function takenBack(element: Properties, properties: ReadonlyMap<string, PropertyUndo>): Properties {
  const write = inverseWrite(element, properties);
  return applyEffect(element, { type: "update", element: "", ...write }) ?? element;
}

/** Whether a property is what its step left, so that it can be taken back. */
export function canTakeBack(element: Properties | undefined, name: string, undo: PropertyUndo): boolean {
  const present = own(element, name);
  if (undo.kind === "value") return element !== undefined && jsonEqual(present, undo.after);
  const edits = effective(undo.inverse);
  return typeof present === "string" && edits.length > 0 && spliceFits(present, edits);
}

function effective(edits: readonly SpliceEdit[]): readonly SpliceEdit[] {
  return edits.filter(([, deleteCount, insert]) => deleteCount > 0 || insert !== "");
}

type Write = Pick<Operation, "set" | "unset" | "splice">;

/** What writes the values of before, wherever the present one is what the step left. */
function inverseWrite(element: Properties, properties: ReadonlyMap<string, PropertyUndo>): Write {
  const set: { [name: string]: Json } = {};
  const unset: string[] = [];
  const splice: { [name: string]: readonly SpliceEdit[] } = {};
  for (const [name, undo] of properties) {
    if (!canTakeBack(element, name, undo)) continue;
    if (undo.kind === "text") splice[name] = effective(undo.inverse);
    else if (undo.before === undefined) unset.push(name);
    else set[name] = undo.before;
  }
  return {
    ...(Object.keys(set).length > 0 ? { set } : {}),
    ...(unset.length > 0 ? { unset } : {}),
    ...(Object.keys(splice).length > 0 ? { splice } : {}),
  };
}

/** The operations that take a step back, on the elements as their user sees them. Empty: nothing can be taken back. */
export function inverseOperations(
  step: UndoStep,
  view: ReadonlyMap<string, Properties>,
  newId: () => string,
): Operation[] {
  const operations: Operation[] = [];
  for (const [element, undo] of step.elements) {
    const present = view.get(element);
    if (undo.kind === "created") {
      if (present !== undefined) operations.push({ id: newId(), type: "delete", element });
    } else if (undo.kind === "deleted") {
      if (present === undefined)
        operations.push({ id: newId(), type: "create", element, props: undo.before });
    } else if (present !== undefined) {
      const write = inverseWrite(present, undo.properties);
      const type = write.set === undefined && write.unset === undefined ? "text" : "update";
      if (Object.keys(write).length > 0) operations.push({ id: newId(), type, element, ...write });
    }
  }
  return operations;
}
