/**
 * Keeps a scene of Excalidraw and a document of the SDK the same. Between the two stands `known`: for each element what
 * the document was known to hold when the scene showed the same. From it follows, at any moment, who did what:
 *
 *     scene  differs from known  →  this person did it  →  `flush` sends it, `known` follows the scene
 *     board  differs from scene  →  somebody else did   →  `apply` shows it, `known` follows the board
 *
 * Rules, each found by breaking it:
 * - `flush` before `apply`, always: `onChange` comes late, and an edit that was not sent yet would look like the state
 *   before somebody else's, and be undone or absorbed.
 * - Nothing is applied before the editor's first `onChange`: it is still reading its initial data (`initialElements`).
 * - What a person holds in the middle of a gesture is written into, never replaced (`held.ts`).
 * - Remote changes cost the editor a rendering each: they wait for the next animation frame.
 * - `captureUpdate: NEVER`: what others did is not for this person's undo.
 */
import type { Properties } from "../../client/index.ts";
import { boundByShape, repairedBound, targetsOf } from "./bound-elements.ts";
import { elementChange, makeChange, type SceneChange } from "./difference.ts";
import { animationFrame, type NextFrame } from "./frames.ts";
import { heldElements } from "./held.ts";
import { type Board, type Editor, type SceneElement, toWire } from "./model.ts";
import { fieldsBetween, inOrder, type SceneCounters, toScene } from "./scene.ts";
import type { TextField } from "./text-field.ts";

export interface BindingOptions {
  /** Excalidraw's `mutateElement`: writes into an element and forgets its cached shape. */
  mutateElement(element: SceneElement, updates: Record<string, unknown>, inform: false): unknown;
  /** When others' changes are shown. Default: `requestAnimationFrame`; `pacedFrames` for boards on which many draw. */
  readonly nextFrame?: NextFrame;
  /** The open text field (`findTextField`); default: none is ever open. */
  readonly textField?: () => TextField | undefined;
  /** Measures a text anew after two people's typing was merged: `refreshText` of `excalidraw.ts`. */
  readonly measureText?: (
    text: SceneElement,
    scene: readonly SceneElement[],
  ) => Record<string, unknown> | undefined;
  /** Whether this person may edit; default: yes. While not, what the editor does by itself is not sent. */
  readonly mayEdit?: () => boolean;
  /** A change of this person that the document does not take; the scene goes back to what the document says. */
  readonly onRefused?: (error: unknown) => void;
  readonly random?: () => number;
  readonly now?: () => number;
}

export interface Binding {
  /** Sends now what the person did, instead of with the editor's next `onChange`. */
  flush(): void;
  /** Shows now what others did, instead of with the next frame. */
  apply(): void;
  close(): void;
}

/** The document's elements for Excalidraw's `initialData`. */
export function initialElements(board: Pick<Board, "elements">): SceneElement[] {
  const counters = { version: 1, versionNonce: 1 };
  const elements = [...board.elements].flatMap(([id, properties]) => toScene(id, properties, counters) ?? []);
  const bound = boundByShape(elements);
  return inOrder(elements).map((element) => ({ ...element, boundElements: bound.get(element.id) ?? null }));
}

/** How long after typing a person's page measures a text again that others typed into. */
const typedRecentlyMs = 5_000;

