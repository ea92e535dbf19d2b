/**
 * What is remembered of the writes to one element, so that judging a stale operation costs a look-up for each of its
 * properties and not a scan of the log.
 *
 * For each property: its last write, the last by anyone else than that one's author, the last that overwrote it. So
 * "the latest write by another author than A" is the last one when A did not make it, and otherwise the other: exact
 * for every A. A write's value is the property's current value while it is the last; the other's is kept beside it.
 *
 * A creation or deletion writes every property. It is kept once, for all properties that have no entry of their own
 * (`whole`), and in each entry that there is.
 *
 * Entries, lists and records are never changed once they stand (a record only in its version and time, before it is
 * part of the committed memory), so that a draft shares them with the committed state.
 */
import { type Json, jsonEqual, own, type Properties } from "./json.ts";
import type { Author, OperationEffect, SpliceEdit } from "./operation.ts";

/** An applied operation, shared by everything that it wrote. */
export interface WriteRecord {
  /** Tentative until committed, then corrected. */
  version: number;
  /** Interned by the document's memory: compared by identity. */
  readonly author: Author;
  readonly operationId: string;
  /** RFC 3339; empty until committed. */
  at: string;
  /** Whether the operation created or deleted the element. */
  readonly life: "create" | "delete" | null;
}

/** Creations and deletions of an element, newest first. */
export interface LifeEvent {
  readonly record: WriteRecord;
  readonly previous: LifeEvent | undefined;
}

/** Splices of a property since its last overwrite, newest first. */
export interface SpliceEvent {
  readonly record: WriteRecord;
  readonly edits: readonly SpliceEdit[];
  readonly previous: SpliceEvent | undefined;
}

export interface PropertyMemory {
  readonly last: WriteRecord;
  /** The last write by anyone else than `last.author`, and the value after it (undefined: absent). */
  readonly other: WriteRecord | undefined;
  readonly otherValue: Json | undefined;
  /** The last `set`, `unset`, `create` or `delete`. */
  readonly overwrite: WriteRecord | undefined;
  readonly splices: SpliceEvent | undefined;
}

/** The creations and deletions as writes of the properties without an entry; `otherValues` are the values after `other`. */
export interface WholeMemory {
  readonly last: WriteRecord;
  readonly other: WriteRecord | undefined;
  readonly otherValues: Properties | undefined;
}

export interface ElementMemory {
  /** The last operation on the element. */
  latest: WriteRecord;
  /** Whether it existed before the oldest event of `life`. */
  existedBefore: boolean;
  life: LifeEvent | undefined;
  whole: WholeMemory | undefined;
  properties: Map<string, PropertyMemory>;
  /** In a draft: the committed memory, whose properties count where this one has none. */
  parent: ElementMemory | undefined;
  /** The `epoch` of the document's memory in which it was made or copied. */
  epoch: number;
}

/** What is remembered of a property; undefined when nothing wrote it. */
export function propertyMemory(memory: ElementMemory, name: string): PropertyMemory | undefined {
  const entry = memory.properties.get(name) ?? memory.parent?.properties.get(name);
  if (entry !== undefined) return entry;
  const { whole } = memory;
  if (whole === undefined) return undefined;
  const { last, other, otherValues } = whole;
  return { last, other, otherValue: own(otherValues, name), overwrite: last, splices: undefined };
}

/** The properties that have been written one by one. */
export function* writtenProperties(memory: ElementMemory): Iterable<[string, PropertyMemory]> {
  yield* memory.properties;
  if (memory.parent === undefined) return;
  for (const pair of memory.parent.properties) if (!memory.properties.has(pair[0])) yield pair;
}

/** A write by another than the asking author, and the value after it. */
export interface OtherWrite {
  readonly record: WriteRecord;
  readonly value: Json | undefined;
}

/** The latest write to a property by another author after `base`. `current`: its value now. */
export function otherWrite(
  entry: PropertyMemory | undefined,
  author: Author,
  base: number,
  current: Json | undefined,
): OtherWrite | undefined {
  if (entry === undefined || entry.last.version <= base) return undefined;
  if (entry.last.author !== author) return { record: entry.last, value: current };
  const { other } = entry;
  return other !== undefined && other.version > base ? { record: other, value: entry.otherValue } : undefined;
}

