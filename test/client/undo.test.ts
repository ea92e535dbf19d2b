import { describe, expect, test } from "vitest";
import type { DocumentReplica } from "../../client/index.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

const runs = Number(process.env.RUNS) || 60;
const firstSeed = Number(process.env.SEED) || 1;
const quiet = { unavailable: 0, rateLimited: 0, snapshot: 0 };

async function pair(seed = 1): Promise<{ world: World; ann: DocumentReplica; ben: DocumentReplica }> {
  const random = seededRandom(seed);
  const world = new World(new ModelServer(random, "lww", quiet), random);
  const ann = world.join("ann").document;
  const ben = world.join("ben").document;
  await world.drain();
  return { world, ann, ben };
}

/** A step of its own. */
function step(document: DocumentReplica, change: Parameters<DocumentReplica["transact"]>[0]): void {
  document.undoStop();
  document.transact(change);
}

test("[sdk/undo] who may not change the document has nothing to undo, and is told when that changes", async () => {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", quiet);
  const open = server.open.bind(server);
  let send: Parameters<ModelServer["open"]>[0]["send"] = () => {};
  server.open = (session) => {
    send = (message) => session.send(message);
    open(session);
  };
  const world = new World(server, random);
  const { document } = world.join("ann");
  await world.drain();
  document.transact((tx) => tx.create("a", { x: 1 }));
  await world.drain();
  const told: unknown[] = [];
  document.on("undo", (state) => told.push(state));
  for (const [role, canUndo] of [
    ["viewer", false],
    ["owner", true],
  ] as const) {
    send({ type: "role", role });
    await world.drain();
    expect(document.canUndo).toBe(canUndo);
  }
  expect(told).toEqual([
    { canUndo: false, canRedo: false },
    { canUndo: true, canRedo: false },
  ]);
});

describe("undo takes back what its user did", () => {
  test("[sdk/undo] values, removals, appends, typing, creations and deletions, one step after the other", async () => {
    const { world, ann } = await pair();
    const states: unknown[] = [Object.fromEntries(ann.elements)];
    const changes: Parameters<DocumentReplica["transact"]>[0][] = [
      (tx) => tx.create("a", { x: 1, text: "hello", list: [1] }),
      (tx) => tx.update("a", { x: 2, y: 3 }),
      (tx) => tx.update("a", {}, { unset: ["y"] }),
      (tx) => tx.append("a", "list", [2, 3]),
      (tx) => tx.splice("a", "text", 5, 0, " world"),
      (tx) => tx.splice("a", "text", 0, 1, "J"),
      (tx) => tx.update("a", { text: "whole" }),
      (tx) => tx.delete("a"),
      (tx) => tx.create("a", { new: true }),
    ];
    for (const change of changes) {
      step(ann, change);
      states.push(Object.fromEntries(ann.elements));
      if (states.length % 2 === 0) await world.drain();
    }
    for (const expected of states.slice(0, -1).reverse()) {
      expect(ann.undo()).toBe(true);
      expect(Object.fromEntries(ann.elements)).toEqual(expected);
      await world.drain();
    }
    expect(ann.canUndo).toBe(false);
    expect(ann.undo()).toBe(false);
    for (const expected of states.slice(1)) {
      expect(ann.redo()).toBe(true);
      expect(Object.fromEntries(ann.elements)).toEqual(expected);
    }
    expect(ann.canRedo).toBe(false);
    await world.drain();
    expect(Object.fromEntries(world.server.elements)).toEqual(states.at(-1));
  });

  test("[sdk/undo] what follows closely is one step; undoStop, time and undo itself end it", async () => {
    const { world, ann } = await pair();
    const told: unknown[] = [];
    ann.on("undo", (state) => told.push(state));
    ann.transact((tx) => tx.create("a", { x: 0, text: "" }));
    for (let x = 1; x < 20; x++) {
      world.clock.advance(100);
      ann.transact((tx) => tx.move("a", { x }));
    }
    ann.undoStop();
    ann.transact((tx) => tx.edit("a", "text", "h"));
    ann.transact((tx) => tx.edit("a", "text", "hi"));
    world.clock.advance(501);
    ann.transact((tx) => tx.edit("a", "text", "hi!"));
    ann.undo();
    expect(ann.get("a")).toEqual({ x: 19, text: "hi" });
    ann.undo();
    expect(ann.get("a")).toEqual({ x: 19, text: "" });
    ann.undo();
    expect(ann.get("a")).toBeUndefined();
    ann.redo();
    ann.transact((tx) => tx.move("a", { x: 5 }));
    expect(ann.canRedo).toBe(false);
    ann.undo();
    expect(ann.get("a")).toEqual({ x: 19, text: "" });
    expect(told).toEqual([
      { canUndo: true, canRedo: false },
      { canUndo: true, canRedo: true },
      { canUndo: false, canRedo: true },
      { canUndo: true, canRedo: true },
      { canUndo: true, canRedo: false },
      { canUndo: true, canRedo: true },
    ]);
  });

  test("[sdk/undo] a selection goes with the step", async () => {
    const random = seededRandom(1);
    const world = new World(new ModelServer(random, "lww", quiet), random);
    let selection = "nothing";
    const save = (): string => selection;
    const restore = (saved: unknown): void => {
      selection = String(saved);
    };
    const { document } = world.join("ann", { undo: { save, restore } });
    await world.drain();
    step(document, (tx) => tx.create("a", {}));
    selection = "a";
    step(document, (tx) => tx.update("a", { x: 1 }));
    selection = "b";
    document.undo();
    expect(selection).toBe("a");
    document.redo();
    expect(selection).toBe("b");
    document.undo();
    document.undo();
    expect(selection).toBe("nothing");
  });

  test("[sdk/undo] what a program does with undo: false is not taken back, and stays", async () => {
    const { ann } = await pair();
    step(ann, (tx) => tx.create("a", { text: "abc" }));
    step(ann, (tx) => tx.splice("a", "text", 3, 0, "def"));
    ann.transact((tx) => tx.splice("a", "text", 0, 0, "> "), { undo: false });
    ann.undo();
    expect(ann.get("a")).toEqual({ text: "> abc" });
    expect(ann.undo()).toBe(false);
  });
});

