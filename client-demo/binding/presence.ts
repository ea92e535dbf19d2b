/**
 * Pointers, selections and views of the others, and one's own for them, by the SDK's presence. Others' state is not
 * believed to be well-formed.
 */
import type { Json, PresenceState, SessionInfo, Unsubscribe } from "../../client/index.ts";
import { animationFrame, type NextFrame } from "./frames.ts";

/** A collaborator as Excalidraw draws them. */
export interface Collaborator {
  /** Their colour follows from it, and nothing else. */
  readonly id: string;
  readonly socketId: string;
  readonly username: string;
  readonly pointer?: { readonly x: number; readonly y: number; readonly tool: "pointer" | "laser" };
  readonly button?: "up" | "down";
  readonly selectedElementIds?: Record<string, true>;
}

/** What somebody sees of the board: left, top, right, bottom, in the scene's coordinates. */
export type ViewBounds = readonly [number, number, number, number];

/** The part of the editor's state that others see. */
interface ViewState {
  readonly scrollX: number;
  readonly scrollY: number;
  readonly width: number;
  readonly height: number;
  readonly zoom: { readonly value: number };
  readonly selectedElementIds: Readonly<Record<string, boolean>>;
}

interface PresenceEditor {
  getAppState(): ViewState;
  updateScene(scene: { readonly collaborators: Map<string, Collaborator> }): void;
  onChange(listener: () => void): Unsubscribe;
}

interface PresenceBoard {
  readonly presence: {
    readonly others: ReadonlyMap<string, SessionInfo>;
    set(state: PresenceState): void;
  };
  readonly connection: { readonly state: string };
  on(name: "presence" | "status", listener: () => void): Unsubscribe;
}

export interface PresenceBinding {
  /** For Excalidraw's `onPointerUpdate`. */
  pointerMoved(update: {
    readonly pointer: { readonly x: number; readonly y: number; readonly tool: "pointer" | "laser" };
    readonly button: "up" | "down";
  }): void;
  close(): void;
}

/** How somebody is shown. */
export interface CollaboratorLook {
  readonly name: string;
  /** Their colour: `hsl(${hueStep * 10}, 100%, 83%)`, 0 to 36. */
  readonly hueStep: number;
}

/** A selection is told to others up to here: a state has to stay small. */
const mostSelected = 60;

/** Binds until `close`. `looksOf` says how people are shown, by user id; `nextFrame` is the elements' (`pacedFrames`). */
export function bindPresence(
  editor: PresenceEditor,
  board: PresenceBoard,
  looksOf: (others: readonly SessionInfo[]) => ReadonlyMap<string, CollaboratorLook>,
  nextFrame: NextFrame = animationFrame,
): PresenceBinding {
  let pointer: Json | undefined;
  let told = "";
  let cancelFrame: (() => void) | undefined;
  const tell = (): void => {
    const { selectedElementIds, ...state } = editor.getAppState();
    const selection = Object.keys(selectedElementIds).filter((id) => selectedElementIds[id]);
    const next = {
      ...(pointer === undefined ? {} : { pointer }),
      selection: selection.slice(0, mostSelected),
      view: boundsOf(state).map(Math.round),
    };
    const text = JSON.stringify(next);
    if (text === told) return;
    told = text;
    board.presence.set(next);
  };
  const draw = (): void => {
    cancelFrame = undefined;
    const collaborators = new Map<string, Collaborator>();
    // Without a connection nobody knows where they are.
    const { state } = board.connection;
    const others = state === "live" || state === "syncing" ? [...board.presence.others.values()] : [];
    const looks = looksOf(others);
    for (const session of others)
      collaborators.set(session.sessionId, collaboratorOf(session, looks.get(session.user.id)));
    editor.updateScene({ collaborators });
  };
  const schedule = (): void => {
    cancelFrame ??= nextFrame(draw);
  };
  const stops = [editor.onChange(tell), board.on("presence", schedule), board.on("status", schedule)];
  schedule();
  return {
    pointerMoved: (update) => {
      const { x, y, tool } = update.pointer;
      pointer = { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10, tool, button: update.button };
      tell();
    },
    close: () => {
      for (const stop of stops) stop();
      cancelFrame?.();
    },
  };
}

/**
 * The editor makes a colour of an id: the hue is ten times the sum of its UTF-16 units, weighted, modulo 37
 * (`getClientColor` of 0.18). Of one unit that is the unit itself.
 */
const idOfHue = (hueStep: number): string => String.fromCharCode(37 * 2 + hueStep);

function collaboratorOf(session: SessionInfo, look: CollaboratorLook | undefined): Collaborator {
  const { pointer, selection } = session.presence ?? {};
  const base = {
    id: look === undefined ? session.user.id : idOfHue(look.hueStep),
    socketId: session.sessionId,
    username: look?.name ?? session.user.id,
  };
  const selected = Array.isArray(selection) ? selection.filter((id) => typeof id === "string") : [];
  const place = pointOf(pointer);
  return {
    ...base,
    ...(place === undefined ? {} : place),
    selectedElementIds: Object.fromEntries(selected.slice(0, mostSelected).map((id) => [id, true as const])),
  };
}

function pointOf(pointer: Json | undefined): Pick<Collaborator, "pointer" | "button"> | undefined {
  if (typeof pointer !== "object" || pointer === null || Array.isArray(pointer)) return undefined;
  const { x, y, tool, button } = pointer as { readonly [name: string]: Json };
  if (typeof x !== "number" || typeof y !== "number") return undefined;
  return {
    pointer: { x, y, tool: tool === "laser" ? "laser" : "pointer" },
    button: button === "down" ? "down" : "up",
  };
}

function boundsOf({
  scrollX,
  scrollY,
  width,
  height,
  zoom,
}: Omit<ViewState, "selectedElementIds">): number[] {
  return [-scrollX, -scrollY, width / zoom.value - scrollX, height / zoom.value - scrollY];
}

/** The view that a session told, if it did. */
export function viewOf(session: SessionInfo | undefined): ViewBounds | undefined {
  const view = session?.presence?.view;
  if (!Array.isArray(view) || view.length !== 4) return undefined;
  const [left, top, right, bottom] = view;
  const numbers = [left, top, right, bottom].every((part) => typeof part === "number");
  if (!numbers || Number(right) <= Number(left) || Number(bottom) <= Number(top)) return undefined;
  return [Number(left), Number(top), Number(right), Number(bottom)];
}

/** Scroll and zoom that show all of somebody's view on this screen, in its middle. */
export function scrollTo(
  [left, top, right, bottom]: ViewBounds,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly scrollX: number; readonly scrollY: number; readonly zoom: { readonly value: number } } {
  const fit = Math.min(width / (right - left), height / (bottom - top));
  const value = Math.min(30, Math.max(0.1, fit));
  return {
    scrollX: width / value / 2 - (left + right) / 2,
    scrollY: height / value / 2 - (top + bottom) / 2,
    zoom: { value },
  };
}
