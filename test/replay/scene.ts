/** A scene drawn with the real Excalidraw editor, as the steps by which clients rebuild it. */
import { readFileSync } from "node:fs";
import type { Json, Properties } from "../../shared/document/json.ts";

export interface SceneElement {
  readonly id: string;
  readonly properties: Properties;
}

/** Reads a `.excalidraw` file: its elements in their order, without the id among the properties. */
export function readScene(path: string): SceneElement[] {
  const scene = JSON.parse(readFileSync(path, "utf8")) as { elements: ({ id: string } & Properties)[] };
  return scene.elements.map(({ id, ...properties }) => ({ id, properties }));
}

/** What of an element is written when: as a person draws it, a stroke grows by points and a text by words. */
export interface Growth {
  readonly first: Properties;
  /** Each appended to `points`. */
  readonly points: readonly (readonly Json[])[];
  /** Each inserted at the end of `text`. */
  readonly words: readonly string[];
}

/** Splits an element into its creation and what is added to it afterwards. */
export function growthOf({ properties }: SceneElement, chunk: number): Growth {
  const { points, text } = properties;
  const none = { first: properties, points: [], words: [] };
  if (properties.type === "freedraw" && Array.isArray(points) && points.length > chunk) {
    const chunks: (readonly Json[])[] = [];
    for (let from = chunk; from < points.length; from += chunk) chunks.push(points.slice(from, from + chunk));
    return { ...none, first: { ...properties, points: points.slice(0, chunk) }, points: chunks };
  }
  if (properties.type === "text" && typeof text === "string" && text.length > 4) {
    return {
      ...none,
      first: { ...properties, text: "" },
      words: text.match(/\S*\s*/g)?.filter((word) => word !== "") ?? [],
    };
  }
  return none;
}
