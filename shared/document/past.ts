/**
 * What the write memory does not keep, and the policies `merge` and `manual` need: values as they were at an old base,
 * and what the author itself did since, held-back operations too.
 */
import { applyEffect } from "./apply.ts";
import type { Draft } from "./draft.ts";
import { own as ownOf, type Properties } from "./json.ts";
import type { Author, Operation, OperationEffect } from "./operation.ts";
import { applySplice } from "./splice.ts";
import type { Misfit } from "./view.ts";

/** The past of one document, as far as it is at hand. */
export interface Past {
  /** An element at a version, null where it was absent. Undefined: has to be read first. */
  element(element: string, version: number): Properties | null | undefined;
  /** The author's operations on an element in the log after a version, in order. Undefined: have to be read first. */
  ownSince(element: string, author: Author, version: number): readonly Operation[] | undefined;
  /** Whether one of the author's operations on the element after the version was held back. */
  hasHeldBack(element: string, author: Author, version: number): boolean;
}

/** An element as its author saw it: at `base`, with the author's own later operations on top. */
export interface AuthorView {
  readonly atBase: Properties | undefined;
  readonly own: readonly OperationEffect[];
  readonly now: Properties | undefined;
}

/** The view of an author, its operations in the draft included. Undefined: has to be read first. */
export function authorView(
  past: Past,
  draft: Draft,
  at: { readonly element: string; readonly author: Author; readonly base: number },
): AuthorView | undefined {
  const { element, author, base } = at;
  const before = past.element(element, base);
  const logged = past.ownSince(element, author, base);
  if (before === undefined || logged === undefined) return undefined;
  const own: OperationEffect[] = [...logged];
  for (const decided of draft.operations) {
    if (decided.author === author && decided.operation.element === element) own.push(decided.operation);
  }
  const atBase = before ?? undefined;
  let now = atBase;
  for (const op of own) now = applyEffect(now, op);
  return { atBase, own, now };
}

/** What keeps an operation from fitting a view that is known whole, if anything does. */
export function checkWholeView(op: Operation, view: AuthorView): Misfit | undefined {
  const { now, own } = view;
  if (op.type === "create") {
    return now === undefined
      ? undefined
      : { code: "invalid_operation", path: "element", message: "the element exists" };
  }
  if (now === undefined) return { code: "element_not_found", path: "element", message: "no such element" };
  for (const name of Object.keys(op.append ?? {})) {
    if (wantedValue(op, name, now) === undefined)
      return misfit(`append.${name}`, "append to what is no array");
  }
  for (const name of Object.keys(op.splice ?? {})) {
    if (own.some((each) => writesTo(each, name))) {
      return misfit(`splice.${name}`, "its author's earlier writes to the property are not in base");
    }
    if (wantedValue(op, name, now) === undefined) {
      return misfit(`splice.${name}`, "splice of what is no string, or outside it");
    }
  }
  return undefined;
}

function misfit(path: string, message: string): Misfit {
  return { code: "invalid_operation", path, message };
}

/** What the author wants a property to be, in its view. Undefined: absent, or the operation does not fit. */
export function wantedValue(
  op: OperationEffect,
  name: string,
  view: Properties | undefined,
): Properties[string] | undefined {
  const set = ownOf(op.set, name);
  if (set !== undefined) return set;
  const before = ownOf(view, name);
  const items = ownOf(op.append, name);
  if (items !== undefined) {
    if (before === undefined) return [...items];
    return Array.isArray(before) ? [...before, ...items] : undefined;
  }
  const edits = ownOf(op.splice, name);
  return edits !== undefined && typeof before === "string" ? applySplice(before, edits) : undefined;
}

/** Whether an operation writes a property. */
export function writesTo({ type, set, unset, append, splice }: OperationEffect, name: string): boolean {
  if (type === "create" || type === "delete") return true;
  if (unset?.includes(name) === true) return true;
  return [set, append, splice].some((fields) => fields !== undefined && Object.hasOwn(fields, name));
}

/** The operation with `append` and `splice` as the `set` of what its author wanted. */
export function heldBack(op: Operation, view: Properties | undefined): Operation {
  const { append, splice, set, ...rest } = op;
  if (append === undefined && splice === undefined) return op;
  const wanted: [string, Properties[string]][] = [];
  for (const name of [...Object.keys(append ?? {}), ...Object.keys(splice ?? {})]) {
    const value = wantedValue(op, name, view);
    if (value !== undefined) wanted.push([name, value]);
  }
  return { ...rest, set: { ...set, ...Object.fromEntries(wanted) } };
}
