/**
 * Folding: a change that is made while an earlier one to the same element is still unsent becomes part of it. A drag
 * sends the newest position, a stroke one append, typing one splice.
 */
import { applyEffect } from "../shared/document/apply.ts";
import { type Json, own, type Properties } from "../shared/document/json.ts";
import type { Operation, SpliceEdit } from "../shared/document/operation.ts";
import { applySplice, composeSplices } from "../shared/document/splice.ts";

/** Whether after this operation a property's value does not depend on what it was. */
export function overwrites(operation: Operation, property: string): boolean {
  if (operation.type === "create" || operation.type === "delete") return true;
  return hasOwn(operation.set, property) || (operation.unset?.includes(property) ?? false);
}

/** Whether the operation writes that property in any way. */
export function writes(operation: Operation, property: string): boolean {
  return (
    overwrites(operation, property) ||
    hasOwn(operation.append, property) ||
    hasOwn(operation.splice, property)
  );
}

/** Whether nothing would come of it. */
export function isEmpty(operation: Operation): boolean {
  if (operation.type === "create" || operation.type === "delete") return false;
  return (
    Object.keys(operation.set ?? {}).length === 0 &&
    (operation.unset ?? []).length === 0 &&
    Object.keys(operation.append ?? {}).length === 0 &&
    Object.keys(operation.splice ?? {}).length === 0
  );
}

/**
 * The unsent operations of one element, one more folded in. They are at most two: a `delete` before a `create`, else
 * one. A creation that is deleted again before anybody heard of it leaves nothing.
 * @param earlier all of the same element as `next`, in order.
 */
export function foldOperation(earlier: readonly Operation[], next: Operation): readonly Operation[] {
  const last = earlier.at(-1);
  if (last === undefined) return [next];
  const before = earlier.slice(0, -1);
  if (last.type === "delete") return [...earlier, next];
  if (last.type === "create") {
    if (next.type === "delete") return before;
    const props = applyEffect(last.props ?? {}, next) ?? {};
    return [...before, { ...last, props, ...extraOf(last, next) }];
  }
  if (next.type === "delete" || next.type === "create") return [...before, next];
  return [...before, foldUpdate(last, next)];
}

function foldUpdate(earlier: Operation, next: Operation): Operation {
  const set = new Map<string, Json>(Object.entries(earlier.set ?? {}));
  const unset = new Set<string>(earlier.unset);
  const append = new Map<string, readonly Json[]>(Object.entries(earlier.append ?? {}));
  const splice = new Map<string, readonly SpliceEdit[]>(Object.entries(earlier.splice ?? {}));
  const forget = (property: string): void => {
    set.delete(property);
    unset.delete(property);
    append.delete(property);
    splice.delete(property);
  };
  for (const [property, value] of Object.entries(next.set ?? {})) {
    forget(property);
    set.set(property, value);
  }
  for (const property of next.unset ?? []) {
    forget(property);
    unset.add(property);
  }
  for (const [property, items] of Object.entries(next.append ?? {})) {
    const value = set.get(property);
    if (Array.isArray(value)) set.set(property, [...value, ...items]);
    else if (unset.delete(property)) set.set(property, [...items]);
    else append.set(property, [...(append.get(property) ?? []), ...items]);
  }
  for (const [property, edits] of Object.entries(next.splice ?? {})) {
    const value = set.get(property);
    const typed = splice.get(property);
    if (typeof value === "string") set.set(property, applySplice(value, edits) ?? value);
    else splice.set(property, typed === undefined ? edits : composeSplices(typed, edits));
  }
  return {
    id: earlier.id,
    type: earlier.type === next.type ? earlier.type : "update",
    element: earlier.element,
    ...(set.size > 0 ? { set: Object.fromEntries(set) } : {}),
    ...(unset.size > 0 ? { unset: [...unset] } : {}),
    ...(append.size > 0 ? { append: Object.fromEntries(append) } : {}),
    ...(splice.size > 0 ? { splice: Object.fromEntries(splice) } : {}),
    ...extraOf(earlier, next),
  };
}

function extraOf(earlier: Operation, next: Operation): { extra?: NonNullable<Operation["extra"]> } {
  const extra = next.extra ?? earlier.extra;
  return extra === undefined ? {} : { extra };
}

/** The operation with other edits of one property; none of them: without that property. */
export function withSplice(
  operation: Operation,
  property: string,
  edits: readonly SpliceEdit[] | undefined,
): Operation {
  const { splice: old, ...rest } = operation;
  const splice = { ...old };
  delete splice[property];
  if (edits !== undefined && edits.length > 0) splice[property] = edits;
  return Object.keys(splice).length > 0 ? { ...rest, splice } : rest;
}

/** The same operation under another id, its parts apart: first what is no typing, then the splices. */
export function splitTyping(
  operation: Operation,
  newId: () => string,
): [Operation | undefined, Operation | undefined] {
  const { splice, ...rest } = operation;
  if (splice === undefined) return [operation, undefined];
  const typing: Operation = { id: newId(), type: operation.type, element: operation.element, splice };
  return isEmpty(rest) ? [undefined, { ...typing, ...extraOf(operation, typing) }] : [rest, typing];
}

/**
 * The operation made to fit an element as it is now, under a new base: a creation of what exists becomes a write of
 * all its properties, and what has nothing to write to is left out.
 * @returns undefined when nothing is left of it.
 */
export function fitOperation(operation: Operation, element: Properties | undefined): Operation | undefined {
  if (operation.type === "create") {
    if (element === undefined) return operation;
    const props = operation.props ?? {};
    const unset = Object.keys(element).filter((name) => !hasOwn(props, name));
    const { props: _, ...rest } = operation;
    return { ...rest, type: "update", set: props, ...(unset.length > 0 ? { unset } : {}) };
  }
  if (element === undefined) return undefined;
  if (operation.type === "delete") return operation;
  let fitting = operation;
  for (const [property, edits] of Object.entries(operation.splice ?? {})) {
    const text = own(element, property);
    if (typeof text !== "string" || applySplice(text, edits) === undefined)
      fitting = withSplice(fitting, property, undefined);
  }
  const append = Object.entries(operation.append ?? {}).filter(([property]) => {
    const value = own(element, property);
    return value === undefined || Array.isArray(value);
  });
  if (append.length < Object.keys(operation.append ?? {}).length) {
    const { append: _, ...rest } = fitting;
    fitting = append.length > 0 ? { ...rest, append: Object.fromEntries(append) } : rest;
  }
  return isEmpty(fitting) && !isEmpty(operation) ? undefined : fitting;
}

function hasOwn(object: object | undefined, property: string): boolean {
  return object !== undefined && Object.hasOwn(object, property);
}
