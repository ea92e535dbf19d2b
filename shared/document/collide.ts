/**
 * What a stale operation collides with, and what is left of it under "the later in the order wins" (protocol
 * section 3). Held-back operations are not in the memory and so are never compared with.
 */
import {
  type ElementMemory,
  otherOverwrite,
  otherWrite,
  propertyMemory,
  type WriteRecord,
  writtenProperties,
} from "./element-memory.ts";
import { jsonEqual, own, type Properties } from "./json.ts";
import type { Author, Operation, SpliceEdit } from "./operation.ts";
import { type Judged, moveAlong, splicesSince } from "./view.ts";

/** Another author's write that an operation collides with; `property` null: the whole element. */
export interface Collision {
  readonly property: string | null;
  readonly with: WriteRecord;
}

export interface Collided {
  /** The operation with splices moved and without the parts that must have no effect. */
  readonly operation: Operation;
  readonly collisions: readonly Collision[];
  /** Another author deleted the element since the author's view of it began: nothing of the operation has an effect. */
  readonly deleted: boolean;
}

const noCollisions: readonly Collision[] = [];

/** Compares an operation that fits its author's view with what others wrote after its base. */
export function collide(op: Operation, judged: Judged): Collided {
  const { current, memory, base, author } = judged;
  if (memory === undefined || memory.latest.version <= base)
    return { operation: op, collisions: noCollisions, deleted: false };
  const collisions = new Collisions();
  if (op.type === "create") {
    collideCreate(op, current, memory, base, author, collisions);
    return { operation: op, collisions: collisions.found, deleted: false };
  }
  const life = lifeSince(memory, author, base);
  if (life.deleted !== undefined && life.latest !== undefined) {
    // Absent, or there again as somebody else's: "deleted and created anew".
    if (current === undefined) {
      if (op.type !== "delete" && writesMoreThanUnset(op)) collisions.add(null, life.latest);
    } else if (op.type === "delete" || writesAny(op)) collisions.add(null, life.latest);
  }
  if (op.type === "delete") {
    for (const [name, entry] of writtenProperties(memory)) {
      const other = otherWrite(entry, author, base, own(current, name));
      if (other !== undefined && other.record.life === null && other.value !== undefined) {
        collisions.add(null, other.record);
      }
    }
    return { operation: op, collisions: collisions.found, deleted: life.deleted !== undefined };
  }
  return collideWrites(op, judged, memory, life.deleted !== undefined, collisions);
}

class Collisions {
  found = noCollisions;

  add(property: string | null, record: WriteRecord): void {
    const known = this.found.some((each) => each.property === property && each.with === record);
    if (!known) this.found = [...this.found, { property, with: record }];
  }

  /** A collision at a property; of the whole element, where the other side is a creation or deletion. */
  at(property: string, record: WriteRecord): void {
    this.add(record.life === null ? property : null, record);
  }
}

function collideCreate(
  op: Operation,
  current: Properties | undefined,
  memory: ElementMemory,
  base: number,
  author: Author,
  collisions: Collisions,
): void {
  for (let event = memory.life; event !== undefined && event.record.version > base; event = event.previous) {
    if (event.record.author === author) continue;
    if (event.record.life === "create") collisions.add(null, event.record);
    break;
  }
  for (const [name, entry] of writtenProperties(memory)) {
    const other = otherWrite(entry, author, base, own(current, name));
    if (other === undefined || other.record.life !== null) continue;
    if (!jsonEqual(other.value, own(op.props, name))) collisions.add(null, other.record);
  }
}