/** The write after `base` by another author that overwrote a property, unless its own author overwrote it later still. */
export function otherOverwrite(
  entry: PropertyMemory | undefined,
  author: Author,
  base: number,
): WriteRecord | undefined {
  const overwrite = entry?.overwrite;
  return overwrite !== undefined && overwrite.author !== author && overwrite.version > base
    ? overwrite
    : undefined;
}

/** Remembers an applied operation on an element that was `before`. */
export function remember(
  memory: ElementMemory,
  op: OperationEffect,
  before: Properties | undefined,
  record: WriteRecord,
): void {
  memory.latest = record;
  if (record.life !== null) {
    rememberWhole(memory, before, record);
    return;
  }
  if (op.unset !== undefined) {
    for (const name of op.unset) write(memory, name, before, record, true);
  }
  if (before === undefined) return;
  if (op.set !== undefined) {
    // One entry for all of the operation's properties that nobody but its author wrote, which are most.
    const alone = firstOverwrite(record);
    for (const name in op.set) {
      const entry = propertyMemory(memory, name);
      const only = entry === undefined || (entry.other === undefined && entry.last.author === record.author);
      memory.properties.set(name, only ? alone : written(entry, before, name, record, true));
    }
  }
  if (op.append !== undefined) {
    for (const name of Object.keys(op.append)) {
      const present = own(before, name);
      if (present === undefined || Array.isArray(present)) write(memory, name, before, record, false);
    }
  }
  if (op.splice !== undefined) {
    for (const name of Object.keys(op.splice)) {
      if (typeof own(before, name) === "string") write(memory, name, before, record, false, op.splice[name]);
    }
  }
}

function write(
  memory: ElementMemory,
  name: string,
  before: Properties | undefined,
  record: WriteRecord,
  overwrites: boolean,
  edits?: readonly SpliceEdit[],
): void {
  const entry = propertyMemory(memory, name);
  memory.properties.set(name, written(entry, before, name, record, overwrites, edits));
}

/** Of a property that nobody else wrote. */
function firstOverwrite(record: WriteRecord): PropertyMemory {
  return { last: record, other: undefined, otherValue: undefined, overwrite: record, splices: undefined };
}

function written(
  entry: PropertyMemory | undefined,
  before: Properties | undefined,
  name: string,
  record: WriteRecord,
  overwrites: boolean,
  edits?: readonly SpliceEdit[],
): PropertyMemory {
  const kept = overwrites ? undefined : entry?.splices;
  const splices = edits === undefined ? kept : { record, edits, previous: kept };
  const overwrite = overwrites ? record : entry?.overwrite;
  if (entry === undefined)
    return { last: record, other: undefined, otherValue: undefined, overwrite, splices };
  // The same operation again (a name twice in `unset`).
  if (entry.last === record) return entry;
  return entry.last.author === record.author
    ? { last: record, other: entry.other, otherValue: entry.otherValue, overwrite, splices }
    : { last: record, other: entry.last, otherValue: own(before, name), overwrite, splices };
}

function rememberWhole(memory: ElementMemory, before: Properties | undefined, record: WriteRecord): void {
  memory.life = { record, previous: memory.life };
  const properties = new Map<string, PropertyMemory>();
  const { whole } = memory;
  if (whole === undefined) memory.whole = { last: record, other: undefined, otherValues: undefined };
  else if (whole.last.author === record.author) memory.whole = { ...whole, last: record };
  else memory.whole = { last: record, other: whole.last, otherValues: before };
  for (const [name, entry] of writtenProperties(memory)) {
    const after = written(entry, before, name, record, true);
    if (!saidByWhole(name, after, memory.whole)) properties.set(name, after);
  }
  memory.properties = properties;
  memory.parent = undefined;
}

/**
 * Whether `whole` says all that is remembered of a property. Both may name one `other` with different values: where
 * its property was written by `last.author` between the two.
 */
export function saidByWhole(name: string, entry: PropertyMemory, whole: WholeMemory): boolean {
  return (
    entry.last === whole.last &&
    entry.other === whole.other &&
    jsonEqual(entry.otherValue, own(whole.otherValues, name)) &&
    entry.splices === undefined
  );
}

/** Whether the element is there after what is remembered of it. */
export function existsNow(memory: ElementMemory): boolean {
  return memory.life === undefined ? memory.existedBefore : memory.life.record.life === "create";
}
