/**
 * Keeps a scene of Excalidraw and a document of the SDK the same. Between the two stands `known`: for each element what
 * the document was known to hold when the scene showed the same (`known.ts`). From it follows, at any moment, who did what:
 *
 *     scene  differs from known  →  this person did it  →  `flush` sends it (`sending.ts`), `known` follows the scene
 *     board  differs from scene  →  somebody else did   →  `apply` shows it (`showing.ts`), `known` follows the board
 *
 * Rules, each found by breaking it:
 * - `flush` before `apply`, always: `onChange` comes late, and an edit that was not sent yet would look like the state
 *   before somebody else's, and be undone or absorbed.
 * - Nothing is applied before the editor's first `onChange`: it is still reading its initial data (`initialScene`). What
 *   the document holds by then may be another: to tell, it is compared with what it held when that data was made.
 * - What a person holds in the middle of a gesture is written into, never replaced (`held.ts`).
 * - Remote changes cost the editor a rendering each: they wait for the next animation frame.
 * - `captureUpdate: NEVER`: what others did is not for this person's undo.
 */
import { animationFrame, type NextFrame } from "./frames.ts";
import type { InitialScene } from "./initial.ts";
import { Known } from "./known.ts";
import type { Editor, SceneElement } from "./model.ts";
import { Sending } from "./sending.ts";
import { showStale } from "./showing.ts";
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
  /** Why this person may not change an element now, if so: what else they change with it is sent all the same. */
  readonly refusal?: (element: string) => Error | undefined;
  /**
   * A change of this person that the document does not take; the scene goes back to what the document says.
   * @param partly others that were made with it are taken.
   */
  readonly onRefused?: (error: unknown, partly: boolean) => void;
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

/** Binds an editor that began with `initial` to its document, until `close`. However much later: nothing is missed. */
export function bindExcalidraw(editor: Editor, initial: InitialScene, options: BindingOptions): Binding {
  const { board } = initial;
  const { mutateElement, textField = () => undefined, measureText } = options;
  const { mayEdit = () => true, refusal = () => undefined, onRefused = () => {} } = options;
  const { random = Math.random, now = () => performance.now(), nextFrame = animationFrame } = options;
  const known = new Known();
  const sending = new Sending({ board, known, now, refusal, onRefused });
  const scene = (): readonly SceneElement[] => editor.getSceneElementsIncludingDeleted();
  let cancelFrame: (() => void) | undefined;
  let started = false;
  let applying = false;

  const start = (): void => {
    started = true;
    known.begin(scene(), initial);
    scheduleStale();
  };

  const send = (): void => {
    if (started && !applying && mayEdit()) sending.flush(scene);
  };

  const flush = (): void => {
    send();
    scheduleStale();
  };

  const apply = (): void => {
    cancelFrame?.();
    cancelFrame = undefined;
    if (!started) return;
    send();
    if (known.stale.size === 0) return;
    applying = true;
    try {
      show(mergeIntoTextField());
    } finally {
      applying = false;
    }
    scheduleStale();
  };

  /** Others' typing goes into the field that is open here; the editor takes it from there into the scene. */
  const mergeIntoTextField = (): string | undefined => {
    const id = editor.getAppState().editingTextElement?.id;
    if (id === undefined || !known.stale.has(id)) return undefined;
    const text = board.get(id)?.originalText;
    const field = textField();
    if (typeof text !== "string" || field === undefined || field.composing) return undefined;
    if (field.value !== text) field.replace(text);
    return id;
  };

  const show = (merged: string | undefined): void => {
    const elements = showStale({
      state: editor.getAppState(),
      before: scene(),
      known,
      get: (id) => board.get(id),
      merged,
      mutate: (element, fields) => mutateElement(element, fields, false),
      measure: (text, all) => (sending.typedRecently(text.id) ? measureText?.(text, all) : undefined),
      random,
    });
    // The editor gives elements without a usable index one, as an edit: it is sent, so that all have the same order.
    if (elements !== undefined) editor.updateScene({ elements, captureUpdate: "NEVER" });
  };

  const scheduleStale = (): void => {
    if (!started || known.stale.size === 0) return;
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
      if (sending.active) return;
      for (const id of elements) known.stale.add(id);
      scheduleStale();
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
