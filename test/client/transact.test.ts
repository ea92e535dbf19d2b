import { describe, expect, test } from "vitest";
import { ChangeError, type DocumentReplica } from "../../client/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { type Peer, World } from "./world.ts";

async function start(): Promise<{ world: World; server: ModelServer; board: DocumentReplica; peer: Peer }> {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const peer = world.join("ann");
  await world.drain();
  peer.document.transact((tx) => tx.create("a", { x: 0 }));
  await world.drain();
  peer.document.undoStop();
  return { world, server, board: peer.document, peer };
}

describe("a transaction within another", () => {
  test("[sdk/transact] is a part of it: each sees the other's changes, and all are made at once, as one step", async () => {
    const { world, server, board, peer } = await start();
    const changes: unknown[] = [];
    board.on("change", ({ elements }) => changes.push(elements));
    const returned = board.transact((tx) => {
      tx.update("a", { x: 1 });
      const inner = board.transact((part) => {
        expect(part.get("a")).toEqual({ x: 1 });
        part.create("b", { y: 1 });
        return 7;
      });
      expect(board.get("b")).toBeUndefined();
      tx.update("b", { z: 1 });
      return inner;
    });
    expect(returned).toBe(7);
    expect(changes).toEqual([["a", "b"]]);
    await world.drain();
    expect(Object.fromEntries(server.elements)).toEqual({ a: { x: 1 }, b: { y: 1, z: 1 } });
    expect(board.undo()).toBe(true);
    expect(Object.fromEntries(board.elements)).toEqual({ a: { x: 0 } });
    await world.drain();
    expect(peer.rejects).toEqual([]);
  });

  test("[sdk/transact] deletes: a change of what it deleted does not fit any more, and nothing is kept of either", async () => {
    const { world, server, board } = await start();
    const both = (): void =>
      board.transact((tx) => {
        tx.update("a", { x: 1 });
        board.transact((part) => part.delete("a"));
        tx.update("a", { x: 2 });
      });
    expect(both).toThrow(expect.objectContaining({ code: "element_not_found" }));
    expect(board.get("a")).toEqual({ x: 0 });
    expect(board.pendingCount).toBe(0);
    board.transact((tx) => {
      tx.update("a", { x: 1 });
      board.transact((part) => part.delete("a"));
    });
    await world.drain();
    expect(server.elements.size).toBe(0);
  });

  test("[sdk/transact] throws: its changes are taken out, those of the one around it stay when that catches the error", async () => {
    const { world, server, board } = await start();
    board.transact((tx) => {
      tx.update("a", { x: 1 });
      const fails = (): void =>
        board.transact((part) => {
          part.update("a", { x: 2, y: 2 });
          part.create("b", {});
          throw new Error("of the application");
        });
      expect(fails).toThrow("of the application");
      expect([tx.get("a"), tx.get("b")]).toEqual([{ x: 1 }, undefined]);
      tx.create("b", { y: 1 });
    });
    await world.drain();
    expect(Object.fromEntries(server.elements)).toEqual({ a: { x: 1 }, b: { y: 1 } });
  });

  test("[sdk/transact] undo and redo are none, and are refused", async () => {
    const { board } = await start();
    for (const back of [() => board.undo(), () => board.redo()])
      expect(() => board.transact(() => back())).toThrow("undo and redo are no part of a transaction");
    expect(board.undo()).toBe(true);
  });
});

test("[sdk/transact] a function that returns a promise is refused before anything is changed", async () => {
  const { world, server, board } = await start();
  const version = server.version;
  let end = (_: unknown): void => {};
  const ended = new Promise((resolve) => {
    end = resolve;
  });
  const change = async (tx: Parameters<Parameters<DocumentReplica["transact"]>[0]>[0]): Promise<void> => {
    tx.update("a", { x: 1 });
    await Promise.resolve();
    try {
      tx.update("a", { x: 2 });
    } catch (error) {
      end(error);
      throw error;
    }
  };
  // @ts-expect-error: the types say so, too
  const made = (): unknown => board.transact(change);
  expect(made).toThrow(ChangeError);
  expect(made).toThrow("expected a function that makes its changes before it returns");
  // @ts-expect-error
  expect(() => board.transact((tx) => board.transact(async () => tx.update("a", { x: 3 })))).toThrow(
    ChangeError,
  );
  expect(await ended).toMatchObject({ message: "the transaction has ended" });
  await world.drain();
  expect(board.get("a")).toEqual({ x: 0 });
  expect(server.version).toBe(version);
});