/** Binds a scene to a document until `close`. The scene has the document's elements from `initialElements`. */
export function bindExcalidraw(editor: Editor, board: Board, options: BindingOptions): Binding {
  const { mutateElement, textField = () => undefined, measureText } = options;
  const { mayEdit = () => true, onRefused = () => {} } = options;
  const { random = Math.random, now = () => performance.now(), nextFrame = animationFrame } = options;
  const known = new Map<string, Properties>();
  /** Versions of the scene's elements that were compared: an edit always makes a new one. */
  const seen = new Map<string, SceneCounters>();
  const stale = new Set<string>();
  const typedAt = new Map<string, number>();
  let cancelFrame: (() => void) | undefined;
  let started = false;
  let sending = false;
  let applying = false;

  const see = ({ id, version, versionNonce }: SceneElement): void =>
    void seen.set(id, { version, versionNonce });

  /** The editor has read its initial data; what it repaired in it is not this person's doing, but for the order. */
  const start = (): void => {
    started = true;
    for (const element of editor.getSceneElementsIncludingDeleted()) {
      const properties = board.get(element.id);
      if (properties === undefined || element.isDeleted) continue;
      const { index: _, ...wire } = toWire(element);
      known.set(element.id, properties.index === undefined ? wire : { ...wire, index: properties.index });
    }
    for (const id of board.elements.keys()) if (!known.has(id)) stale.add(id);
    if (stale.size > 0) schedule();
  };

  const collect = (): SceneChange[] => {
    const changes: SceneChange[] = [];
    const present = new Set<string>();
    for (const element of editor.getSceneElementsIncludingDeleted()) {
      const { id, version, versionNonce } = element;
      present.add(id);
      const last = seen.get(id);
      if (last?.version === version && last.versionNonce === versionNonce) continue;
      const change = elementChange(id, known.get(id), element);
      if (change !== undefined) changes.push(change);
      // What is not worth sending yet is looked at again.
      if (change !== undefined || known.has(id)) see(element);
    }
    for (const id of known.keys()) {
      if (!present.has(id)) changes.push({ type: "delete", element: id });
    }
    return changes;
  };

  const flush = (): void => {
    if (!started || applying || !mayEdit()) return;
    const changes = collect();
    if (changes.length === 0) return;
    // Together, so that nobody sees a shape without its text; one by one when something among them is refused.
    const refused = send(changes) === undefined ? [] : changes.filter((change) => fails(change));
    const scene = new Map(editor.getSceneElementsIncludingDeleted().map((element) => [element.id, element]));
    for (const change of changes) {
      if (refused.includes(change)) continue;
      const element = scene.get(change.element);
      if (change.type === "delete" || element === undefined) known.delete(change.element);
      else known.set(change.element, toWire(element));
      if (change.type === "write" && isTyping(change)) {
        typedAt.set(change.element, now());
        stale.add(change.element); // Merged, perhaps, with what the scene does not show yet.
      }
    }
    if (stale.size > 0) schedule();
  };

  const send = (changes: readonly SceneChange[]): unknown => {
    sending = true;
    try {
      board.transact((transaction) => {
        for (const change of changes) if (!makeChange(transaction, change)) stale.add(change.element);
      });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      sending = false;
    }
  };

  const fails = (change: SceneChange): boolean => {
    const error = send([change]);
    if (error === undefined) return false;
    stale.add(change.element);
    onRefused(error);
    return true;
  };

  const apply = (): void => {
    cancelFrame?.();
    cancelFrame = undefined;
    if (!started) return;
    flush();
    if (stale.size === 0) return;
    applying = true;
    try {
      show(mergeIntoTextField());
    } finally {
      applying = false;
    }
  };

  /** Others' typing goes into the field that is open here; the editor takes it from there into the scene. */
  const mergeIntoTextField = (): string | undefined => {
    const id = editor.getAppState().editingTextElement?.id;
    if (id === undefined || !stale.has(id)) return undefined;
    const text = board.get(id)?.originalText;
    const field = textField();
    if (typeof text !== "string" || field === undefined || field.composing) return undefined;
    if (field.value !== text) field.replace(text);
    return id;
  };

  const show = (merged: string | undefined): void => {
    const state = editor.getAppState();
    const before = editor.getSceneElementsIncludingDeleted();
    const held = heldElements(state, before);
    const scene = new Map(before.map((element) => [element.id, element]));
    const touched = new Set<string>();
    const later = new Set<string>();
    let reordered = false;
    let dirty = false;
    /** Writes fields of an element: in place where it is held, else as a new object. */
    const write = (element: SceneElement, fields: Record<string, unknown>): void => {
      dirty = true;
      if (held.has(element.id)) mutateElement(element, fields, false);
      else scene.set(element.id, { ...element, ...fields, ...next(element) });
      const written = scene.get(element.id);
      if (written !== undefined) see(written);
    };
    for (const id of stale) {
      const properties = board.get(id);
      const current = scene.get(id);
      if (properties === undefined) {
        known.delete(id);
        if (current === undefined || current.isDeleted) continue;
        for (const target of targetsOf(current)) touched.add(target);
        write(current, { isDeleted: true });
        continue;
      }
      const target = toScene(id, properties, next(current));
      if (target === undefined) continue;
      const wanted = toWire(target);
      touched.add(id);
      for (const shape of targetsOf(target)) touched.add(shape);
      if (current === undefined || current.isDeleted) {
        if (current !== undefined && held.has(id)) mutateElement(current, { ...target }, false);
        else scene.set(id, target);
        see(scene.get(id) ?? target);
        known.set(id, wanted);
        dirty = reordered = true;
        continue;
      }
      const present = toWire(current);
      let names = fieldsBetween(present, wanted);
      if (wanted.index === undefined) names = names.filter((name) => name !== "index");
      if (merged === id) {
        // The editor has measured the merged text itself: where it has it differently, that is an edit to send.
        names = names.filter((name) => !measured.has(name));
      } else if (names.includes("originalText") && state.editingTextElement?.id === id) {
        // The field cannot take it now: the scene must go on showing what the field does.
        names = names.filter((name) => !measured.has(name));
        later.add(id);
      }
      for (const shape of targetsOf(current)) touched.add(shape);
      if (names.includes("index")) reordered = true;
      known.set(id, later.has(id) ? { ...wanted, ...measuredOf(present) } : wanted);
      if (names.length > 0) write(current, pick(target, names));
      else see(current);
      if (merged === id) seen.delete(id);
      else if (names.includes("originalText")) measure(id, scene);
    }
    stale.clear();
    for (const id of later) stale.add(id);
    const bound = boundByShape([...scene.values()]);
    for (const id of touched) {
      const shape = scene.get(id);
      if (shape === undefined || shape.isDeleted) continue;
      const boundElements = repairedBound(shape, bound.get(id) ?? []);
      if (boundElements !== undefined) write(shape, { boundElements });
    }
    if (later.size > 0) schedule();
    if (!dirty) return;
    const elements = [...scene.values()];
    // The editor gives elements without a usable index one, as an edit: it is sent, so that all have the same order.
    editor.updateScene({ elements: reordered ? inOrder(elements) : elements, captureUpdate: "NEVER" });
  };

  /** The width that came with one person's typing is not that of both's: whoever typed last measures again. */
  const measure = (id: string, scene: Map<string, SceneElement>): void => {
    const element = scene.get(id);
    const typed = typedAt.get(id) ?? Number.NEGATIVE_INFINITY;
    if (element === undefined || now() - typed > typedRecentlyMs) return;
    const fields = measureText?.(element, [...scene.values()]);
    if (fields !== undefined) scene.set(id, { ...element, ...fields, ...next(element) });
  };

  const next = (element: SceneElement | undefined): SceneCounters => ({
    version: (element?.version ?? 0) + 1,
    versionNonce: Math.floor(random() * 2 ** 31),
  });

  const schedule = (): void => {
    cancelFrame ??= nextFrame(() => {
      cancelFrame = undefined;
      apply();
    });
  };

  const stops = [
    editor.onChange(() => {
      if (started) flush();
      else start();
    }),
    board.on("change", ({ elements }) => {
      if (sending) return;
      for (const id of elements) stale.add(id);
      schedule();
    }),
  ];
  return {
    flush,
    apply,
    close: () => {
      for (const stop of stops) stop();
      cancelFrame?.();
      started = false;
    },
  };
}

function pick(element: SceneElement, names: readonly string[]): Record<string, unknown> {
  const all = new Map<string, unknown>(Object.entries(element));
  return Object.fromEntries(names.map((name) => [name, all.get(name)]));
}

/** What the editor makes of a text as it is typed. */
const measured: ReadonlySet<string> = new Set(["text", "originalText", "width", "height", "x", "y"]);

function measuredOf(wire: Properties): Properties {
  return Object.fromEntries(Object.entries(wire).filter(([name]) => measured.has(name)));
}

function isTyping(change: SceneChange): boolean {
  return change.type === "write" && Object.keys(change.texts).length > 0;
}
