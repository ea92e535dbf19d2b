/**
 * What the binding needs to know of Excalidraw and of the SDK, by shape alone: it imports neither, so it runs, and is
 * tested, without a browser. Excalidraw's own types (0.18) and `DocumentReplica` fit these.
 */
import type { Json, Properties, PropertiesToSet, Unsubscribe } from "../../client/index.ts";

/** An element of a scene. The editor writes into these objects: what is kept or sent is a copy. */
export interface SceneElement {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly versionNonce: number;
  readonly isDeleted: boolean;
}

/** What the editor has under the pointer or the text cursor. */
export interface EditorState {
  readonly cursorButton?: "up" | "down";
  readonly selectedElementIds: Readonly<Record<string, boolean>>;
  readonly newElement: { readonly id: string } | null;
  readonly multiElement: { readonly id: string } | null;
  readonly resizingElement: { readonly id: string } | null;
  readonly editingLinearElement: { readonly elementId: string } | null;
  readonly editingTextElement: { readonly id: string } | null;
}

/** The part of `ExcalidrawImperativeAPI` that is used here. */
export interface Editor {
  getSceneElementsIncludingDeleted(): readonly SceneElement[];
  getAppState(): EditorState;
  updateScene(scene: { readonly elements: readonly SceneElement[]; readonly captureUpdate: "NEVER" }): void;
  onChange(listener: () => void): Unsubscribe;
}

/** The part of a transaction that is used here. */
export interface BoardTransaction {
  get(element: string): Properties | undefined;
  create(element: string, properties: PropertiesToSet): void;
  update(element: string, set: PropertiesToSet, options?: { readonly unset?: readonly string[] }): void;
  move(element: string, set: PropertiesToSet, options?: { readonly unset?: readonly string[] }): void;
  resize(element: string, set: PropertiesToSet, options?: { readonly unset?: readonly string[] }): void;
  style(element: string, set: PropertiesToSet, options?: { readonly unset?: readonly string[] }): void;
  text(element: string, set: PropertiesToSet, options?: { readonly unset?: readonly string[] }): void;
  append(element: string, property: string, items: readonly Json[]): void;
  edit(element: string, property: string, text: string): void;
  delete(element: string): void;
}

/** The part of `DocumentReplica` that is used here. */
export interface Board {
  readonly elements: ReadonlyMap<string, Properties>;
  get(element: string): Properties | undefined;
  transact(change: (transaction: BoardTransaction) => void): void;
  on(name: "change", listener: (event: { readonly elements: readonly string[] }) => void): Unsubscribe;
}

/**
 * Properties that stay in the scene they belong to. The editor's own counters would make every echo look like an edit.
 * `boundElements` says again what arrows and texts say about themselves: it is derived (`bound-elements.ts`), because
 * two arrows that are bound to a shape at once would overwrite each other's entry.
 */
const sceneOnly: ReadonlySet<string> = new Set([
  "id",
  "version",
  "versionNonce",
  "updated",
  "isDeleted",
  "boundElements",
  "status",
]);

const roundedNames: ReadonlySet<string> = new Set(["points", "pressures", "lastCommittedPoint"]);

/** Two decimals: a hundredth of a pixel. A stroke as drawn has fifteen, most of its bytes. */
const round = (value: number): number => Math.round(value * 100) / 100;

/** A scene element as others get it. A copy: the editor goes on writing into its own. */
export function toWire(element: SceneElement): Properties {
  const wire: { [name: string]: Json } = {};
  for (const [name, value] of Object.entries(element)) {
    if (sceneOnly.has(name) || value === undefined) continue;
    if (name === "index" && value === null) continue;
    const freehand = element.type === "freedraw";
    // Of a stroke it says that it is finished, which shows at its end; of a line nothing that lasts.
    if (name === "lastCommittedPoint" && !freehand) continue;
    const rounded = freehand && roundedNames.has(name);
    wire[name] = rounded ? roundAll(value) : copy(value);
  }
  return wire;
}

function roundAll(value: Json): Json {
  if (typeof value === "number") return round(value);
  return Array.isArray(value) ? value.map(roundAll) : value;
}

function copy(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** Whether two values say the same. */
export function sameValue(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item, index) => sameValue(item, other[index]));
  }
  const left = one as { readonly [key: string]: Json };
  const right = other as { readonly [key: string]: Json };
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && sameValue(left[name], right[name]));
}
