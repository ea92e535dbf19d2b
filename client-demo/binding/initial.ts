/** From the document to a new editor. */
import type { Properties } from "../../client/index.ts";
import { boundByShape } from "./bound-elements.ts";
import type { Board, SceneElement } from "./model.ts";
import { inOrder, toScene } from "./scene.ts";

/** What one editor begins with. Made once for each editor: what others change from then on is found by it. */
export interface InitialScene {
  readonly board: Board;
  /** For Excalidraw's `initialData`. */
  readonly elements: readonly SceneElement[];
  /** What the document held when `elements` were made. */
  readonly properties: ReadonlyMap<string, Properties>;
}

/** The document as it is now, for a new editor. */
export function initialScene(board: Board): InitialScene {
  const properties = new Map(board.elements);
  const counters = { version: 1, versionNonce: 1 };
  const elements = [...properties].flatMap(([id, fields]) => toScene(id, fields, counters) ?? []);
  const bound = boundByShape(elements);
  return {
    board,
    elements: inOrder(elements).map((element) => ({
      ...element,
      boundElements: bound.get(element.id) ?? null,
    })),
    properties,
  };
}
