import { describe, expect, test } from "vitest";
import { AlreadyResolvedError, type ConflictInfo, type SequencedOperation } from "../../client/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

const open: ConflictInfo = {
  id: "c1",
  element: "a",
  properties: ["x"],
  operations: ["o"],
  resolution: "manual",
  createdAt: "2026-01-31T12:00:00.000Z",
  resolvedAt: null,
  resolvedBy: null,
  description: "",
};
const settled = (by: string): ConflictInfo => ({ ...open, resolvedAt: open.createdAt, resolvedBy: by });

async function start() {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const ann = world.join("ann").document;
  const ben = world.join("ben").document;
  await world.drain();
  ann.transact((tx) => tx.create("a", { x: 0, y: 0 }));
  await world.drain();
  return { server, world, ann, ben };
}

describe("conflicts in the SDK", () => {
  test("[sdk/held-back] own operations that are held back are acknowledged, have no effect and are told", async () => {
    const { server, world, ann, ben } = await start();
    const told: (readonly SequencedOperation[])[] = [];
    ben.on("heldBack", ({ operations }) => told.push(operations));
    server.holdsBack = (operation) => (operation.set?.x === 2 ? "c1" : undefined);
    ben.transact((tx) => tx.update("a", { x: 2 }));
    expect(ben.get("a")).toEqual({ x: 2, y: 0 });
    await world.drain();
    expect(ben.get("a")).toEqual({ x: 0, y: 0 });
    expect(ben.pendingCount).toBe(0);
    expect(told).toMatchObject([[{ status: "conflict", conflict: "c1", set: { x: 2 } }]]);
    expect(ben.undo()).toBe(false);
    // The view goes on from what everybody has.
    server.holdsBack = undefined;
    ben.transact((tx) => tx.update("a", { y: 1 }));
    await world.drain();
    expect(ann.get("a")).toEqual({ x: 0, y: 1 });
    expect(ann.get("a")).toEqual(ben.get("a"));
  });

  test("[sdk/held-back] what was made on top of a creation or deletion that is held back is sent so that it fits, or told", async () => {
    const { server, world, ann, ben } = await start();
    const told: string[] = [];
    ben.on("heldBack", ({ dependent }) => told.push(...dependent.map(({ element }) => element)));
    server.holdsBack = ({ type, element }) =>
      type === "delete" || (type === "create" && element === "b") ? "c1" : undefined;
    ben.transact((tx) => tx.delete("a"));
    await world.settle();
    ben.undo(); // Not sent yet: the deletion is on its way.
    ben.transact((tx) => tx.create("c", {}));
    await world.drain();
    expect(server.rejects).toEqual([]);
    expect(ann.get("a")).toEqual({ x: 0, y: 0 });
    expect(ann.get("c")).toEqual({});
    expect(told).toEqual([]);
    ben.transact((tx) => tx.create("b", { x: 1 }));
    await world.settle();
    ben.transact((tx) => tx.update("b", { x: 2 }));
    ben.transact((tx) => tx.update("c", { x: 2 }));
    await world.drain();
    expect(server.rejects).toEqual([]);
    expect(ben.get("b")).toBeUndefined();
    expect(ann.get("c")).toEqual({ x: 2 });
    expect(told).toEqual(["b"]);
  });

  test("[sdk/conflicts] records come and go with what the server tells, and with a list from elsewhere", async () => {
    const { server, world, ann } = await start();
    const lists: number[] = [];
    ann.on("conflicts", (unresolved) => lists.push(unresolved.length));
    server.tell({ type: "conflict", conflict: open });
    await world.deliver();
    expect(ann.conflicts.unresolved).toEqual([open]);
    expect(ann.conflicts.of("a")).toEqual([open]);
    const older = { ...open, id: "c0", createdAt: "2026-01-30T12:00:00.000Z" };
    await ann.conflicts.load(async () => [older, open]);
    expect(ann.conflicts.unresolved.map(({ id }) => id)).toEqual(["c0", "c1"]);
    server.tell({ type: "resolved", conflict: settled("ben") });
    await world.deliver();
    expect(ann.conflicts.unresolved).toEqual([older]);
    await ann.conflicts.load(async () => [open]); // Of before it was resolved; c0 is gone.
    expect(ann.conflicts.unresolved).toEqual([]);
    expect(lists).toEqual([1, 2, 1, 0]);
  });

  test("[sdk/resolve] resolves to the record; a second one is told who was faster", async () => {
    const { server, world, ann, ben } = await start();
    const asked: unknown[] = [];
    let by: string | undefined;
    server.resolve = (session, command) => {
      asked.push(command);
      const { requestId } = command;
      if (by === undefined) {
        by = session.user;
        session.send({ type: "result", requestId, ok: true, conflict: settled(by) });
      } else {
        const details = { conflict: settled(by) };
        session.send({
          type: "result",
          requestId,
          ok: false,
          code: "already_resolved",
          message: "resolved",
          details,
        });
      }
    };
    const first = ann.conflicts.resolve("c1", "incoming");
    await world.deliver();
    expect(await first).toEqual(settled("ann"));
    expect(asked).toMatchObject([{ type: "resolve", conflictId: "c1", choose: "incoming", base: 1 }]);
    const second = ben.conflicts
      .resolve("c1", { set: { x: 3 } }, { base: 0 })
      .catch((error: unknown) => error);
    await world.deliver();
    expect(await second).toBeInstanceOf(AlreadyResolvedError);
    expect(await second).toMatchObject({ code: "already_resolved", conflict: { resolvedBy: "ann" } });
  });

  test("[sdk/resolve] the answer is lost: the repetition finds its own work, and is content", async () => {
    const { server, world, ann } = await start();
    let copies = 0;
    server.resolve = (session, { requestId }) => {
      copies += 1;
      if (copies === 1) return;
      const details = { conflict: settled("ann") };
      const code = "already_resolved";
      session.send({ type: "result", requestId, ok: false, code, message: "resolved", details });
    };
    const asked = ann.conflicts.resolve("c1", "current");
    await world.deliver();
    world.cutAll();
    await world.drain();
    await expect(asked).resolves.toEqual(settled("ann"));
    expect(copies).toBe(2);
  });
});