describe("there is something to undo where `canUndo` says so", () => {
  const refusals: Readonly<
    Record<string, (server: ModelServer, world: World, ben: DocumentReplica) => unknown>
  > = {
    refused: (_, world, ben) => {
      void ben.locks.acquire(null);
      return world.deliver();
    },
    "held back": (server) => {
      server.holdsBack = ({ set, props, splice, type }) =>
        (set ?? props ?? splice ?? (type === "delete" ? {} : undefined)) ? "conflict" : undefined;
    },
  };
  const changes: Readonly<Record<string, Parameters<DocumentReplica["transact"]>[0]>> = {
    write: (tx) => tx.update("a", { x: 2 }),
    typing: (tx) => tx.splice("a", "text", 5, 0, " world"),
    creation: (tx) => tx.create("b", { x: 1 }),
    deletion: (tx) => tx.delete("a"),
  };
  for (const [how, refuse] of Object.entries(refusals)) {
    for (const [what, change] of Object.entries(changes)) {
      test(`[sdk/undo] not after a ${what} that was ${how}; what was before it can be undone`, async () => {
        const { world, ann, ben } = await pair();
        ann.transact((tx) => tx.create("a", { x: 0, text: "hello" }), { undo: false });
        await world.drain();
        step(ann, (tx) => tx.update("a", { x: 1 }));
        await world.drain();
        await refuse(world.server, world, ben);
        step(ann, change);
        expect(ann.canUndo).toBe(true);
        await world.drain();
        expect(Object.fromEntries(ann.elements)).toEqual({ a: { x: 1, text: "hello" } });
        expect(ann.undo()).toBe(true);
        expect(ann.get("a")).toEqual({ x: 0, text: "hello" });
        expect([ann.canUndo, ann.canRedo]).toEqual([false, true]);
        await world.drain();
        // The undo was refused as well, and is nothing that could be redone.
        expect(ann.get("a")).toEqual({ x: 1, text: "hello" });
        expect([ann.canUndo, ann.canRedo]).toEqual([false, false]);
        step(ann, change);
        await world.drain();
        expect(ann.canUndo).toBe(false);
      });
    }
  }

  test("[sdk/undo] not in a closed document", async () => {
    const { ann } = await pair();
    const told: unknown[] = [];
    step(ann, (tx) => tx.create("a", {}));
    step(ann, (tx) => tx.create("b", {}));
    ann.undo();
    ann.on("undo", (state) => told.push(state));
    await ann.close();
    expect([ann.canUndo, ann.canRedo]).toEqual([false, false]);
    expect(told).toEqual([{ canUndo: false, canRedo: false }]);
  });
});

