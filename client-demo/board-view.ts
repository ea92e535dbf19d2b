/** Draws the elements and keeps the drawing up to date: only what changed is touched, once an animation frame. */
import type { DocumentReplica } from "../client/index.ts";
import { type Item, readItem } from "./item.ts";
import { byId } from "./page.ts";

export interface BoardView {
  /** The element that is drawn under a target of an event. */
  idAt(target: EventTarget | null): string | undefined;
  select(id: string | undefined): void;
  readonly selected: string | undefined;
  /** Puts the text cursor into an element. */
  edit(id: string): void;
  /** Draws now what waits for the next frame. */
  flush(): void;
  close(): void;
}

/** Draws a board. `selectionChanged` is called with the present selection. */
export function drawBoard(board: DocumentReplica, selectionChanged: () => void): BoardView {
  const items = byId("items", HTMLElement);
  const hint = byId("hint", HTMLElement);
  const drawn = new Map<string, HTMLElement>();
  const stale = new Set<string>(board.elements.keys());
  let frame: number | undefined;
  let selected: string | undefined;

  const flush = (): void => {
    if (frame !== undefined) cancelAnimationFrame(frame);
    frame = undefined;
    for (const id of stale) draw(id);
    stale.clear();
    hint.hidden = drawn.size > 0;
  };
  const draw = (id: string): void => {
    const properties = board.get(id);
    const before = drawn.get(id);
    if (properties === undefined) {
      before?.remove();
      drawn.delete(id);
      if (selected === id) select(undefined);
      return;
    }
    const item = readItem(properties);
    const node = before ?? makeNode(id, item, items, (text) => type(id, text));
    drawn.set(id, node);
    paint(node, item);
  };
  const type = (id: string, text: string): void => {
    if (board.get(id) !== undefined) board.transact((tx) => tx.edit(id, "text", text));
  };
  const select = (id: string | undefined): void => {
    if (selected !== undefined) drawn.get(selected)?.classList.remove("selected");
    selected = id;
    if (id !== undefined) drawn.get(id)?.classList.add("selected");
    selectionChanged();
  };
  const stop = board.on("change", ({ elements }) => {
    for (const id of elements) stale.add(id);
    frame ??= requestAnimationFrame(flush);
  });
  flush();
  return {
    idAt: (target) =>
      target instanceof Element ? target.closest<HTMLElement>(".item")?.dataset.id : undefined,
    select,
    get selected() {
      return selected;
    },
    edit: (id) => {
      const node = drawn.get(id);
      node?.classList.add("editing");
      node?.querySelector("textarea")?.focus();
    },
    flush,
    close: () => {
      stop();
      if (frame !== undefined) cancelAnimationFrame(frame);
      items.replaceChildren();
    },
  };
}

function makeNode(id: string, item: Item, parent: HTMLElement, typed: (text: string) => void): HTMLElement {
  const node = document.createElement("li");
  node.className = "item";
  node.dataset.id = id;
  node.tabIndex = 0;
  if (item.kind === "stroke") {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.append(document.createElementNS("http://www.w3.org/2000/svg", "polyline"));
    node.append(svg);
  } else {
    const text = document.createElement("textarea");
    text.tabIndex = -1;
    text.setAttribute("aria-label", "Text");
    text.addEventListener("input", () => typed(text.value));
    text.addEventListener("blur", () => node.classList.remove("editing"));
    const corner = document.createElement("div");
    corner.className = "corner";
    node.append(text, corner);
  }
  parent.append(node);
  return node;
}

function paint(node: HTMLElement, item: Item): void {
  node.dataset.kind = item.kind;
  const { style } = node;
  style.left = `${item.x}px`;
  style.top = `${item.y}px`;
  style.width = `${item.w}px`;
  style.height = `${item.h}px`;
  style.zIndex = String(item.z);
  style.setProperty("--colour", item.colour);
  node.setAttribute("aria-label", item.text === "" ? item.kind : `${item.kind}: ${item.text.slice(0, 60)}`);
  const text = node.querySelector("textarea");
  if (text !== null && text.value !== item.text) showText(text, item.text);
  const points = item.points.map(([x, y]) => `${x},${y}`).join(" ");
  node.querySelector("polyline")?.setAttribute("points", points);
}

/** Puts in others' typing; the caret stays with the characters that it stood between. */
function showText(field: HTMLTextAreaElement, text: string): void {
  const { value, selectionStart, selectionEnd } = field;
  let start = 0;
  while (start < value.length && start < text.length && value[start] === text[start]) start++;
  let end = 0;
  const most = Math.min(value.length, text.length) - start;
  while (end < most && value[value.length - 1 - end] === text[text.length - 1 - end]) end++;
  const moved = (place: number): number => {
    if (place <= start) return place;
    if (place >= value.length - end) return place + text.length - value.length;
    return text.length - end;
  };
  field.value = text;
  if (document.activeElement === field) field.setSelectionRange(moved(selectionStart), moved(selectionEnd));
}
