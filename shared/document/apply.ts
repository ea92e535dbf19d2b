/**
 * What a sequenced operation does to the state. The same function runs on every server and in every replica:
 * total (it never throws), deterministic, and without effect where the protocol says so.
 */
import { type Elements, type Json, own, type Properties } from "./json.ts";
import type { OperationEffect } from "./operation.ts";
import { applySplice } from "./splice.ts";

const none: Properties = {};

/** Applies an operation to the element that it names. Objects and arrays in the map are replaced, never changed. */
export function applyOperation(elements: Elements, op: OperationEffect): void {
  const before = elements.get(op.element);
  const after = applyEffect(before, op);
  if (after === before) return;
  if (after === undefined) elements.delete(op.element);
  else elements.set(op.element, after);
}

/** The element after an operation; undefined is an absent one. The same object when nothing changes. */
export function applyEffect(before: Properties | undefined, op: OperationEffect): Properties | undefined {
  if (op.type === "create") return op.props ?? none;
  if (op.type === "delete" || before === undefined) return undefined;
  let after: { [name: string]: Json } | undefined;
  if (op.unset !== undefined) after = without(before, op.unset);
  if (op.set !== undefined) {
    // Half the time of a spread and an assignment for each name.
    if (after !== undefined) Object.assign(after, op.set);
    else if (hasNames(op.set)) after = Object.assign({}, before, op.set);
  }
  if (op.append !== undefined) {
    for (const name of Object.keys(op.append)) {
      const items = op.append[name] ?? [];
      const present = own(after ?? before, name);
      if (present !== undefined && !Array.isArray(present)) continue;
      after ??= { ...before };
      after[name] = present === undefined ? [...items] : [...present, ...items];
    }
  }
  if (op.splice !== undefined) {
    for (const name of Object.keys(op.splice)) {
      const present = own(after ?? before, name);
      const text = typeof present === "string" ? applySplice(present, op.splice[name] ?? []) : undefined;
      if (text === undefined || text === present) continue;
      after ??= { ...before };
      after[name] = text;
    }
  }
  return after ?? before;
}

function hasNames(object: object): boolean {
  for (const _ in object) return true;
  return false;
}

/** A copy without these properties, made by leaving out: `delete` would turn it into a slow dictionary. */
function without(before: Properties, names: readonly string[]): { [name: string]: Json } | undefined {
  if (!names.some((name) => Object.hasOwn(before, name))) return undefined;
  const after: { [name: string]: Json } = {};
  for (const name of Object.keys(before)) {
    const value = before[name];
    if (value !== undefined && !names.includes(name)) after[name] = value;
  }
  return after;
}
