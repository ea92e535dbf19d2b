/**
 * Whether an operation fits its author's view: the state at `base` with the author's own later operations on top
 * (protocol section 2). What exists there is known exactly from the element's creations and deletions. What a property
 * held there is known unless another author overwrote it since; then the operation is given the benefit of the doubt,
 * and what does not fit is taken out of it as a conflict anyway.
 */
import { type ElementMemory, otherOverwrite, type PropertyMemory, propertyMemory } from "./element-memory.ts";
import { own, type Properties } from "./json.ts";
import type { Author, Operation, SpliceEdit } from "./operation.ts";
import { moveSplice, spliceFits, spliceGrowth } from "./splice.ts";

/** Why an operation cannot be accepted; `path` is relative to it. */
export interface Misfit {
  readonly code: "invalid_operation" | "element_not_found";
  readonly path: string;
  readonly message: string;
}

/** What an operation is judged against. */
export interface Judged {
  /** The element now: committed, and decided before this operation. */
  readonly current: Properties | undefined;
  readonly memory: ElementMemory | undefined;
  readonly base: number;
  /** Interned in the memory. */
  readonly author: Author;
}

/** Whether the element is there in the author's view. */
export function existsInView({ current, memory, base, author }: Judged): boolean {
  if (memory === undefined || memory.latest.version <= base) return current !== undefined;
  let event = memory.life;
  for (; event !== undefined && event.record.version > base; event = event.previous) {
    if (event.record.author === author) return event.record.life === "create";
  }
  return event === undefined ? memory.existedBefore : event.record.life === "create";
}

/** What keeps an operation from fitting its author's view, if anything does. */
export function checkView(op: Operation, judged: Judged): Misfit | undefined {
  const exists = existsInView(judged);
  if (op.type === "create") {
    return exists ? { code: "invalid_operation", path: "element", message: "the element exists" } : undefined;
  }
  if (!exists) return { code: "element_not_found", path: "element", message: "no such element" };
  if (op.append !== undefined) {
    for (const name of Object.keys(op.append)) {
      if (!appendFits(name, judged)) return misfit(`append.${name}`, "append to what is no array");
    }
  }
  if (op.splice !== undefined) {
    for (const name of Object.keys(op.splice)) {
      const message = checkSplice(name, op.splice[name] ?? [], judged);
      if (message !== undefined) return misfit(`splice.${name}`, message);
    }
  }
  return undefined;
}

function appendFits(name: string, { current, memory, base, author }: Judged): boolean {
  const present = own(current, name);
  if (present === undefined || Array.isArray(present)) return true;
  const entry = memory === undefined ? undefined : propertyMemory(memory, name);
  return otherOverwrite(entry, author, base) !== undefined;
}

function checkSplice(name: string, edits: readonly SpliceEdit[], judged: Judged): string | undefined {
  const { current, memory, base, author } = judged;
  const text = own(current, name);
  const entry = memory === undefined ? undefined : propertyMemory(memory, name);
  if (entry !== undefined && entry.last.version > base) {
    if (wroteSince(entry, author, base)) return "its author's earlier writes to the property are not in base";
    if (otherOverwrite(entry, author, base) !== undefined) return undefined;
  }
  if (typeof text !== "string") return "splice of what is no string";
  const outside = "outside the text, or inside a surrogate pair";
  const since = splicesSince(entry, base);
  let length = text.length;
  for (const past of since) length -= spliceGrowth(past);
  const last = edits.at(-1);
  if (last !== undefined && last[0] + last[1] > length) return outside;
  return spliceFits(text, moveAlong(edits, since)) ? undefined : outside;
}

/** Exact, but for writes that another author has overwritten since: those are forgotten when two others wrote later. */
function wroteSince(entry: PropertyMemory, author: Author, base: number): boolean {
  const { last, other, overwrite, splices } = entry;
  for (const record of [last, other, overwrite]) {
    if (record !== undefined && record.author === author && record.version > base) return true;
  }
  for (let event = splices; event !== undefined && event.record.version > base; event = event.previous) {
    if (event.record.author === author) return true;
  }
  return false;
}

/** The splices of a property after `base`, in order. */
export function splicesSince(entry: PropertyMemory | undefined, base: number): (readonly SpliceEdit[])[] {
  const since: (readonly SpliceEdit[])[] = [];
  let event = entry?.splices;
  for (; event !== undefined && event.record.version > base; event = event.previous) since.push(event.edits);
  return since.reverse();
}

/** Edits moved past each of others in order. */
export function moveAlong(
  edits: readonly SpliceEdit[],
  past: readonly (readonly SpliceEdit[])[],
): readonly SpliceEdit[] {
  let moved = edits;
  for (const each of past) moved = moveSplice(moved, each);
  return moved;
}

function misfit(path: string, message: string): Misfit {
  return { code: "invalid_operation", path, message };
}
