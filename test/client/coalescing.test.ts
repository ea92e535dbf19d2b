import { describe, expect, test } from "vitest";
import { ChangeError } from "../../client/index.ts";
import { UnsentChanges } from "../../client/unsent.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";
import type { Submit } from "../../shared/protocol/messages.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer, modelLimits } from "./model-server.ts";
import { type Peer, World } from "./world.ts";

const noFaults = { unavailable: 0, rateLimited: 0, snapshot: 0 };

async function openPeers(count: number): Promise<{ world: World; server: ModelServer; peers: Peer[] }> {
  const random = seededRandom(7);
  const server = new ModelServer(random, "lww", noFaults);
  const world = new World(server, random);
  const peers = Array.from({ length: count }, (_, index) => world.join(`user${index}`));
  await world.drain();
  return { world, server, peers };
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`nothing at ${index}`);
  return item;
}

describe("what is made while a submit is in flight", () => {
  test("[sdk/coalesce] a drag sends its first and its newest position, whatever lies between", async () => {
    const { world, server, peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => tx.create("a", { x: 0 }));
    await world.drain();
    for (let x = 1; x <= 60; x++) {
      document.transact((tx) => tx.move("a", { x }));
      await world.settle();
    }
    expect(document.get("a")).toEqual({ x: 60 });
    expect(document.pendingCount).toBe(2);
    await world.drain();
    expect(server.log.slice(1).map(({ type, set }) => [type, set])).toEqual([
      ["move", { x: 1 }],
      ["move", { x: 60 }],
    ]);
  });

  test("[sdk/coalesce] typing becomes one splice, a stroke one append, of one submit", async () => {
    const { world, server, peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => tx.create("a", { text: "", points: [] }));
    await world.settle(); // In flight: what follows collects.
    for (const [index, letter] of [..."Hello 🙂!"].entries()) {
      document.transact((tx) => {
        tx.splice("a", "text", String(tx.get("a")?.text).length, 0, letter);
        tx.append("a", "points", [index]);
      });
    }
    await world.drain();
    expect(server.log).toHaveLength(2);
    expect(server.log[1]).toMatchObject({
      splice: { text: [[0, 0, "Hello 🙂!"]] },
      append: { points: [0, 1, 2, 3, 4, 5, 6, 7] },
    });
  });

  test("[sdk/coalesce] what is made and deleted before it is sent is never sent", async () => {
    const { world, server, peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => {
      tx.create("a", { x: 1 });
      tx.update("a", { x: 2 });
      tx.delete("a");
      tx.create("b", { x: 1 });
      tx.update("b", { y: 2 }, { unset: ["x"] });
    });
    await world.drain();
    expect(server.log.map(({ type, element, props }) => [type, element, props])).toEqual([
      ["create", "b", { y: 2 }],
    ]);
  });

  test("[sdk/coalesce] a submit holds at most maxOpsPerSubmit operations", async () => {
    const { world, server, peers } = await openPeers(1);
    const submits: Submit[] = [];
    const receive = server.receive.bind(server);
    server.receive = (session, text) => {
      const message = JSON.parse(text) as Submit;
      if (message.type === "submit") submits.push(message);
      receive(session, text);
    };
    at(peers, 0).document.transact((tx) => {
      for (let index = 0; index < 12; index++) tx.create(`e${index}`, {});
    });
    await world.drain();
    expect(submits.map(({ ops }) => ops.length)).toEqual([
      modelLimits.maxOpsPerSubmit,
      modelLimits.maxOpsPerSubmit,
      2,
    ]);
    expect(submits.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test("[sdk/too-large] an operation that no message can hold is refused here, and its change taken back", async () => {
    const { world, server, peers } = await openPeers(1);
    const { document, rejects } = at(peers, 0);
    document.transact((tx) => {
      tx.create("big", { text: "é".repeat(40_000) });
      tx.create("small", {});
    });
    expect(document.get("big")).toBeDefined();
    await world.drain();
    expect(document.get("big")).toBeUndefined();
    expect(rejects.map(({ code, dependent }) => [code, dependent.map(({ element }) => element)])).toEqual([
      ["too_large", ["big"]],
    ]);
    expect([...server.elements.keys()]).toEqual(["small"]);
  });
});

describe("the base of what waits", () => {
  const newIds = (): (() => string) => {
    let count = 0;
    return () => `id-${++count}`;
  };
  const bounds = { maxOps: 100, maxBytes: 0 };
  const sequenced = (version: number, operation: Omit<Operation, "id">): SequencedOperation => ({
    id: `theirs-${version}`,
    ...operation,
    version,
    base: version - 1,
    status: "applied",
    session: "s",
    user: "u",
    client: "c",
    at: "",
  });

  test("[sdk/base] a write that nobody touched goes under the present version", () => {
    const unsent = new UnsentChanges(newIds());
    unsent.add({ id: "m", type: "move", element: "a", set: { x: 1 } }, 5, true);
    unsent.collide(sequenced(6, { type: "move", element: "a", set: { y: 1 } }), { x: 1 });
    expect(unsent.take(6, bounds)).toMatchObject({ base: 6, operations: [{ id: "m" }] });
  });

  test("[sdk/base] a write that collided stays under the version before, so that the server sees the conflict", () => {
    const unsent = new UnsentChanges(newIds());
    unsent.add({ id: "m", type: "move", element: "a", set: { x: 1 } }, 5, true);
    unsent.add({ id: "n", type: "move", element: "b", set: { x: 1 } }, 8, true);
    unsent.collide(sequenced(7, { type: "move", element: "a", set: { x: 2 } }), { x: 1 });
    // `b` was changed when version 8 was seen: under an older base the server would see conflicts that are none.
    expect(unsent.take(9, bounds)).toMatchObject({ base: 6, operations: [{ id: "m" }] });
    expect(unsent.take(10, bounds)).toMatchObject({ base: 10, operations: [{ id: "n" }] });
  });

  test("[sdk/base] typing goes under the present version, apart from a collided write of the same element", () => {
    const unsent = new UnsentChanges(newIds());
    const change: Operation = {
      id: "m",
      type: "update",
      element: "a",
      set: { x: 1 },
      splice: { text: [[2, 0, "!"]] },
    };
    unsent.add(change, 5, true);
    unsent.collide(sequenced(6, { type: "move", element: "a", set: { x: 2 } }), { x: 1, text: "ab!" });
    expect(unsent.take(6, bounds)).toMatchObject({ base: 5, operations: [{ id: "m", set: { x: 1 } }] });
    expect(unsent.take(7, bounds)).toMatchObject({
      base: 7,
      operations: [{ splice: { text: [[2, 0, "!"]] } }],
    });
    expect(unsent.size).toBe(0);
  });

  test("[sdk/base] typing whose text was overwritten goes as a `set` of the wanted text, under its old base", () => {
    const unsent = new UnsentChanges(newIds());
    unsent.add({ id: "m", type: "text", element: "a", splice: { text: [[2, 0, "!"]] } }, 5, true);
    unsent.collide(sequenced(6, { type: "update", element: "a", set: { text: "new" } }), { text: "ab!" });
    expect(unsent.take(6, bounds)).toMatchObject({
      base: 5,
      operations: [{ type: "text", set: { text: "ab!" } }],
    });
  });
});

describe("transactions", () => {
  test("[sdk/transact] one that throws leaves nothing, and says what does not fit", async () => {
    const { peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => tx.create("a", { text: "x", n: 1 }));
    const before = document.get("a");
    const codeOf = (change: Parameters<typeof document.transact>[0]): unknown => {
      try {
        document.transact((tx) => {
          tx.update("a", { n: 2 });
          change(tx);
        });
      } catch (error) {
        return error instanceof ChangeError ? error.code : error;
      }
      return undefined;
    };
    expect(codeOf((tx) => tx.create("a"))).toBe("invalid_operation");
    expect(codeOf((tx) => tx.update("b", {}))).toBe("element_not_found");
    expect(codeOf((tx) => tx.append("a", "text", [1]))).toBe("invalid_operation");
    expect(codeOf((tx) => tx.splice("a", "text", 2, 0, ""))).toBe("invalid_operation");
    expect(codeOf((tx) => tx.update("a", { n: Number.NaN }))).toBe("invalid_operation");
    expect(codeOf((tx) => tx.create("__proto__"))).toBe("invalid_operation");
    expect(codeOf((tx) => tx.update("a", {}, { extra: { note: "é".repeat(3000) } }))).toBe("too_large");
    expect(document.get("a")).toBe(before);
    expect(document.pendingCount).toBe(1);
  });

  test("[sdk/transact] values are copied: changing them afterwards changes nothing here", async () => {
    const { peers } = await openPeers(1);
    const document = at(peers, 0).document;
    const points = [1];
    document.transact((tx) => tx.create("a", { points }));
    points.push(2);
    expect(document.get("a")).toEqual({ points: [1] });
  });

  test("[sdk/change] the event names what changed and where it came from, and an acknowledgement changes nothing", async () => {
    const { world, peers } = await openPeers(2);
    const [ann, ben] = peers as [Peer, Peer];
    const seen: unknown[] = [];
    ann.document.on("change", ({ elements, origin }) => seen.push(["ann", origin, elements]));
    ben.document.on("change", ({ elements, origin }) => seen.push(["ben", origin, elements]));
    ann.document.transact((tx) => tx.create("a", { x: 1 }));
    await world.drain();
    expect(seen).toEqual([
      ["ann", "local", ["a"]],
      ["ben", "remote", ["a"]],
    ]);
  });
});

describe("a connection", () => {
  test("[sdk/close] leaves no timer behind, and whoever waits is told", async () => {
    const { world, peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => tx.create("a", {}));
    const settled = document.whenSettled();
    const closing = document.close();
    await expect(settled).rejects.toThrow("closed");
    await closing;
    expect(world.clock.size).toBe(0);
    expect(() => document.transact((tx) => tx.create("b", {}))).toThrow("closed");
  });

  test("[sdk/liveness] a server that falls silent is left after the deadline, and changes survive", async () => {
    const { world, peers } = await openPeers(1);
    const document = at(peers, 0).document;
    document.transact((tx) => tx.create("a", {}));
    await world.settle();
    for (let second = 0; second < 16; second++) world.clock.advance(1_000);
    expect(document.connection.state).not.toBe("live");
    await world.drain();
    expect(document.connection.state).toBe("live");
    expect([...world.server.elements.keys()]).toEqual(["a"]);
  });

  test.each([
    [4403, "closed"],
    [4410, "closed"],
    [4401, "closed"],
    [1001, "reconnecting"],
    [1006, "reconnecting"],
    [4413, "reconnecting"],
    [4429, "reconnecting"],
  ])("[sdk/reconnect] after close code %i it is %s", async (code, state) => {
    const { world, peers } = await openPeers(1);
    world.cutOne(code);
    expect(at(peers, 0).document.connection.state).toBe(state);
  });

  test("[sdk/reconnect] an expired token is renewed once; a second refusal ends it", async () => {
    const { world } = await openPeers(0);
    let tokens = 0;
    const { document } = world.join("eve", { getToken: () => `token-${++tokens}` });
    await world.drain();
    world.cutOne(4401);
    expect(document.connection.state).toBe("reconnecting");
    world.clock.advance(1);
    await world.settle();
    world.cutOne(4401);
    expect(document.connection.state).toBe("closed");
    expect(tokens).toBe(2);
  });

  test("[sdk/reconnect] delays grow, are jittered and capped; another address is tried first", async () => {
    const { world } = await openPeers(0);
    const urls: string[] = [];
    const delays: number[] = [];
    const { document } = world.join("eve", {
      url: ["http://one", "http://two"],
      createWebSocket: (url) => {
        urls.push(new URL(url).host);
        throw new Error("refused");
      },
    });
    document.on("status", (status) => {
      if (status.state === "reconnecting") delays.push(status.delayMs);
    });
    for (let round = 0; round < 20; round++) {
      await world.settle();
      world.clock.advance(delays.at(-1) ?? 0);
    }
    await world.settle();
    expect(urls.slice(0, 4)).toEqual(["one", "two", "one", "two"]);
    const rounds = delays.filter((_, index) => index % 2 === 1);
    for (const [index, delayMs] of rounds.entries()) {
      const full = Math.min(15_000, 250 * 2 ** index);
      expect(delayMs).toBeGreaterThanOrEqual(full / 2);
      expect(delayMs).toBeLessThanOrEqual(full);
    }
    await document.close();
  });
});
