import type { Json, Properties } from "../client/index.ts";

export const itemKinds = ["note", "box", "ellipse", "stroke"] as const;
export type ItemKind = (typeof itemKinds)[number];

/** An element as the board draws it. Other clients may write anything: what does not fit gets a harmless value. */
export interface Item {
  readonly kind: ItemKind;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  /** Later ones cover earlier ones. */
  readonly z: number;
  readonly colour: string;
  readonly text: string;
  /** Of a stroke, relative to `x` and `y`. */
  readonly points: readonly (readonly [number, number])[];
}

/** What there is to choose from: dark text is readable on each. */
export const colours = [
  { value: "#ffd43b", name: "Yellow" },
  { value: "#ffa8a8", name: "Red" },
  { value: "#8ce99a", name: "Green" },
  { value: "#74c0fc", name: "Blue" },
  { value: "#d0bfff", name: "Violet" },
  { value: "#ced4da", name: "Grey" },
] as const;

/** The board's size, in pixels. */
export const boardSize = { w: 3_000, h: 2_000 } as const;

/** Reads an element. */
export function readItem(properties: Properties): Item {
  const { kind, colour, text, points } = properties;
  return {
    kind: itemKinds.find((known) => known === kind) ?? "box",
    x: within(properties.x, 0, boardSize.w, 100),
    y: within(properties.y, 0, boardSize.h, 100),
    w: within(properties.w, 8, 2000, 160),
    h: within(properties.h, 8, 2000, 120),
    z: within(properties.z, 0, 1_000_000, 0),
    colour: typeof colour === "string" && /^#[0-9a-f]{6}$/i.test(colour) ? colour : colours[0].value,
    text: typeof text === "string" ? text : "",
    points: Array.isArray(points) ? points.flatMap(readPoint) : [],
  };
}

const kindNames = { note: "Note", box: "Box", ellipse: "Ellipse", stroke: "Pen stroke" } as const;

/** What an element is called where it is not seen. */
export function labelOf({ kind, text }: Item): string {
  return text === "" ? kindNames[kind] : `${kindNames[kind]}: ${text.slice(0, 80)}`;
}

function readPoint(value: Json): [number, number][] {
  if (!Array.isArray(value)) return [];
  const [x, y] = value;
  return typeof x === "number" && typeof y === "number" ? [[x, y]] : [];
}

function within(value: Json | undefined, least: number, most: number, otherwise: number): number {
  return typeof value === "number" ? Math.min(most, Math.max(least, value)) : otherwise;
}
