/**
 * The three-way merge of a property's value (protocol section 3, policy `merge`). Pure and deterministic, so that a
 * client that wants to show what will come of a collision gets what the server sequences.
 */
import { checkJson, isJsonObject, type Json, jsonEqual, maxJsonDepth, own } from "./json.ts";
import { applySplice, differenceSplice, moveSplice } from "./splice.ts";

type Value = Json | undefined;

/**
 * What both sides made of `base`: `current` stands, `wanted` comes on top. Where nothing can be merged (kinds that
 * differ, numbers, a value that is absent on one side, a result that would be no valid value) the later one stands.
 */
export function merge(base: Value, current: Value, wanted: Value): Value {
  if (jsonEqual(wanted, base)) return current;
  return mergeValues(base, current, wanted) ?? wanted;
}

/** The merge where the three values are strings, plain objects or arrays, all of one kind; undefined: as `lww`. */
export function mergeValues(base: Value, current: Value, wanted: Value): Json | undefined {
  const kind = kindOf(wanted);
  if (kind === undefined || kindOf(base) !== kind || kindOf(current) !== kind) return undefined;
  const merged = ofOneKind(base as Json, current as Json, wanted as Json);
  return checkJson(merged, maxJsonDepth) === undefined ? merged : undefined;
}

function kindOf(value: Value): "string" | "array" | "object" | undefined {
  if (typeof value === "string") return "string";
  if (Array.isArray(value)) return "array";
  return isJsonObject(value) ? "object" : undefined;
}

function ofOneKind(base: Json, current: Json, wanted: Json): Json {
  if (jsonEqual(wanted, base)) return current;
  if (jsonEqual(current, base) || jsonEqual(current, wanted)) return wanted;
  if (typeof wanted === "string") return mergeTexts(base as string, current as string, wanted);
  if (Array.isArray(wanted)) return mergeArrays(base as Json[], current as Json[], wanted);
  return mergeObjects(base as JsonObject, current as JsonObject, wanted as JsonObject);
}

function mergeTexts(base: string, current: string, wanted: string): string {
  const moved = moveSplice(differenceSplice(base, wanted), differenceSplice(base, current));
  return applySplice(current, moved) ?? wanted;
}

type JsonObject = { [key: string]: Json };

function mergeObjects(base: JsonObject, current: JsonObject, wanted: JsonObject): JsonObject {
  const merged: JsonObject = {};
  for (const key of new Set([...Object.keys(current), ...Object.keys(wanted)])) {
    const value = mergeKey(own(base, key), own(current, key), own(wanted, key));
    if (value !== undefined) merged[key] = value;
  }
  return merged;
}

function mergeKey(base: Value, current: Value, wanted: Value): Value {
  if (jsonEqual(wanted, base)) return current;
  const kind = kindOf(wanted);
  const alike = kind !== undefined && kindOf(base) === kind && kindOf(current) === kind;
  return alike ? ofOneKind(base as Json, current as Json, wanted as Json) : wanted;
}

/** Items count by value, as often as they stand: by their text, since comparing each with each is quadratic. */
function mergeArrays(base: readonly Json[], current: readonly Json[], wanted: readonly Json[]): Json[] {
  const removed = counted(base);
  const added = takeAway(wanted, removed);
  return [...takeAway(current, removed), ...added];
}

function counted(items: readonly Json[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) {
    const text = textOf(item);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

/** The items without those counted, the first of equal ones going; what went is counted down. */
function takeAway(items: readonly Json[], counts: Map<string, number>): Json[] {
  return items.filter((item) => {
    const text = textOf(item);
    const count = counts.get(text) ?? 0;
    if (count > 0) counts.set(text, count - 1);
    return count === 0;
  });
}

/** One text for equal values: the order of keys does not count. */
function textOf(value: Json): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isJsonObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
