// @vitest-environment happy-dom
import { act, createElement, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect, test } from "vitest";
import type { DocumentReplica } from "../../client/index.ts";
import {
  DocumentProvider,
  useConflicts,
  useConnection,
  useDocument,
  useElement,
  useElements,
  useLocks,
  usePresence,
  useProgress,
  useUndo,
} from "../../client/react/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
let root: Root | undefined;
afterEach(() => act(() => root?.unmount()));

async function start(): Promise<{
  world: World;
  server: ModelServer;
  board: DocumentReplica;
  ben: DocumentReplica;
}> {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const board = world.join("ann").document;
  const ben = world.join("ben").document;
  await world.drain();
  board.transact((tx) => {
    tx.create("a", { x: 1, kind: "note" });
    tx.create("b", { x: 2, kind: "line" });
  });
  await world.drain();
  return { world, server, board, ben };
}

/** Renders a component that uses a hook, and keeps each value that it was rendered with. */
async function renders<T>(board: DocumentReplica, use: () => T): Promise<T[]> {
  const values: T[] = [];
  const Component = (): ReactNode => {
    values.push(use());
    return null;
  };
  const container = document.createElement("div");
  const made = createRoot(container);
  root = made;
  await act(async () =>
    made.render(
      createElement(DocumentProvider<object>, { document: board as never }, createElement(Component)),
    ),
  );
  return values;
}

describe("React hooks", () => {
  test("[sdk/react] an element: rendered when it changes, and for no other", async () => {
    const { world, board, ben } = await start();
    const values = await renders(board, () => useElement("a"));
    expect(values).toEqual([{ x: 1, kind: "note" }]);
    await act(async () => board.transact((tx) => tx.update("b", { x: 3 })));
    expect(values.length).toBe(1);
    await act(async () => {
      ben.transact((tx) => tx.update("a", { x: 5 }));
      await world.drain();
    });
    expect(values.slice(1)).toEqual([{ x: 5, kind: "note" }]);
    await act(async () => board.transact((tx) => tx.delete("a")));
    expect(values.at(-1)).toBeUndefined();
  });

  test("[sdk/react] a selection: rendered when it is another; without one, another map after each change", async () => {
    const { board } = await start();
    const notes = await renders(board, () =>
      useElements((elements) => [...elements].filter(([, { kind }]) => kind === "note").map(([id]) => id)),
    );
    await act(async () => board.transact((tx) => tx.update("a", { x: 9 })));
    await act(async () => board.transact((tx) => tx.create("c", { kind: "line" })));
    expect(notes).toEqual([["a"]]);
    await act(async () => board.transact((tx) => tx.create("d", { kind: "note" })));
    expect(notes.at(-1)).toEqual(["a", "d"]);
    await act(() => root?.unmount());
    const maps = await renders(board, () => useElements());
    await act(async () => board.transact((tx) => tx.update("a", { x: 10 })));
    expect(maps.length).toBe(2);
    expect(maps[0]?.get("a")).toEqual({ x: 9, kind: "note" });
    expect(maps[1]?.get("a")).toEqual({ x: 10, kind: "note" });
    expect(maps[1]?.get("b")).toBe(maps[0]?.get("b"));
  });

  test("[sdk/react] in a closed document there is nothing to undo, and who presses the button meanwhile gets no error", async () => {
    const { board } = await start();
    const values = await renders(board, () => useUndo());
    const before = values.at(-1)!;
    expect(before.canUndo).toBe(true);
    await act(async () => board.close());
    expect(values.at(-1)).toMatchObject({ canUndo: false, canRedo: false });
    expect([before.undo(), before.redo()]).toEqual([false, false]);
  });

  test("[sdk/react] undo, connection, progress, locks, conflicts and presence follow their events", async () => {
    const { world, server, board } = await start();
    const values = await renders(board, () => ({
      undo: useUndo(),
      connection: useConnection(),
      progress: useProgress(),
      locks: useLocks(),
      conflicts: useConflicts(),
      presence: usePresence(),
      same: useDocument() === (board as unknown),
    }));
    const now = (): NonNullable<(typeof values)[number]> => values.at(-1)!;
    expect(now()).toMatchObject({ locks: [], conflicts: [], same: true, connection: { state: "live" } });
    expect(now().undo.canUndo).toBe(true);
    await act(async () => void now().undo.undo());
    expect(now().undo).toMatchObject({ canUndo: false, canRedo: true });
    expect(board.elements.size).toBe(0);
    await act(async () => {
      const locked = board.locks.acquire("a");
      await world.drain();
      await locked;
      server.tell({
        type: "conflict",
        conflict: {
          id: "c",
          element: "a",
          properties: [],
          operations: [],
          resolution: "manual",
          createdAt: "",
          resolvedAt: null,
          resolvedBy: null,
          description: "",
        },
      });
      const ada = {
        sessionId: "s9",
        clientId: "x",
        user: { id: "ada" },
        role: "editor",
        presence: null,
        joinedAt: "",
      } as const;
      server.tell({ type: "presence", joined: [ada] });
      await world.deliver();
    });
    expect(now().locks).toMatchObject([{ element: "a" }]);
    expect(now().conflicts).toMatchObject([{ id: "c" }]);
    expect(now().presence.others).toMatchObject([{ sessionId: "s9" }]);
    expect(now().progress).toEqual({ version: 4, pendingCount: 0 });
    await act(async () => board.close());
    expect(now().connection.state).toBe("closed");
  });

  test("[sdk/react] on a server: what is there now, and a message where there is no provider", async () => {
    const { board } = await start();
    const Show = (): ReactNode => `x is ${String(useElement("a")?.x)}`;
    const page = createElement(DocumentProvider, { document: board as never }, createElement(Show));
    expect(renderToString(page)).toBe("x is 1");
    expect(() => renderToString(createElement(Show))).toThrow("no DocumentProvider");
  });
});
