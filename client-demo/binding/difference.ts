/** What a person did in the editor, as changes of the document: pure. */
import type { Json, Properties } from "../../client/index.ts";
import { mergeText } from "./merge-text.ts";
import { type BoardTransaction, type SceneElement, sameValue, toWire } from "./model.ts";

/** One element's change. The kinds of a `write` are what the log calls it. */
export type SceneChange =
  | { readonly type: "create"; readonly element: string; readonly properties: Properties }
  | { readonly type: "delete"; readonly element: string }
  | {
      readonly type: "write";
      readonly kind: "move" | "resize" | "style" | "text" | "update";
      readonly element: string;
      readonly set: { readonly [name: string]: Json };
      readonly unset: readonly string[];
      /** Items added at the end: a stroke that grows. */
      readonly append: { readonly [name: string]: readonly Json[] };
      /** Texts, as the editor had them before and has them now. */
      readonly texts: { readonly [name: string]: { readonly before: string; readonly after: string } };
    };

/**
 * What happened to one element.
 * @param before what the document was known to hold when the scene showed the same; undefined: nothing.
 * @param after undefined: the scene has it no more.
 */
export function elementChange(
  id: string,
  before: Properties | undefined,
  after: SceneElement | undefined,
): SceneChange | undefined {
  const gone = after === undefined || after.isDeleted;
  if (before === undefined) {
    if (gone || !isWorthSending(after)) return undefined;
    return { type: "create", element: id, properties: toWire(after) };
  }
  if (gone) return { type: "delete", element: id };
  return writeBetween(id, before, toWire(after));
}

/** The change from one wire form to another, or undefined when they say the same. */
export function writeBetween(id: string, before: Properties, after: Properties): SceneChange | undefined {
  const set: { [name: string]: Json } = {};
  const append: { [name: string]: readonly Json[] } = {};
  const texts: { [name: string]: { before: string; after: string } } = {};
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    if (sameValue(old, value)) continue;
    const added = after.type === "freedraw" ? addedItems(old, value) : undefined;
    if (added !== undefined) append[name] = added;
    else if (isText(name) && typeof old === "string" && typeof value === "string") {
      texts[name] = { before: old, after: value };
    } else set[name] = value;
  }
  const unset = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  const touched = [set, append, texts].flatMap((part) => Object.keys(part));
  if (touched.length + unset.length === 0) return undefined;
  return { type: "write", kind: kindOf([...touched, ...unset]), element: id, set, unset, append, texts };
}

/**
 * Makes a change in a transaction. Another's text that came meanwhile stays; what was deleted meanwhile stays deleted.
 * @returns false when there is nothing any more to write to.
 */
export function makeChange(transaction: BoardTransaction, change: SceneChange): boolean {
  const { element } = change;
  const present = transaction.get(element);
  switch (change.type) {
    case "create":
      if (present === undefined) transaction.create(element, change.properties);
      else transaction.update(element, change.properties);
      return true;
    case "delete":
      if (present !== undefined) transaction.delete(element);
      return true;
    case "write": {
      if (present === undefined) return false;
      const { kind, set, unset, append, texts } = change;
      if (Object.keys(set).length + unset.length > 0) {
        const absent = unset.filter((name) => Object.hasOwn(present, name));
        transaction[kind](element, set, absent.length === 0 ? {} : { unset: absent });
      }
      for (const [name, items] of Object.entries(append)) transaction.append(element, name, items);
      for (const [name, { before, after }] of Object.entries(texts)) {
        const theirs = present[name];
        transaction.edit(
          element,
          name,
          typeof theirs === "string" ? mergeText(before, after, theirs) : after,
        );
      }
      return true;
    }
  }
}

/** Not yet: a click with a tool makes an element without extent, and takes it back when no drag follows. */
function isWorthSending(element: SceneElement): boolean {
  const { text, width, height, points } = toWire(element);
  if (element.type === "selection") return false;
  if (element.type === "text") return typeof text === "string" && text !== "";
  if (element.type === "freedraw") return Array.isArray(points) && points.length > 0;
  return width !== 0 || height !== 0;
}

function addedItems(old: Json | undefined, value: Json): readonly Json[] | undefined {
  if (!Array.isArray(old) || !Array.isArray(value) || value.length <= old.length) return undefined;
  return old.every((item, index) => sameValue(item, value[index])) ? value.slice(old.length) : undefined;
}

const isText = (name: string): boolean => name === "text" || name === "originalText";

const places = new Set(["x", "y"]);
const sizes = new Set(["x", "y", "width", "height", "angle", "points", "pressures", "scale", "crop"]);
const looks = new Set([
  ...["strokeColor", "backgroundColor", "fillStyle", "strokeWidth", "strokeStyle", "roughness", "opacity"],
  ...["roundness", "startArrowhead", "endArrowhead", "textAlign", "verticalAlign"],
]);

function kindOf(names: readonly string[]): "move" | "resize" | "style" | "text" | "update" {
  if (names.every((name) => places.has(name))) return "move";
  if (names.every((name) => sizes.has(name))) return "resize";
  if (names.every((name) => looks.has(name))) return "style";
  return names.some(isText) ? "text" : "update";
}