describe("undo never takes back what others did", () => {
  test("[sdk/undo-others] a property that somebody else has written since is skipped, the others are not", async () => {
    const { world, ann, ben } = await pair();
    step(ann, (tx) => tx.create("a", { x: 0, y: 0, z: 0 }));
    step(ann, (tx) => tx.update("a", { x: 1, y: 1, z: 1 }));
    await world.drain();
    ben.transact((tx) => tx.update("a", { x: 2 }));
    ben.transact((tx) => tx.update("a", { y: 1 })); // The same value is a choice too.
    await world.drain();
    ann.undo();
    expect(ann.get("a")).toEqual({ x: 2, y: 1, z: 0 });
    // Deleting it would delete their work.
    expect(ann.undo()).toBe(false);
    ann.redo();
    expect(ann.get("a")).toEqual({ x: 2, y: 1, z: 1 });
  });

  test("[sdk/undo-others] typing is taken out around what others typed", async () => {
    const { world, ann, ben } = await pair();
    step(ann, (tx) => tx.create("a", { text: "one two" }));
    await world.drain();
    step(ann, (tx) => tx.splice("a", "text", 3, 0, " MINE"));
    step(ann, (tx) => tx.splice("a", "text", 0, 3, "1"));
    await world.drain();
    const text = String(ben.get("a")?.text);
    ben.transact((tx) => tx.splice("a", "text", text.indexOf("NE"), 0, "<theirs>"));
    ben.transact((tx) => tx.splice("a", "text", 0, 0, "0 "));
    await world.drain();
    expect(ann.get("a")).toEqual({ text: "0 1 MI<theirs>NE two" });
    ann.undo();
    expect(ann.get("a")).toEqual({ text: "0 one MI<theirs>NE two" });
    ann.undo();
    expect(ann.get("a")).toEqual({ text: "0 one<theirs> two" });
    ann.redo();
    ann.redo();
    expect(String(ann.get("a")?.text)).toContain("<theirs>");
    await world.drain();
    expect(ben.get("a")).toEqual(ann.get("a"));
  });

  test("[sdk/undo-others] what one's own pending write hides comes to light", async () => {
    const orders = new Set<string>();
    for (let seed = 1; seed <= 12; seed++) {
      const { world, ann, ben } = await pair(seed);
      step(ann, (tx) => tx.create("a", { x: 0 }));
      await world.drain();
      // Sent at once: neither has heard of the other's.
      ben.transact((tx) => tx.update("a", { x: 2 }));
      step(ann, (tx) => tx.update("a", { x: 1 }));
      await world.drain();
      orders.add(JSON.stringify(world.server.log.slice(-2).map(({ set }) => set?.x)));
      ann.undo();
      await world.drain();
      expect(ben.get("a")).toEqual({ x: 2 });
    }
    expect([...orders].sort()).toEqual(["[1,2]", "[2,1]"]);
  });

  test("[sdk/undo-others] an element that somebody deleted stays deleted; one made again is not overwritten", async () => {
    const { world, ann, ben } = await pair();
    step(ann, (tx) => tx.create("a", { x: 0 }));
    step(ann, (tx) => tx.update("a", { x: 1 }));
    await world.drain();
    ben.transact((tx) => tx.delete("a"));
    await world.drain();
    expect(ann.canUndo).toBe(false);
    step(ann, (tx) => tx.create("b", { x: 0 }));
    step(ann, (tx) => tx.delete("b"));
    await world.drain();
    ben.transact((tx) => tx.create("b", { theirs: true }));
    await world.drain();
    expect(ann.undo()).toBe(false);
    expect(ann.get("b")).toEqual({ theirs: true });
  });

  test("[sdk/undo-others] an append is taken back only while it is the last write", async () => {
    const { world, ann, ben } = await pair();
    step(ann, (tx) => tx.create("a", { list: [1] }));
    step(ann, (tx) => tx.append("a", "list", [2]));
    await world.drain();
    ben.transact((tx) => tx.append("a", "list", [3]));
    await world.drain();
    expect(ann.undo()).toBe(false);
    expect(ann.get("a")).toEqual({ list: [1, 2, 3] });
  });

  test("[sdk/undo-others] random edits, undo and redo of one side keep all that the other side made", async () => {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const random = seededRandom(seed);
      const faults = { unavailable: 0.05, rateLimited: 0.05, snapshot: seed % 3 === 0 ? 0.3 : 0 };
      const server = new ModelServer(random, "lww", faults);
      const world = new World(server, random);
      const ann = world.join("ann").document;
      const ben = world.join("ben").document;
      await world.drain();
      ann.transact((tx) => tx.create("shared", { text: "start", mine: 0 }), { undo: false });
      await world.drain();
      let marks = 0;
      const theirs = {
        characters: new Set<string>(),
        y: undefined as number | undefined,
        elements: new Set(),
      };
      for (let count = 0; count < 120; count++) {
        const dice = random.next();
        if (dice < 0.3) editAsAnn(ann, random);
        else if (dice < 0.4) ann.undo();
        else if (dice < 0.47) ann.redo();
        else if (dice < 0.6) {
          marks += 1;
          const character = String.fromCharCode(0x4e00 + marks);
          const text = String(ben.get("shared")?.text);
          const kind = random.between(0, 2);
          if (kind === 0) {
            ben.transact((tx) => tx.splice("shared", "text", random.between(0, text.length), 0, character));
            theirs.characters.add(character);
          } else if (kind === 1) {
            ben.transact((tx) => tx.update("shared", { y: marks }));
            theirs.y = marks;
          } else {
            ben.transact((tx) => tx.create(`theirs-${marks}`, { n: marks }));
            theirs.elements.add(`theirs-${marks}`);
          }
        } else if (dice < 0.94) world.deliverOne();
        else if (dice < 0.96) world.cutOne();
        else world.clock.advance(random.between(10, 2_000));
        if (random.next() < 0.6) await world.settle();
      }
      server.faults = quiet;
      await world.drain();
      try {
        expect(Object.fromEntries(ann.elements)).toEqual(Object.fromEntries(server.elements));
        expect(Object.fromEntries(ben.elements)).toEqual(Object.fromEntries(server.elements));
        expect(world.peers.flatMap(({ rejects, errors }) => [...rejects, ...errors])).toEqual([]);
        const { text, y } = server.elements.get("shared") ?? {};
        for (const character of theirs.characters) expect(String(text).split(character).length).toBe(2);
        expect(y).toEqual(theirs.y);
        for (const element of theirs.elements) expect(server.elements.has(String(element))).toBe(true);
        while (ann.canUndo) expect(ann.undo()).toBe(true);
        while (ann.canRedo) expect(ann.redo()).toBe(true);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});

function editAsAnn(document: DocumentReplica, random: SeededRandom): void {
  if (random.next() < 0.7) document.undoStop();
  document.transact((tx) => {
    for (let count = random.between(1, 3); count > 0; count--) {
      const element = `mine-${random.between(0, 2)}`;
      const present = tx.get(element);
      const text = tx.get("shared")?.text;
      const dice = random.between(0, 7);
      if (dice < 3 && typeof text === "string") {
        // Insertions of her own characters, deletions of them only.
        const position = random.between(0, text.length);
        if (dice === 0 && /[a-z]/.test(text[position] ?? "")) tx.splice("shared", "text", position, 1, "");
        else tx.splice("shared", "text", position, 0, "xyz".slice(0, random.between(1, 3)));
      } else if (dice === 3) tx.update("shared", { mine: random.between(0, 9) });
      else if (present === undefined)
        tx.create(element, { x: random.between(0, 9), text: "abc", list: [] as number[] });
      else if (dice === 4) tx.delete(element);
      else if (dice === 5) tx.update(element, { x: random.between(0, 9) });
      else if (dice === 6) tx.append(element, "list", [random.between(0, 9)]);
      else tx.splice(element, "text", 0, random.between(0, 1), "q");
    }
  });
}

test("[sdk/undo] with nobody else there, undo goes back through every state, and redo forward again", async () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const random = seededRandom(seed);
    const world = new World(new ModelServer(random, "lww", quiet), random);
    const { document } = world.join("ann");
    await world.drain();
    document.transact((tx) => tx.create("shared", { text: "start", mine: 0 }), { undo: false });
    const states = [Object.fromEntries(document.elements)];
    for (let count = 0; count < 25; count++) {
      document.undoStop();
      editAsAnn(document, random);
      states.push(Object.fromEntries(document.elements));
      if (random.next() < 0.5) await world.deliver();
    }
    // A step may hold nothing that is left to undo (created and deleted at once): then undo goes one further.
    try {
      const back: unknown[] = [Object.fromEntries(document.elements)];
      while (document.canUndo) {
        if (document.undo()) back.push(Object.fromEntries(document.elements));
        if (random.next() < 0.5) await world.deliver();
      }
      expect(back.at(-1)).toEqual(states[0]);
      const known = states.map((state) => JSON.stringify(sorted(state)));
      for (const state of back) expect(known).toContain(JSON.stringify(sorted(state)));
      const forward: unknown[] = [Object.fromEntries(document.elements)];
      while (document.canRedo) {
        if (document.redo()) forward.push(Object.fromEntries(document.elements));
      }
      expect(forward).toEqual([...back].reverse());
      await world.drain();
      expect(Object.fromEntries(world.server.elements)).toEqual(states.at(-1));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

/** With the keys in order, so that equal states have equal texts. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
