import { describe, expect, test } from "vitest";
import { Replica } from "../../client/replica.ts";
import { Sync } from "../../client/sync.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";
import type { ClientMessage, Welcome } from "../../shared/protocol/messages.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer, modelLimits } from "./model-server.ts";
import { World } from "./world.ts";

const bounds = { maxOps: 100, maxBytes: 0 };
let ids = 0;
const newId = (): string => `id-${++ids}`;

function sequenced(
  version: number,
  operation: Omit<Operation, "id"> & { readonly id?: string },
): SequencedOperation {
  const by = { session: "s", user: "u", client: "c", at: "", status: "applied" } as const;
  return { id: `theirs-${version}`, ...operation, ...by, version, base: version - 1 };
}

function change(replica: Replica, operation: Omit<Operation, "id">): string {
  const id = newId();
  replica.change({ id, ...operation });
  return id;
}

function replicaWith(
  elements: { readonly [id: string]: { readonly [name: string]: string } },
  version = 1,
): Replica {
  const replica = new Replica(newId);
  replica.install(
    { version, id: `op-${version}`, elements: new Map(Object.entries(elements)) },
    () => undefined,
  );
  return replica;
}

function welcome(part: Partial<Welcome> & Pick<Welcome, "version">): Welcome {
  return { ops: [], committed: {}, ...part } as Welcome;
}

describe("what is pending, on top of what comes in", () => {
  test("[sdk/typing] theirs moves what is in flight, and both move what waits", () => {
    const replica = replicaWith({ a: { text: "abcdef" } });
    const sent = change(replica, { type: "text", element: "a", splice: { text: [[0, 3, "X"]] } });
    replica.takeSubmit(bounds);
    change(replica, { type: "text", element: "a", splice: { text: [[4, 0, "!"]] } });
    expect(replica.view.get("a")).toEqual({ text: "Xdef!" });
    // Theirs deletes "bcde": of that only "de" is still there under what is in flight.
    replica.receive([sequenced(2, { type: "text", element: "a", splice: { text: [[1, 4, ""]] } })]);
    expect(replica.view.get("a")).toEqual({ text: "Xf!" });
    replica.receive([
      sequenced(3, { id: sent, type: "text", element: "a", splice: { text: [[0, 1, "X"]] } }),
    ]);
    expect(replica.view.get("a")).toEqual({ text: "Xf!" });
    replica.takeSubmit(bounds);
    expect(replica.inFlight).toMatchObject({ base: 3, operations: [{ splice: { text: [[2, 0, "!"]] } }] });
  });

  test("[sdk/typing] typing in flight whose text was overwritten is shown no more; what waits is kept whole", () => {
    const replica = replicaWith({ a: { text: "abc" } });
    change(replica, { type: "text", element: "a", splice: { text: [[0, 0, "X"]] } });
    replica.takeSubmit(bounds);
    replica.receive([sequenced(2, { type: "update", element: "a", set: { text: "new" } })]);
    expect(replica.view.get("a")).toEqual({ text: "new" });
    const other = replicaWith({ a: { text: "abc" } });
    change(other, { type: "text", element: "a", splice: { text: [[0, 0, "X"]] } });
    other.receive([sequenced(2, { type: "update", element: "a", set: { text: "new" } })]);
    expect(other.view.get("a")).toEqual({ text: "Xabc" });
    other.takeSubmit(bounds);
    expect(other.inFlight).toMatchObject({ base: 1, operations: [{ set: { text: "Xabc" } }] });
  });

  test("[sdk/typing] what the server made of one's own operation moves the typing on top of it", () => {
    const replica = replicaWith({ a: { text: "abc" } });
    const sent = change(replica, { type: "text", element: "a", splice: { text: [[0, 0, "XX"]] } });
    replica.takeSubmit(bounds);
    change(replica, { type: "text", element: "a", splice: { text: [[5, 0, "!"]] } });
    replica.receive([sequenced(2, { id: sent, type: "text", element: "a" })]);
    expect(replica.view.get("a")).toEqual({ text: "abc!" });
  });

  test("[sdk/reject] a refused creation takes what was made on top of it along, and nothing else", () => {
    const replica = replicaWith({ b: { text: "b" } });
    change(replica, { type: "create", element: "a", props: {} });
    replica.takeSubmit(bounds);
    change(replica, { type: "update", element: "a", set: { x: 1 } });
    change(replica, { type: "update", element: "b", set: { x: 1 } });
    const { dropped } = replica.reject();
    expect(dropped.map(({ element }) => element)).toEqual(["a"]);
    expect(Object.fromEntries(replica.view)).toEqual({ b: { text: "b", x: 1 } });
    expect(replica.pendingCount).toBe(1);
  });

  test("[sdk/gap] operations that do not follow are refused, and nothing after the gap is applied", () => {
    const replica = replicaWith({});
    const skipping = [
      sequenced(2, { type: "create", element: "a", props: {} }),
      sequenced(4, { type: "create", element: "b", props: {} }),
    ];
    expect(() => replica.receive(skipping)).toThrow("expected version 3, received 4");
    expect(replica.version).toBe(2);
    expect([...replica.confirmed.keys()]).toEqual(["a"]);
  });
});

