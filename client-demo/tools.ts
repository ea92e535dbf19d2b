/** Pointer and keyboard: making, moving, resizing, drawing, typing, deleting. */
import type { DocumentReplica, Json } from "../client/index.ts";
import { drawBoard } from "./board-view.ts";
import { colours, type ItemKind, readItem } from "./item.ts";
import { byId } from "./page.ts";

type Tool = "select" | Exclude<ItemKind, "stroke"> | "pen";
const keys: { readonly [key: string]: Tool } = { v: "select", n: "note", r: "box", o: "ellipse", p: "pen" };
const sizes = { note: [170, 130], box: [180, 110], ellipse: [170, 120] } as const;

/** What a pointer that is down does. */
interface Gesture {
  move(x: number, y: number): void;
  end(): void;
}

/** Makes the board editable. Returns what stops it. */
export function useTools(board: DocumentReplica): () => void {
  const surface = byId("board", HTMLElement);
  const world = byId("world", HTMLElement);
  const deleteButton = byId("delete", HTMLButtonElement);
  const stopping = new AbortController();
  const { signal } = stopping;
  const view = drawBoard(board, () => {
    deleteButton.disabled = view.selected === undefined;
  });
  let colour: string = colours[0];
  let tool: Tool = "select";
  let gesture: Gesture | undefined;

  const canEdit = (): boolean => board.role !== "viewer" && board.connection.state !== "closed";
  const pick = (next: Tool): void => {
    tool = next;
    surface.dataset.tool = next;
    for (const button of document.querySelectorAll<HTMLElement>("[data-tool][aria-pressed]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === next));
    }
  };
  const placeOf = (event: PointerEvent | MouseEvent): [number, number] => {
    const box = world.getBoundingClientRect();
    return [Math.round(event.clientX - box.left), Math.round(event.clientY - box.top)];
  };
  const middle = (): [number, number] => [
    surface.scrollLeft + surface.clientWidth / 2,
    surface.scrollTop + surface.clientHeight / 2,
  ];
  const add = (kind: ItemKind, properties: { readonly [name: string]: Json }): string => {
    const id = `${kind}-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    let z = 0;
    for (const other of board.elements.values()) z = Math.max(z, readItem(other).z);
    board.transact((tx) => tx.create(id, { kind, colour, z: z + 1, ...properties }));
    view.flush();
    view.select(id);
    return id;
  };
  const put = (kind: Exclude<ItemKind, "stroke">, [x, y]: readonly [number, number]): void => {
    const [w, h] = sizes[kind];
    const id = add(kind, { x: Math.round(x - w / 2), y: Math.round(y - h / 2), w, h, text: "" });
    pick("select");
    view.edit(id);
  };
  const remove = (): void => {
    const id = view.selected;
    if (id !== undefined && board.get(id) !== undefined && canEdit()) board.transact((tx) => tx.delete(id));
  };

  const drag = (id: string, x: number, y: number): Gesture => {
    const start = readItem(board.get(id) ?? {});
    return {
      move: (toX, toY) => {
        if (board.get(id) === undefined) return;
        board.transact((tx) =>
          tx.move(id, { x: Math.max(0, start.x + toX - x), y: Math.max(0, start.y + toY - y) }),
        );
      },
      end: () => {},
    };
  };
  const resize = (id: string, x: number, y: number): Gesture => {
    const start = readItem(board.get(id) ?? {});
    return {
      move: (toX, toY) => {
        if (board.get(id) === undefined) return;
        board.transact((tx) =>
          tx.resize(id, { w: Math.max(40, start.w + toX - x), h: Math.max(30, start.h + toY - y) }),
        );
      },
      end: () => {},
    };
  };
  const draw = (x: number, y: number): Gesture => {
    const id = add("stroke", { x, y, w: 8, h: 8, points: [[0, 0]] });
    return {
      move: (toX, toY) => {
        if (board.get(id) !== undefined)
          board.transact((tx) => tx.append(id, "points", [[toX - x, toY - y]]));
      },
      end: () => {},
    };
  };

  world.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0 || gesture !== undefined) return;
      const [x, y] = placeOf(event);
      const id = view.idAt(event.target);
      if (tool !== "select" && canEdit()) {
        event.preventDefault();
        if (tool === "pen") gesture = draw(x, y);
        else put(tool, [x, y]);
      } else if (id === undefined) {
        view.select(undefined);
      } else if (!(event.target instanceof HTMLTextAreaElement && event.target === document.activeElement)) {
        view.select(id);
        const onCorner = event.target instanceof Element && event.target.classList.contains("corner");
        if (canEdit()) gesture = onCorner ? resize(id, x, y) : drag(id, x, y);
      }
      if (gesture !== undefined) world.setPointerCapture(event.pointerId);
    },
    { signal },
  );
  world.addEventListener(
    "pointermove",
    (event) => {
      const [x, y] = placeOf(event);
      board.presence.set({ cursor: [x, y], selected: view.selected ?? null });
      if (canEdit()) gesture?.move(x, y);
    },
    { signal },
  );
  const release = (): void => {
    gesture?.end();
    gesture = undefined;
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"] as const) {
    world.addEventListener(name, release, { signal });
  }
  world.addEventListener("pointerleave", () => board.presence.set(null), { signal });
  world.addEventListener(
    "dblclick",
    (event) => {
      const id = view.idAt(document.elementFromPoint(event.clientX, event.clientY));
      if (id !== undefined && canEdit()) view.edit(id);
    },
    { signal },
  );
  world.addEventListener(
    "focusin",
    (event) => {
      const id = view.idAt(event.target);
      if (id !== undefined) view.select(id);
    },
    { signal },
  );
  document.addEventListener("keydown", (event) => pressed(event), { signal });

  const pressed = (event: KeyboardEvent): void => {
    const { target, key } = event;
    if (target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement) {
      if (key === "Escape") target.closest<HTMLElement>(".item")?.focus();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = keys[key.toLowerCase()];
    const { selected } = view;
    if (key === "Escape") {
      view.select(undefined);
      pick("select");
    } else if (next !== undefined && canEdit()) {
      // With a mouse one clicks where it goes; a key alone puts it where one looks.
      if (next === "note" || next === "box" || next === "ellipse") put(next, middle());
      else pick(next);
      event.preventDefault();
    } else if (
      selected !== undefined &&
      canEdit() &&
      target instanceof Element &&
      target.closest("#items, body")
    ) {
      if (key === "Delete" || key === "Backspace") remove();
      else if (key === "Enter" && target.closest("#items") !== null) view.edit(selected);
      else if (!nudge(selected, key, event.shiftKey)) return;
      event.preventDefault();
    }
  };
  const nudge = (id: string, key: string, far: boolean): boolean => {
    const step = far ? 40 : 8;
    const [dx, dy] = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    }[key] ?? [0, 0];
    if (dx === 0 && dy === 0) return false;
    const { x, y } = readItem(board.get(id) ?? {});
    board.transact((tx) => tx.move(id, { x: Math.max(0, x + (dx ?? 0)), y: Math.max(0, y + (dy ?? 0)) }));
    return true;
  };

  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-tool]")) {
    button.addEventListener(
      "click",
      () => pick(keys[(button.title.match(/\((.)\)/)?.[1] ?? "v").toLowerCase()] ?? "select"),
      {
        signal,
      },
    );
  }
  deleteButton.addEventListener("click", remove, { signal });
  showColours(signal, (chosen) => {
    colour = chosen;
    const id = view.selected;
    if (id !== undefined && canEdit()) board.transact((tx) => tx.style(id, { colour: chosen }));
  });
  pick("select");
  return () => {
    stopping.abort();
    view.close();
  };
}

function showColours(signal: AbortSignal, chosen: (colour: string) => void): void {
  const row = byId("colours", HTMLElement);
  const buttons = colours.map((colour, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.style.setProperty("--colour", colour);
    button.setAttribute("aria-label", `Colour ${index + 1} of ${colours.length}`);
    button.setAttribute("aria-pressed", String(index === 0));
    button.addEventListener(
      "click",
      () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        chosen(colour);
      },
      { signal },
    );
    return button;
  });
  row.replaceChildren(...buttons);
}
