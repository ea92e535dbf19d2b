/** Pointer and keyboard: making, moving, resizing, drawing, typing, deleting. */
import type { DocumentReplica, Json, Transaction } from "../client/index.ts";
import { randomPart } from "./account.ts";
import { type BoardView, drawBoard } from "./board-view.ts";
import { dragging, drawing, type Gesture, resizing } from "./gestures.ts";
import { boardSize, colours, type ItemKind, readItem } from "./item.ts";
import { byId, messageOf, toast } from "./page.ts";

type Tool = "select" | Exclude<ItemKind, "stroke"> | "pen";
const tools: readonly Tool[] = ["select", "note", "box", "ellipse", "pen"];
const keys: { readonly [key: string]: Tool } = { v: "select", n: "note", r: "box", o: "ellipse", p: "pen" };
const sizes = { note: [170, 130], box: [180, 110], ellipse: [170, 120] } as const;
const arrows: { readonly [key: string]: readonly [number, number] } = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Makes the board editable where `mayEdit` says so. Returns what stops it. */
export function useTools(board: DocumentReplica, mayEdit: () => boolean): () => void {
  const surface = byId("board", HTMLElement);
  const world = byId("world", HTMLElement);
  const deleteButton = byId("delete", HTMLButtonElement);
  const stopping = new AbortController();
  const { signal } = stopping;
  let colour: string = colours[0].value;
  let tool: Tool = "select";
  let gesture: (Gesture & { readonly pointerId: number }) | undefined;
  let pointer: readonly [number, number] | undefined;

  /** A change that does not fit (an element too large, gone meanwhile) is said, and the board goes on. */
  const change = (make: (tx: Transaction) => void): void => {
    if (!mayEdit()) return;
    try {
      board.transact(make);
    } catch (error) {
      toast(`That change cannot be made. ${messageOf(error)}`, "warning");
    }
  };
  const tellOthers = (): void => {
    board.presence.set({
      cursor: pointer === undefined ? null : [...pointer],
      selected: view.selected ?? null,
    });
  };
  const view: BoardView = drawBoard(board, {
    typed: (id, text) => change((tx) => tx.edit(id, "text", text)),
    selectionChanged: () => {
      deleteButton.disabled = view.selected === undefined;
      tellOthers();
    },
  });

  const pick = (next: Tool): void => {
    tool = next;
    surface.dataset.tool = next;
    for (const button of document.querySelectorAll<HTMLElement>("[data-tool][aria-pressed]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === next));
    }
  };
  const placeOf = ({ clientX, clientY }: MouseEvent): readonly [number, number] => {
    const box = world.getBoundingClientRect();
    return [Math.round(clientX - box.left), Math.round(clientY - box.top)];
  };
  const add = (kind: ItemKind, properties: { readonly [name: string]: Json }): string => {
    const id = `${kind}-${randomPart()}`;
    let z = 0;
    for (const other of board.elements.values()) z = Math.max(z, readItem(other).z);
    change((tx) => tx.create(id, { kind, colour, z: z + 1, ...properties }));
    view.flush();
    return id;
  };
  const put = (kind: Exclude<ItemKind, "stroke">, [x, y]: readonly [number, number]): void => {
    const [w, h] = sizes[kind];
    const left = Math.min(boardSize.w - w, Math.max(0, Math.round(x - w / 2)));
    const top = Math.min(boardSize.h - h, Math.max(0, Math.round(y - h / 2)));
    const id = add(kind, { x: left, y: top, w, h, text: "" });
    pick("select");
    view.select(id);
    view.edit(id);
  };
  /** In the middle of what is seen, each a little beside the one before. */
  const putInSight = (kind: Exclude<ItemKind, "stroke">): void => {
    const step = (board.elements.size % 6) * 28 - 70;
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = surface;
    put(kind, [scrollLeft + clientWidth / 2 + step, scrollTop + clientHeight / 2.4 + step]);
  };
  const remove = (): void => {
    const id = view.selected;
    if (id === undefined || board.get(id) === undefined) return;
    change((tx) => tx.delete(id));
    surface.focus({ preventScroll: true });
  };

  const begin = (event: PointerEvent): Gesture | undefined => {
    const [x, y] = placeOf(event);
    const { target } = event;
    const id = view.idAt(target);
    if (tool === "pen") {
      event.preventDefault();
      const stroke = add("stroke", { x, y, w: 8, h: 8, points: [[0, 0]] });
      return drawing(board, change, stroke, [x, y]);
    }
    if (tool !== "select") {
      event.preventDefault(); // The focus goes to the new element's text.
      put(tool, [x, y]);
      return undefined;
    }
    view.select(id);
    const typing = target instanceof HTMLTextAreaElement && target === document.activeElement;
    if (id === undefined || typing) return undefined;
    event.preventDefault(); // No selecting of text; the focus is set here instead.
    view.focus(id);
    const onCorner = target instanceof Element && target.classList.contains("corner");
    return (onCorner ? resizing : dragging)(board, change, id, [x, y]);
  };
  const on = <Name extends keyof HTMLElementEventMap>(
    name: Name,
    listener: (event: HTMLElementEventMap[Name]) => void,
  ): void => world.addEventListener(name, listener, { signal });

  on("pointerdown", (event) => {
    if (event.button !== 0 || gesture !== undefined) return;
    if (!mayEdit()) {
      view.select(view.idAt(event.target));
      return;
    }
    const begun = begin(event);
    if (begun === undefined) return;
    gesture = { ...begun, pointerId: event.pointerId };
    world.setPointerCapture(event.pointerId);
  });
  on("pointermove", (event) => {
    pointer = placeOf(event);
    tellOthers();
    if (gesture?.pointerId !== event.pointerId) return;
    // Browsers join moves between two frames; a stroke wants each of them.
    const moves = event.getCoalescedEvents();
    gesture.move((moves.length === 0 ? [event] : moves).map(placeOf));
  });
  const release = (event: PointerEvent): void => {
    if (gesture?.pointerId === event.pointerId) gesture = undefined;
  };
  on("pointerup", release);
  on("pointercancel", release);
  on("lostpointercapture", release);
  on("pointerleave", () => {
    pointer = undefined;
    tellOthers();
  });
  on("dblclick", (event) => {
    if (!mayEdit() || tool !== "select") return;
    const id = view.idAt(document.elementFromPoint(event.clientX, event.clientY));
    if (id === undefined) put("note", placeOf(event));
    else view.edit(id);
  });
  on("focusin", (event) => {
    const id = view.idAt(event.target);
    if (id !== undefined) view.select(id);
  });

  const pressed = (event: KeyboardEvent): void => {
    const { target, key } = event;
    if (!(target instanceof HTMLElement) || event.isComposing) return;
    if (target.matches("textarea, input, select")) {
      if (key === "Escape") target.closest<HTMLElement>(".item")?.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "Escape") {
      view.select(undefined);
      pick("select");
      return;
    }
    if (!mayEdit()) return;
    const next = keys[key.toLowerCase()];
    const id = view.selected;
    // With a mouse one clicks where it goes; a key alone puts it where one looks.
    if (next === "select" || next === "pen") pick(next);
    else if (next !== undefined) putInSight(next);
    else if (id === undefined || target.closest("#items, #board, body > main") === null) return;
    else if (key === "Delete" || key === "Backspace") remove();
    else if (key === "Enter" && target.closest(".item") !== null) view.edit(id);
    else if (key in arrows && target.closest("#toolbar") === null) nudge(id, key, event.shiftKey ? 40 : 8);
    else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", pressed, { signal });
  const nudge = (id: string, key: string, step: number): void => {
    const [dx, dy] = arrows[key] ?? [0, 0];
    const { x, y } = readItem(board.get(id) ?? {});
    change((tx) => tx.move(id, { x: Math.max(0, x + dx * step), y: Math.max(0, y + dy * step) }));
  };

  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-tool]")) {
    button.addEventListener(
      "click",
      (event) => {
        const chosen = tools.find((name) => name === button.dataset.tool) ?? "select";
        // Pressed from the keyboard there is no pointer to say where it goes.
        if (event.detail === 0 && chosen !== "select" && chosen !== "pen") putInSight(chosen);
        else pick(chosen);
      },
      { signal },
    );
  }
  deleteButton.addEventListener("click", remove, { signal });
  showColours(signal, (chosen) => {
    colour = chosen;
    const id = view.selected;
    if (id !== undefined) change((tx) => tx.style(id, { colour: chosen }));
  });
  deleteButton.disabled = true;
  pick("select");
  return () => {
    stopping.abort();
    view.close();
  };
}

function showColours(signal: AbortSignal, chosen: (colour: string) => void): void {
  const buttons = colours.map(({ value, name }, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style.setProperty("--colour", value);
    button.title = name;
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", String(index === 0));
    const choose = (): void => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      chosen(value);
    };
    button.addEventListener("click", choose, { signal });
    return button;
  });
  byId("colours", HTMLElement).replaceChildren(...buttons);
}
