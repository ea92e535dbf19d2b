import { describe, expect, test } from "vitest";
import { type DocumentReplica, LockHeldError, type LockLostEvent, RequestError } from "../../client/index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { World } from "./world.ts";

async function twoPeople(): Promise<{
  world: World;
  server: ModelServer;
  ann: DocumentReplica;
  ben: DocumentReplica;
  lost: LockLostEvent[];
}> {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const ann = world.join("ann").document;
  const ben = world.join("ben").document;
  const lost: LockLostEvent[] = [];
  ann.on("lockLost", (event) => lost.push(event));
  await world.drain();
  return { world, server, ann, ben, lost };
}

/** The outcome of a promise while frames are delivered. */
async function outcome<T>(world: World, promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  await world.deliver();
  return promise;
}

describe("locks in the SDK", () => {
  test("[sdk/lock] one holds, everybody sees it, another is told who; a release gives it back", async () => {
    const { world, ann, ben } = await twoPeople();
    let changes = 0;
    ben.on("locks", () => changes++);
    const lock = await outcome(world, ann.locks.acquire("a"));
    expect(lock).toMatchObject({ element: "a", user: { id: "ann" }, token: 1 });
    expect(ann.locks.held).toEqual([lock]);
    expect(ann.locks.blocks("a")).toBeUndefined();
    expect(ben.locks.blocks("a")).toMatchObject({ id: lock.id });
    expect(ben.locks.blocks("b")).toBeUndefined();
    expect(ben.locks.blocks(null)).toMatchObject({ id: lock.id });
    expect(ben.locks.list).toBe(ben.locks.list);
    expect(changes).toBe(1);
    const refused = await outcome(world, ben.locks.acquire("a")).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(LockHeldError);
    expect(refused).toMatchObject({ code: "locked", lock: { user: { id: "ann" } } });
    await outcome(world, ann.locks.release("a"));
    expect(ben.locks.list).toEqual([]);
    await expect(outcome(world, ben.locks.acquire(null))).resolves.toMatchObject({ element: null, token: 2 });
    expect(ann.locks.blocks("anything")).toMatchObject({ element: null });
  });

  test("[sdk/lock] it is renewed well before its end, and kept until it is released", async () => {
    const { world, ann, ben, lost } = await twoPeople();
    const lock = await outcome(world, ann.locks.acquire("a", { ttlMs: 3_000 }));
    await world.pass(20_000);
    expect(ann.locks.held).toMatchObject([{ id: lock.id, token: lock.token }]);
    expect(ben.locks.blocks("a")).toBeDefined();
    expect(lost).toEqual([]);
  });

  test("[sdk/lock] without renewal it ends by itself on both sides", async () => {
    const { world, ann, ben, lost } = await twoPeople();
    const lock = await outcome(world, ann.locks.acquire("a", { ttlMs: 3_000, renew: false }));
    await world.pass(2_900);
    expect(lost).toEqual([]);
    await world.pass(200);
    expect(lost).toMatchObject([{ lock: { id: lock.id }, reason: "expired" }]);
    // Nobody told the other side: its own clock ends it, a little later.
    await world.pass(2_000);
    expect(ben.locks.list).toEqual([]);
  });

  test("[sdk/lock] a lease outlives a lost connection, and is renewed as soon as there is another", async () => {
    const { world, ann, lost } = await twoPeople();
    const lock = await outcome(world, ann.locks.acquire("a", { ttlMs: 5_000 }));
    world.cutAll();
    await world.drain();
    expect(ann.connection.state).toBe("live");
    expect(ann.locks.held).toMatchObject([{ id: lock.id }]);
    await world.pass(10_000);
    expect(ann.locks.held).toMatchObject([{ id: lock.id }]);
    expect(lost).toEqual([]);
  });

  test("[sdk/lock] a connection that is away for longer than the lease loses it, at its end", async () => {
    const { world, ann, lost } = await twoPeople();
    await outcome(world, ann.locks.acquire("a", { ttlMs: 1_000 }));
    world.cutAll();
    world.clock.advance(999);
    expect(lost).toEqual([]);
    world.clock.advance(1);
    expect(lost).toMatchObject([{ reason: "expired" }]);
    expect(ann.locks.held).toEqual([]);
    await world.drain();
    expect(ann.locks.list).toEqual([]);
  });

  test("[sdk/lock] a page that slept beyond the end of a lease does not hold it, though its timers are late", async () => {
    const { world, server, ann, lost } = await twoPeople();
    await outcome(world, ann.locks.acquire("a", { ttlMs: 5_000, renew: false }));
    await world.deliver();
    world.clock.sleep(5_000);
    expect(ann.locks.held).toEqual([]);
    // What the server tells comes before them.
    server.locks.force("a");
    server.tellLocks();
    await world.deliver();
    expect(lost).toMatchObject([{ lock: { element: "a" }, reason: "expired" }]);
  });

  test("[sdk/lock] one that an owner ended is told as lost", async () => {
    const { world, server, ann, lost } = await twoPeople();
    await outcome(world, ann.locks.acquire("a"));
    server.locks.force("a");
    server.tellLocks();
    await world.deliver();
    expect(lost).toMatchObject([{ reason: "released" }]);
  });

  test("[sdk/lock] one that was ended before any list showed it is told as lost at once", async () => {
    const { world, server, ann, lost } = await twoPeople();
    const { tellLocks } = server;
    server.tellLocks = () => {};
    await outcome(world, ann.locks.acquire("a"));
    server.locks.force("a");
    tellLocks.call(server);
    await world.deliver();
    expect(lost).toMatchObject([{ lock: { element: "a" }, reason: "released" }]);
    expect(ann.locks.list).toEqual([]);
  });

  test("[sdk/lock] a list of before the grant does not end it, an older one than the last is ignored", async () => {
    const { world, server, ann, ben, lost } = await twoPeople();
    const old = server.locks.state;
    await outcome(world, ben.locks.acquire("b"));
    const asked = ann.locks.acquire("a");
    await world.deliver();
    const lock = await asked;
    // As if it were on its way since before.
    Object.defineProperty(server.locks, "state", { get: () => old, configurable: true });
    server.tellLocks();
    await world.deliver();
    Reflect.deleteProperty(server.locks, "state");
    expect(ann.locks.held).toMatchObject([{ id: lock.id }]);
    expect(ann.locks.blocks("b")).toBeDefined();
    expect(lost).toEqual([]);
  });

  test("[sdk/request] is sent again after a lost connection, and given up when its time is over", async () => {
    const { world, ann } = await twoPeople();
    const asked = ann.locks.acquire("a");
    world.cutAll();
    await world.drain();
    await expect(asked).resolves.toMatchObject({ element: "a" });
    world.cutAll();
    const late = ann.locks.acquire("b", { timeoutMs: 100 }).catch((error: unknown) => error);
    world.clock.advance(100);
    const error = await late;
    expect(error).toBeInstanceOf(RequestError);
    expect(error).toMatchObject({ code: "timeout" });
  });

  test("[sdk/lock] what is neither an element's id nor null is refused, and nothing is locked or released", async () => {
    const { world, server, ann } = await twoPeople();
    await outcome(world, ann.locks.acquire(null));
    for (const element of [undefined, "", 5, "a b", {}]) {
      const wrong = element as string;
      for (const ask of [() => ann.locks.acquire(wrong), () => ann.locks.release(wrong)]) {
        const error = await outcome<unknown>(world, ask()).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(RequestError);
        expect(error).toMatchObject({
          code: "invalid",
          message: expect.stringMatching(/^element: expected an element id: .*; or null, the document$/),
        });
      }
    }
    expect(server.locks.state.locks).toMatchObject([{ element: null }]);
    expect(ann.locks.held).toMatchObject([{ element: null }]);
  });

  test("[sdk/lock] a closed document keeps nothing, and leaves no timer", async () => {
    const { world, ann, ben, lost } = await twoPeople();
    await outcome(world, ann.locks.acquire("a"));
    const asked = ann.locks.acquire("b").catch((error: unknown) => error);
    await ann.close();
    await ben.close();
    expect(await asked).toMatchObject({ code: "closed" });
    expect(lost).toEqual([]);
    expect(world.clock.size).toBe(0);
  });

  test("[sdk/request] after `close()` it is refused at once, and leaves no timer", async () => {
    const { world, ann, ben } = await twoPeople();
    await ann.close();
    await ben.close();
    for (const ask of [
      () => ann.locks.acquire("a"),
      () => ann.locks.release("a"),
      () => ben.conflicts.resolve("c", "current"),
    ]) {
      const asked = ask().catch((error: unknown) => error);
      expect(world.clock.size).toBe(0);
      expect(await asked).toMatchObject({ name: "RequestError", code: "closed" });
    }
  });
});
