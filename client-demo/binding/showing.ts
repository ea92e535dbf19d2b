/** From the document to the scene: one pass over what is stale, to one new scene. */
import type { Properties } from "../../client/index.ts";
import { boundByShape, repairedBound, targetsOf } from "./bound-elements.ts";
import { heldElements } from "./held.ts";
import type { Known } from "./known.ts";
import { type EditorState, type SceneElement, toWire } from "./model.ts";
import { fieldsBetween, inOrder, type SceneCounters, toScene } from "./scene.ts";

/** What a pass works with. */
export interface ShowingContext {
  readonly state: EditorState;
  /** The scene as it is, deleted elements included. */
  readonly before: readonly SceneElement[];
  readonly known: Known;
  /** An element of the document. */
  get(id: string): Properties | undefined;
  /** The text whose open field has just taken what others typed. */
  readonly merged: string | undefined;
  /** Writes into an element that the editor holds. */
  mutate(element: SceneElement, fields: Record<string, unknown>): void;
  /** A text's fields measured anew; undefined: not this page's to do. */
  measure(text: SceneElement, scene: readonly SceneElement[]): Record<string, unknown> | undefined;
  readonly random: () => number;
}

/** What the editor makes of a text as it is typed. */
const measuredNames: ReadonlySet<string> = new Set(["text", "originalText", "width", "height", "x", "y"]);

/**
 * Shows what is stale.
 * @returns the new scene, in its order; undefined: it may stay as it is. What has to wait is stale again.
 */
export function showStale(context: ShowingContext): readonly SceneElement[] | undefined {
  return new Pass(context).run();
}

class Pass {
  readonly #context: ShowingContext;
  readonly #scene: Map<string, SceneElement>;
  readonly #held: ReadonlySet<string>;
  /** Shapes whose list of what is bound to them may be another now. */
  readonly #touched = new Set<string>();
  /** What cannot be shown yet. */
  readonly #later = new Set<string>();
  #reordered = false;
  #dirty = false;

  constructor(context: ShowingContext) {
    this.#context = context;
    this.#held = heldElements(context.state, context.before);
    // The editor keeps what was deleted for others and for its own undo, which are the SDK's here. Of a text that is
    // being typed it has the field open still.
    const kept = context.before.filter(
      (element) =>
        !context.known.isTombstone(element) ||
        this.#held.has(element.id) ||
        context.state.editingTextElement?.id === element.id,
    );
    this.#scene = new Map(kept.map((element) => [element.id, element]));
  }

  run(): readonly SceneElement[] | undefined {
    const { known } = this.#context;
    for (const id of known.stale) this.#showElement(id);
    known.stale.clear();
    for (const id of this.#later) known.stale.add(id);
    this.#repairBound();
    if (!this.#dirty) return undefined;
    const elements = [...this.#scene.values()];
    return this.#reordered ? inOrder(elements) : elements;
  }

  #showElement(id: string): void {
    const properties = this.#context.get(id);
    const current = this.#scene.get(id);
    if (properties === undefined) {
      this.#remove(id, current);
      return;
    }
    const target = toScene(id, properties, this.#next(current));
    if (target === undefined) return;
    this.#touched.add(id);
    for (const shape of targetsOf(target)) this.#touched.add(shape);
    if (current === undefined || current.isDeleted) this.#put(target, current);
    else this.#update(current, target);
  }

  #remove(id: string, current: SceneElement | undefined): void {
    this.#context.known.forget(id);
    if (current === undefined || current.isDeleted) return;
    for (const target of targetsOf(current)) this.#touched.add(target);
    this.#write(current, { isDeleted: true });
  }

  /** An element that the scene does not have, or has no more. */
  #put(target: SceneElement, current: SceneElement | undefined): void {
    const { known } = this.#context;
    const { id } = target;
    if (current !== undefined && this.#held.has(id)) this.#context.mutate(current, { ...target });
    else this.#scene.set(id, target);
    known.see(this.#scene.get(id) ?? target);
    known.agree(id, toWire(target));
    this.#dirty = this.#reordered = true;
  }

  #update(current: SceneElement, target: SceneElement): void {
    const { known, merged, state } = this.#context;
    const { id } = target;
    const [present, wanted] = [toWire(current), toWire(target)];
    let names = fieldsBetween(present, wanted);
    if (wanted.index === undefined) names = names.filter((name) => name !== "index");
    const isTyped = names.includes("originalText") && state.editingTextElement?.id === id;
    // The editor has measured a merged text itself: where it has it differently, that is an edit to send. A field that
    // cannot take a text now goes on showing what it has, and so must the scene.
    if (merged === id || isTyped) names = names.filter((name) => !measuredNames.has(name));
    if (merged !== id && isTyped) this.#later.add(id);
    for (const shape of targetsOf(current)) this.#touched.add(shape);
    if (names.includes("index")) this.#reordered = true;
    known.agree(id, this.#later.has(id) ? { ...wanted, ...measuredOf(present) } : wanted);
    if (names.length > 0) this.#write(current, pick(target, names));
    else known.see(current);
    if (merged === id) known.lookAgainAt(id);
    else if (names.includes("originalText")) this.#measure(id);
  }

  /** Writes fields of an element: in place where it is held, else as a new object. */
  #write(element: SceneElement, fields: Record<string, unknown>): void {
    const { id } = element;
    this.#dirty = true;
    if (this.#held.has(id)) this.#context.mutate(element, fields);
    else this.#scene.set(id, { ...element, ...fields, ...this.#next(element) });
    this.#context.known.see(this.#scene.get(id) ?? element);
  }

  /** The width that came with one person's typing is not that of both's: whoever typed last measures again, and sends. */
  #measure(id: string): void {
    const element = this.#scene.get(id);
    if (element === undefined) return;
    const fields = this.#context.measure(element, [...this.#scene.values()]);
    if (fields !== undefined) this.#scene.set(id, { ...element, ...fields, ...this.#next(element) });
  }

  #repairBound(): void {
    const bound = boundByShape(this.#scene.values(), this.#touched);
    for (const id of this.#touched) {
      const shape = this.#scene.get(id);
      if (shape === undefined || shape.isDeleted) continue;
      const boundElements = repairedBound(shape, bound.get(id) ?? []);
      if (boundElements !== undefined) this.#write(shape, { boundElements });
    }
  }

  #next(element: SceneElement | undefined): SceneCounters {
    return {
      version: (element?.version ?? 0) + 1,
      versionNonce: Math.floor(this.#context.random() * 2 ** 31),
    };
  }
}

function pick(element: SceneElement, names: readonly string[]): Record<string, unknown> {
  const all = new Map<string, unknown>(Object.entries(element));
  return Object.fromEntries(names.map((name) => [name, all.get(name)]));
}

function measuredOf(wire: Properties): Properties {
  return Object.fromEntries(Object.entries(wire).filter(([name]) => measuredNames.has(name)));
}
