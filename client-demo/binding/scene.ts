/** The document's elements as the editor wants them: pure. What others wrote is not believed to be well-formed. */
import type { Json, Properties } from "../../client/index.ts";
import { type SceneElement, sameValue } from "./model.ts";

type Fields = { readonly [name: string]: Json };

const common: Fields = {
  x: 0,
  y: 0,
  width: 100,
  height: 100,
  angle: 0,
  strokeColor: "#1e1e1e",
  backgroundColor: "transparent",
  fillStyle: "solid",
  strokeWidth: 2,
  strokeStyle: "solid",
  roughness: 1,
  opacity: 100,
  groupIds: [],
  frameId: null,
  roundness: null,
  seed: 1,
  link: null,
  locked: false,
};

const line: Fields = { points: [], startBinding: null, endBinding: null, startArrowhead: null };

/** What an element of each kind has at least, and of what kind each of its values is. */
const kinds: ReadonlyMap<string, Fields> = new Map([
  ["rectangle", common],
  ["diamond", common],
  ["ellipse", common],
  ["frame", { ...common, name: null }],
  ["magicframe", { ...common, name: null }],
  ["embeddable", common],
  ["line", { ...common, ...line, endArrowhead: null }],
  ["arrow", { ...common, ...line, endArrowhead: "arrow", elbowed: false }],
  ["freedraw", { ...common, points: [], pressures: [], simulatePressure: true, lastCommittedPoint: null }],
  ["image", { ...common, fileId: null, scale: [1, 1], crop: null }],
  [
    "text",
    {
      ...common,
      text: "",
      originalText: "",
      fontSize: 20,
      fontFamily: 5,
      textAlign: "left",
      verticalAlign: "top",
      containerId: null,
      autoResize: true,
      lineHeight: 1.25,
    },
  ],
]);

/** Version and nonce of an element in the scene that it is put into. */
export interface SceneCounters {
  readonly version: number;
  readonly versionNonce: number;
}

/**
 * An element for the scene, with everything that the editor relies on; undefined for what is no drawing. Everything in
 * it is a copy.
 */
export function toScene(
  id: string,
  properties: Properties,
  counters: SceneCounters,
): SceneElement | undefined {
  const { type } = properties;
  if (typeof type !== "string") return undefined;
  const defaults = kinds.get(type);
  if (defaults === undefined) return undefined;
  const fields: { [name: string]: Json } = { ...structuredClone(defaults) };
  for (const [name, value] of Object.entries(properties)) {
    const fallback = defaults[name];
    if (fallback === undefined || fits(name, fallback, value)) fields[name] = structuredClone(value);
  }
  if (type === "text") completeText(fields, properties);
  if (type === "line" || type === "arrow") completeLine(fields);
  if (type === "line" || type === "arrow") fields.lastCommittedPoint = null;
  if (type === "image") fields.status = "saved";
  // A wire-only property (`images.ts`), and those that belong to a scene.
  delete fields.asset;
  const index = isFractionalIndex(fields.index) ? fields.index : null;
  const own = { id, type, index, isDeleted: false, boundElements: null, updated: 1, ...counters };
  return Object.assign(fields, own) as unknown as SceneElement;
}

/** Order of the scene: by index, and where two first strokes got the same one, by id. */
export function inOrder(elements: readonly SceneElement[]): SceneElement[] {
  return [...elements].sort((one, other) => {
    const [left, right] = [indexOf(one), indexOf(other)];
    if (left === right) return one.id < other.id ? -1 : 1;
    if (left === undefined) return 1;
    if (right === undefined) return -1;
    return left < right ? -1 : 1;
  });
}

export function indexOf(element: SceneElement): string | undefined {
  const { index } = element as { readonly index?: unknown };
  return typeof index === "string" ? index : undefined;
}

function fits(name: string, fallback: Json, value: Json): boolean {
  if (name === "points") return Array.isArray(value) && value.every(isPoint);
  if (name === "scale") return isPoint(value);
  if (name === "lastCommittedPoint") return value === null || isPoint(value);
  // Places further away than this the editor cannot show; a seed is any number.
  if (typeof fallback === "number")
    return typeof value === "number" && (name === "seed" || Math.abs(value) < 1e7);
  // A null stands for an object or a text; an empty list for a list.
  if (fallback === null) return value === null || typeof value === "object" || typeof value === "string";
  if (Array.isArray(fallback)) return Array.isArray(value);
  return typeof value === typeof fallback || (value === null && name.endsWith("Arrowhead"));
}

const isPoint = (value: Json): boolean =>
  Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "number");

/** Scripts write `text` alone, and know no widths of letters. */
function completeText(fields: { [name: string]: Json }, given: Properties): void {
  const text = String(fields.text);
  if (typeof given.originalText !== "string") fields.originalText = text;
  const size = Number(fields.fontSize);
  const lines = text.split("\n");
  if (typeof given.width !== "number")
    fields.width = Math.max(...lines.map(({ length }) => length)) * size * 0.6;
  if (typeof given.height !== "number") fields.height = lines.length * size * Number(fields.lineHeight);
}

/** A line has two ends; the editor fails where there are none. */
function completeLine(fields: { [name: string]: Json }): void {
  const { points, width, height } = fields;
  if (Array.isArray(points) && points.length >= 2) return;
  fields.points = [
    [0, 0],
    [Number(width), Number(height)],
  ];
}

/** As `fractional-indexing` makes them: the editor throws on others. */
function isFractionalIndex(value: Json | undefined): value is string {
  if (typeof value !== "string" || !/^[A-Za-z][0-9A-Za-z]+$/.test(value)) return false;
  const head = value.charCodeAt(0);
  const integerLength = head >= 97 ? head - 97 + 2 : 90 - head + 2;
  if (value.length < integerLength) return false;
  const fraction = value.slice(integerLength);
  return !fraction.endsWith("0") && value !== `A${"0".repeat(26)}`;
}

/** The properties of `after` that differ, and names that are gone. */
export function fieldsBetween(before: Properties, after: Properties): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !sameValue(before[name], after[name]));
}