function collideWrites(
  op: Operation,
  { current, base, author }: Judged,
  memory: ElementMemory,
  /** Deleted by another since the author's view of it began: nothing of the operation may have an effect. */
  deleted: boolean,
  collisions: Collisions,
): Collided {
  // Made when there is something to put in: most operations collide with nothing.
  let out: Set<string> | undefined;
  let moved: Map<string, readonly SpliceEdit[]> | undefined;
  const leaveOut = (name: string): void => {
    out ??= new Set();
    out.add(name);
  };
  const compare = (name: string, wanted: Properties[string] | undefined): void => {
    const other = otherWrite(propertyMemory(memory, name), author, base, own(current, name));
    if (other === undefined || other.record.life === "delete") return;
    if (!jsonEqual(other.value, wanted)) collisions.at(name, other.record);
  };
  const overwritten = (name: string): boolean => {
    const overwrite = otherOverwrite(propertyMemory(memory, name), author, base);
    if (overwrite === undefined) return false;
    collisions.at(name, overwrite);
    leaveOut(name);
    return true;
  };
  if (op.set !== undefined) {
    for (const name of Object.keys(op.set)) {
      compare(name, op.set[name]);
      if (deleted) leaveOut(name);
    }
  }
  for (const name of op.unset ?? []) {
    compare(name, undefined);
    // Beside a deletion an `unset` is no conflict and stays; the element created anew it must not touch.
    if (deleted && current !== undefined) leaveOut(name);
  }
  if (op.append !== undefined) for (const name of Object.keys(op.append)) overwritten(name);
  if (op.splice !== undefined) {
    for (const [name, edits] of Object.entries(op.splice)) {
      if (overwritten(name)) continue;
      const past = splicesSince(propertyMemory(memory, name), base);
      if (past.length === 0) continue;
      moved ??= new Map();
      moved.set(name, moveAlong(edits, past));
    }
  }
  const operation = out === undefined && moved === undefined ? op : rewrite(op, out, moved);
  return { operation, collisions: collisions.found, deleted };
}

/** The operation without the properties that are `out`, with the edits that are `moved`. */
function rewrite(
  op: Operation,
  out: ReadonlySet<string> | undefined,
  moved: ReadonlyMap<string, readonly SpliceEdit[]> | undefined,
): Operation {
  const { set, unset, append, splice, ...rest } = op;
  const kept = {
    set: pick(set, out),
    unset: unset?.filter((name) => out?.has(name) !== true),
    append: pick(append, out),
    splice: pick(splice, out, moved),
  };
  return {
    ...rest,
    ...(kept.set === undefined ? {} : { set: kept.set }),
    ...(kept.unset === undefined || kept.unset.length === 0 ? {} : { unset: kept.unset }),
    ...(kept.append === undefined ? {} : { append: kept.append }),
    ...(kept.splice === undefined ? {} : { splice: kept.splice }),
  };
}

function pick<T>(
  fields: { readonly [name: string]: T } | undefined,
  out: ReadonlySet<string> | undefined,
  replaced?: ReadonlyMap<string, T>,
): { [name: string]: T } | undefined {
  if (fields === undefined) return undefined;
  const kept = Object.entries(fields).filter(([name]) => out?.has(name) !== true);
  if (kept.length === 0) return undefined;
  return Object.fromEntries(kept.map(([name, value]) => [name, replaced?.get(name) ?? value]));
}

/**
 * What others did to the element's existence since the author's view of it began: after `base`, and after the
 * author's own last creation.
 */
function lifeSince(
  memory: ElementMemory,
  author: Author,
  base: number,
): { latest: WriteRecord | undefined; deleted: WriteRecord | undefined } {
  let latest: WriteRecord | undefined;
  let deleted: WriteRecord | undefined;
  for (let event = memory.life; event !== undefined && event.record.version > base; event = event.previous) {
    const { record } = event;
    if (record.author === author) {
      if (record.life === "create") break;
      continue;
    }
    latest ??= record;
    if (record.life === "delete") deleted ??= record;
  }
  return { latest, deleted };
}

function writesMoreThanUnset({ set, append, splice }: Operation): boolean {
  return hasNames(set) || hasNames(append) || hasNames(splice);
}

function writesAny(op: Operation): boolean {
  return writesMoreThanUnset(op) || (op.unset !== undefined && op.unset.length > 0);
}

function hasNames(fields: object | undefined): boolean {
  return fields !== undefined && Object.keys(fields).length > 0;
}
