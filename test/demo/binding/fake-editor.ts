/**
 * An editor that behaves as Excalidraw does where the binding has to mind it: it writes into its elements, holds the one
 * under the pointer by reference, tells of changes late, gives orders to what has none, and writes a text field's whole
 * value into the scene with each key.
 */
import type { Editor, EditorState, SceneElement } from "../../../client-demo/binding/model.ts";
import { toScene } from "../../../client-demo/binding/scene.ts";
import type { TextField } from "../../../client-demo/binding/text-field.ts";

/** As the editor sees its own elements: open to writing. */
export type Shape = { -readonly [Name in keyof SceneElement]: SceneElement[Name] } & {
  [name: string]: unknown;
};

export class FakeEditor implements Editor {
  elements: Shape[];
  /** How often the scene was replaced: each costs a rendering. */
  updates = 0;
  readonly #listeners = new Set<() => void>();
  readonly #newNonce: () => number;
  #stroke: Shape | undefined;
  #drag: { readonly id: string; readonly x: number; readonly y: number } | undefined;
  #typing: { readonly id: string; value: string } | undefined;

  constructor(initial: readonly SceneElement[], newNonce: () => number) {
    this.#newNonce = newNonce;
    this.elements = initial.map((element) => ({ ...element }));
    this.#giveOrder();
  }

  getSceneElementsIncludingDeleted(): readonly SceneElement[] {
    return this.elements;
  }

  getAppState(): EditorState {
    return {
      cursorButton: this.#stroke !== undefined || this.#drag !== undefined ? "down" : "up",
      selectedElementIds: this.#drag === undefined ? {} : { [this.#drag.id]: true },
      newElement: this.#stroke ?? null,
      multiElement: null,
      resizingElement: null,
      editingLinearElement: null,
      editingTextElement: this.#typing ?? null,
    };
  }

  updateScene({ elements }: { readonly elements: readonly SceneElement[] }): void {
    this.updates += 1;
    this.elements = elements.map((element) => element as Shape);
    this.#giveOrder();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The late `onChange`. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  readonly textField = (): TextField | undefined => {
    const typing = this.#typing;
    if (typing === undefined) return undefined;
    return { value: typing.value, composing: false, replace: (text) => this.type(text) };
  };

  readonly mutateElement = (element: SceneElement, updates: Record<string, unknown>): void => {
    Object.assign(element, updates);
    this.#bump(element as Shape);
  };

  get living(): Shape[] {
    return this.elements.filter(({ isDeleted }) => !isDeleted);
  }

  get busy(): boolean {
    return (this.#stroke ?? this.#drag ?? this.#typing) !== undefined;
  }

  add(shape: { readonly id: string; readonly type: string } & Record<string, unknown>): Shape {
    const { id, type, ...fields } = shape;
    const counters = { version: 1, versionNonce: this.#newNonce() };
    const made = toScene(id, { type, width: 10, height: 10 }, counters) as Shape;
    Object.assign(made, { index: undefined }, fields);
    this.elements = [...this.elements, made];
    this.#giveOrder();
    return made;
  }

  change(shape: Shape, fields: Record<string, unknown>): void {
    Object.assign(shape, fields);
    this.#bump(shape);
  }

  /** Only what is the last is brought to the front by a new order. */
  toBack(shape: Shape): void {
    this.elements = [shape, ...this.elements.filter((other) => other !== shape)];
    this.change(shape, { index: undefined });
    this.#giveOrder();
  }

  remove(shape: Shape, withTombstone: boolean): void {
    if (withTombstone) this.change(shape, { isDeleted: true });
    else this.elements = this.elements.filter((other) => other !== shape);
  }

  beginStroke(id: string): void {
    this.#stroke = this.add({
      id,
      type: "freedraw",
      points: [[0, 0]],
      pressures: [],
      simulatePressure: true,
    });
  }

  drawPoint(point: readonly [number, number]): void {
    const stroke = this.#stroke;
    if (stroke === undefined) return;
    // Whoever replaced the object under the pointer draws on one that nobody sees.
    const points = [...(stroke.points as [number, number][]), point];
    this.change(stroke, { points, width: points.length });
  }

  beginDrag(shape: Shape): void {
    this.#drag = { id: shape.id, x: Number(shape.x), y: Number(shape.y) };
  }

  dragBy(x: number, y: number): void {
    const shape = this.living.find(({ id }) => id === this.#drag?.id);
    if (shape === undefined || this.#drag === undefined) return;
    this.change(shape, { x: this.#drag.x + x, y: this.#drag.y + y });
  }

  beginTyping(shape: Shape): void {
    this.#typing = { id: shape.id, value: String(shape.originalText) };
  }

  get typed(): string | undefined {
    return this.#typing?.value;
  }

  /** The field's whole text, as each key writes it. */
  type(value: string): void {
    const typing = this.#typing;
    if (typing === undefined) return;
    typing.value = value;
    this.elements = this.elements.map((element) => {
      if (element.id !== typing.id) return element;
      const replaced = { ...element, originalText: value, text: value, width: value.length * 10 };
      this.#bump(replaced);
      return replaced;
    });
  }

  endGesture(): void {
    const typing = this.#typing;
    this.#stroke = this.#drag = undefined;
    if (typing !== undefined) this.type(typing.value);
    this.#typing = undefined;
  }

  #bump(shape: Shape): void {
    shape.version += 1;
    shape.versionNonce = this.#newNonce();
  }

  #giveOrder(): void {
    let last = "a0";
    this.elements.forEach((element, at) => {
      const { index } = element;
      const following = this.elements.slice(at + 1).find(({ index: later }) => typeof later === "string");
      if (typeof index !== "string" || index <= last) {
        const between = `${last}V`;
        const before = following !== undefined && `${last}0V` < String(following.index);
        this.change(element, {
          index: between < String(following?.index) || !before ? between : `${last}0V`,
        });
      }
      last = String(element.index);
    });
  }
}
