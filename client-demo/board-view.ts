/** Draws the elements and keeps the drawing up to date: only what changed is touched, once an animation frame. */
import type { DocumentReplica } from "../client/index.ts";
import { type Item, labelOf, readItem } from "./item.ts";
import { editBetween, mergeText, placeAfter } from "./binding/merge-text.ts";
import { byId } from "./page.ts";

export interface BoardView {
  /** The element that is drawn under a target of an event. */
  idAt(target: EventTarget | null): string | undefined;
  select(id: string | undefined): void;
  readonly selected: string | undefined;
  /** Puts the text cursor into an element. */
  edit(id: string): void;
  /** Puts the keyboard focus on an element. */
  focus(id: string): void;
  /** Draws now what waits for the next frame. */
  flush(): void;
  close(): void;
}

/** An element on the page. `shown`: the text that its field's user saw when they last typed or others' text came. */
interface Drawn {
  readonly node: HTMLElement;
  readonly field: HTMLTextAreaElement | undefined;
  readonly line: SVGPolylineElement | undefined;
  shown: string;
  composing: boolean;
}

/** Draws a board. `typed` puts text into an element; `selectionChanged` is called when another is selected. */
export function drawBoard(
  board: DocumentReplica,
  options: { typed(id: string, text: string): void; selectionChanged(): void },
): BoardView {
  const items = byId("items", HTMLElement);
  const hint = byId("hint", HTMLElement);
  const drawn = new Map<string, Drawn>();
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
      before?.node.remove();
      drawn.delete(id);
      if (selected === id) select(undefined);
      return;
    }
    const item = readItem(properties);
    const part = before ?? make(id, item);
    drawn.set(id, part);
    paint(part, item);
  };
  const make = (id: string, item: Item): Drawn => {
    const part = makeNode(id, item);
    const { field } = part;
    const typed = (): void => {
      if (field === undefined) return;
      const properties = board.get(id);
      if (properties === undefined) return;
      // Others' typing may be here and not yet in the field: it must not look deleted.
      const merged = mergeText(part.shown, field.value, readItem(properties).text);
      options.typed(id, merged);
      if (!part.composing) showText(field, readItem(board.get(id) ?? {}).text);
      part.shown = field.value;
    };
    field?.addEventListener("input", typed);
    field?.addEventListener("compositionstart", () => {
      part.composing = true;
    });
    field?.addEventListener("compositionend", () => {
      part.composing = false;
      typed();
    });
    items.append(part.node);
    return part;
  };
  const select = (id: string | undefined): void => {
    if (selected === id) return;
    if (selected !== undefined) drawn.get(selected)?.node.classList.remove("selected");
    selected = id;
    if (id !== undefined) drawn.get(id)?.node.classList.add("selected");
    options.selectionChanged();
  };
  const stop = board.on("change", ({ elements }) => {
    for (const id of elements) stale.add(id);
    frame ??= requestAnimationFrame(flush);
  });
  flush();
  showFirst([...drawn.keys()].map((id) => readItem(board.get(id) ?? {})));
  return {
    idAt: (target) =>
      target instanceof Element ? target.closest<HTMLElement>(".item")?.dataset.id : undefined,
    select,
    get selected() {
      return selected;
    },
    edit: (id) => {
      const part = drawn.get(id);
      if (part?.field === undefined) return;
      part.node.classList.add("editing");
      part.field.readOnly = false;
      part.field.focus();
    },
    focus: (id) => drawn.get(id)?.node.focus({ preventScroll: true }),
    flush,
    close: () => {
      stop();
      if (frame !== undefined) cancelAnimationFrame(frame);
      items.replaceChildren();
    },
  };
}

/** Scrolls to what there is when nothing of it is in sight. */
function showFirst(items: readonly Item[]): void {
  const surface = byId("board", HTMLElement);
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = surface;
  const inSight = (item: Item): boolean =>
    item.x >= scrollLeft &&
    item.y >= scrollTop &&
    item.x + item.w <= scrollLeft + clientWidth &&
    item.y + item.h <= scrollTop + clientHeight;
  if (items.length === 0 || items.some(inSight)) return;
  const left = Math.min(...items.map(({ x }) => x));
  const top = Math.min(...items.map(({ y }) => y));
  surface.scrollTo(left - 24, top - 60);
}

const svgNamespace = "http://www.w3.org/2000/svg";

function makeNode(id: string, item: Item): Drawn {
  const node = document.createElement("li");
  node.className = "item";
  node.dataset.id = id;
  node.dataset.kind = item.kind;
  node.tabIndex = 0;
  if (item.kind === "stroke") {
    const svg = document.createElementNS(svgNamespace, "svg");
    const line = document.createElementNS(svgNamespace, "polyline");
    svg.append(line);
    node.append(svg);
    return { node, field: undefined, line, shown: "", composing: false };
  }
  const field = document.createElement("textarea");
  field.tabIndex = -1;
  field.readOnly = true;
  field.spellcheck = false;
  field.setAttribute("aria-label", "Text");
  field.addEventListener("blur", () => {
    node.classList.remove("editing");
    field.readOnly = true;
  });
  const corner = document.createElement("div");
  corner.className = "corner";
  node.append(field, corner);
  return { node, field, line: undefined, shown: "", composing: false };
}

function paint(part: Drawn, item: Item): void {
  const { node, field, line } = part;
  const { style } = node;
  style.left = `${item.x}px`;
  style.top = `${item.y}px`;
  style.width = `${item.w}px`;
  style.height = `${item.h}px`;
  style.zIndex = String(item.z);
  style.setProperty("--colour", item.colour);
  node.setAttribute("aria-label", labelOf(item));
  line?.setAttribute("points", item.points.map(([x, y]) => `${x},${y}`).join(" "));
  // An input method composes in the field: what others typed waits until it is done.
  if (field === undefined || part.composing || part.shown === item.text) return;
  showText(field, item.text);
  part.shown = item.text;
}

/** Puts a text into a field; the caret stays with the characters that it stood between. */
function showText(field: HTMLTextAreaElement, text: string): void {
  if (field.value === text) return;
  const { value, selectionStart, selectionEnd } = field;
  const edit = editBetween(value, text);
  field.value = text;
  if (document.activeElement !== field) return;
  field.setSelectionRange(placeAfter(selectionStart, edit), placeAfter(selectionEnd, edit));
}