describe("coming back", () => {
  test("[sdk/snapshot] it contains the lost answer: the change is there once, and is not sent again", () => {
    const replica = replicaWith({ a: { text: "abc" } });
    const sent = change(replica, { type: "text", element: "a", splice: { text: [[0, 0, "X"]] } });
    replica.takeSubmit(bounds);
    const snapshot = { version: 3, id: "op-3", elements: { a: { text: "Xabcd" } }, more: false };
    const sync = new Sync(replica, welcome({ version: 3, snapshot, committed: { [sent]: 2 } }), {
      continues: true,
      rebaseOwed: false,
    });
    expect(sync.finish()).toBeDefined();
    expect(replica.view.get("a")).toEqual({ text: "Xabcd" });
    expect(replica.pendingCount).toBe(0);
  });

  test("[sdk/snapshot] it stands in the middle of a submit: only what it contains is acknowledged by it", () => {
    const replica = replicaWith({});
    const first = change(replica, { type: "create", element: "a", props: {} });
    const second = change(replica, { type: "create", element: "b", props: {} });
    replica.takeSubmit(bounds);
    const snapshot = { version: 2, id: first, elements: { a: {} }, more: false };
    const answer = welcome({ version: 3, snapshot, committed: { [first]: 2 } });
    const sync = new Sync(replica, answer, { continues: true, rebaseOwed: false });
    expect(sync.finish()).toBeUndefined();
    expect([...(replica.inFlight?.left.keys() ?? [])]).toEqual([second]);
    expect([...replica.view.keys()].sort()).toEqual(["a", "b"]);
    sync.operations([sequenced(3, { id: second, type: "create", element: "b", props: {} })]);
    expect(sync.finish()).toBeDefined();
    expect(replica.pendingCount).toBe(0);
  });

  test("[sdk/snapshot] one of the replica's own past is passed over: typing stays typing", () => {
    const replica = replicaWith({}, 1);
    replica.receive([sequenced(2, { type: "create", element: "a", props: { text: "abc" } })]);
    change(replica, { type: "text", element: "a", splice: { text: [[3, 0, "!"]] } });
    const tail = [
      sequenced(2, { type: "create", element: "a", props: { text: "abc" } }),
      sequenced(3, { type: "text", element: "a", splice: { text: [[0, 0, "_"]] } }),
    ];
    const snapshot = { version: 1, id: "op-1", elements: {}, more: false };
    const sync = new Sync(replica, welcome({ version: 3, snapshot, ops: tail }), {
      continues: true,
      rebaseOwed: false,
    });
    expect(sync.finish()).toBeDefined();
    expect(replica.view.get("a")).toEqual({ text: "_abc!" });
    replica.takeSubmit(bounds);
    expect(replica.inFlight).toMatchObject({ base: 3, operations: [{ splice: { text: [[4, 0, "!"]] } }] });
  });

  test("[sdk/rebase] the submit in flight keeps its ids, and goes under the new version", () => {
    const replica = replicaWith({ a: { text: "abc" } }, 9);
    const sent = change(replica, { type: "update", element: "a", set: { x: 1 } });
    change(replica, { type: "create", element: "b", props: { n: 1 } });
    replica.takeSubmit(bounds);
    const snapshot = { version: 4, id: "op-4", elements: { a: { text: "old" }, b: { m: 1 } }, more: false };
    const sync = new Sync(replica, welcome({ version: 4, snapshot, rebase: true }), {
      continues: true,
      rebaseOwed: false,
    });
    expect(sync.finish()).toMatchObject({ dropped: [] });
    expect(replica.inFlight).toMatchObject({
      base: 4,
      operations: [
        { id: sent, type: "update", set: { x: 1 } },
        { type: "update", set: { n: 1 }, unset: ["m"] },
      ],
    });
    expect(Object.fromEntries(replica.view)).toEqual({ a: { text: "old", x: 1 }, b: { n: 1 } });
  });

  test("[sdk/hello] says where the replica is, and names the submit whose fate is not known", async () => {
    const random = seededRandom(3);
    const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
    const world = new World(server, random);
    const received: ClientMessage[] = [];
    const receive = server.receive.bind(server);
    server.receive = (session, text) => {
      received.push(JSON.parse(text) as ClientMessage);
      receive(session, text);
    };
    const { document } = world.join("ann");
    await world.drain();
    document.transact((tx) => tx.create("a", {}));
    await world.drain();
    document.transact((tx) => {
      for (let index = 0; index < modelLimits.maxOpsPerSubmit; index++) tx.create(`e${index}`, {});
    });
    await world.settle();
    world.cutAll();
    await world.drain();
    const hellos = received.filter((message) => message.type === "hello");
    const submits = received.filter((message) => message.type === "submit");
    expect(hellos).toMatchObject([
      { clientId: "client-ann" },
      {
        clientId: "client-ann",
        since: 1,
        sinceId: submits[0]?.ops[0]?.id,
        pending: [submits[1]?.ops[0]?.id],
      },
    ]);
    expect(hellos[0]).not.toHaveProperty("since");
    expect(submits[1]).toMatchObject({ seq: 1, base: 1 });
  });

  for (const where of ["in the welcome", "after the welcome"]) {
    test(`[sdk/gap] a second one ${where}: the next \`hello\` asks for everything`, async () => {
      const random = seededRandom(3);
      const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
      const world = new World(server, random);
      const { document } = world.join("ann");
      world.join("ben");
      await world.drain();
      document.transact((tx) => tx.create("a", {}));
      await world.drain();
      // An instance that leaves out what comes after ann's version, whatever it is asked for.
      const since: unknown[] = [];
      const receive = server.receive.bind(server);
      server.receive = (session, text) => {
        const message = JSON.parse(text) as ClientMessage;
        const send = session.send.bind(session);
        if (message.type === "hello" && session.user === "ann") {
          since.push(message.since);
          session.send = (answer) => {
            if (answer.type === "ops" && message.since !== undefined) return;
            if (answer.type !== "welcome" || message.since === undefined) return send(answer);
            const ops = server.log.slice(message.since + 1);
            send({ ...answer, ops: where === "in the welcome" ? ops : [] });
            if (where !== "in the welcome") send({ type: "ops", ops });
          };
        }
        receive(session, text);
        session.send = send;
      };
      server.tell({ type: "ops", ops: [sequenced(9, { type: "create", element: "gap", props: {} })] });
      world.peers[1]?.document.transact((tx) => {
        tx.create("b", {});
        tx.create("c", {});
      });
      await world.drain();
      expect(since).toEqual([1, undefined]);
      expect([...document.elements.keys()].sort()).toEqual(["a", "b", "c"]);
    });
  }
});
