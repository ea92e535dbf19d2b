import { describe, expect, test } from "vitest";
import { forgetDocument, memoryStorage, type ReplicaStorage } from "../../client/index.ts";
import { type Browser, quiet, tokenOf, browserWorld as world } from "./browser.ts";
import { DyingHost } from "./dying-host.ts";

const runs = Number(process.env.RUNS) || 60;
const firstSeed = Number(process.env.SEED) || 1;
describe("a replica that outlives its page", () => {
  test("[sdk/offline] shows the document before there is a connection, and goes on as the same author", async () => {
    const { world: net, browser, server } = world(1);
    const first = browser.open();
    expect(await first.board.offlineReady).toBe(false);
    await net.drain();
    first.board.transact((tx) => tx.create("a", { x: 1, text: "abc" }));
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.update("a", { x: 2 }));
    first.board.transact((tx) => tx.splice("a", "text", 3, 0, "!"));
    await net.pass(2_000);
    browser.kill(first);
    const second = browser.open();
    expect(await second.board.offlineReady).toBe(true);
    expect(second.board.clientId).toBe(first.board.clientId);
    expect(second.board.get("a")).toEqual({ x: 2, text: "abc!" });
    expect(second.board.pendingCount).toBe(1);
    expect(second.board.user).toEqual({ id: "ann" });
    expect(second.board.role).toBe("editor");
    second.board.transact((tx) => tx.create("b", {}));
    net.unplugged = false;
    await net.drain();
    expect(Object.fromEntries(server.elements)).toEqual({ a: { x: 2, text: "abc!" }, b: {} });
    expect(new Set(server.log.map(({ client }) => client)).size).toBe(1);
  });

  test("[sdk/offline] a submit that was committed before the reload is not repeated", async () => {
    const { world: net, browser, server } = world(2);
    const first = browser.open();
    await net.drain();
    first.board.transact((tx) => tx.create("a", { list: [] }));
    await net.drain();
    first.board.transact((tx) => tx.append("a", "list", [1]));
    // Handled by the server; the answer is lost with the page.
    while (server.version < 2) {
      await net.settle();
      net.deliverOne();
    }
    browser.kill(first);
    const second = browser.open();
    await net.drain();
    expect(server.version).toBe(2);
    expect(second.board.get("a")).toEqual({ list: [1] });
  });

  test("[sdk/offline] a second tab takes a new client id, and shows what the first has confirmed", async () => {
    const { world: net, browser } = world(3);
    const first = browser.open();
    await net.drain();
    first.board.transact((tx) => tx.create("a", {}));
    await net.drain();
    await net.pass(2_000);
    net.unplugged = true;
    const second = browser.open();
    expect(await second.board.offlineReady).toBe(true);
    expect(second.board.clientId).not.toBe(first.board.clientId);
    expect(second.board.get("a")).toEqual({});
    net.unplugged = false;
    await net.drain();
    first.board.transact((tx) => tx.update("a", { x: 1 }));
    second.board.transact((tx) => tx.update("a", { y: 1 }));
    await net.drain();
    expect(second.board.get("a")).toEqual({ x: 1, y: 1 });
  });

  test("[sdk/offline] what a dead tab left is sent under its own client id, once", async () => {
    const { world: net, browser, server } = world(4);
    const first = browser.open();
    const second = browser.open();
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    for (const [name, { board }] of Object.entries({ first, second }))
      board.transact((tx) => tx.create(name, {}));
    await net.pass(500);
    const ids = [first.board.clientId, second.board.clientId];
    browser.kill(first);
    browser.kill(second);
    net.unplugged = false;
    const third = browser.open();
    await net.until(() => server.version === 2);
    await net.until(() => third.board.version === 2 && third.board.pendingCount === 0);
    expect(server.log.map(({ client }) => client).sort()).toEqual([...ids].sort());
    expect(ids).toContain(third.board.clientId);
    await net.until(() => true);
    await third.board.close();
    expect(await browser.storage.list(JSON.stringify(["d", "ann"]))).toEqual([third.board.clientId]);
  });

  test("[sdk/offline] another user sees nothing of it", async () => {
    const { world: net, browser, server } = world(5);
    const first = browser.open();
    await net.drain();
    first.board.transact((tx) => tx.create("a", {}));
    await net.pass(2_000);
    browser.kill(first);
    net.unplugged = true;
    const host = new DyingHost();
    const { document } = net.join("ben", { storage: host.storage(browser.storage), user: "ben", host });
    expect(await document.offlineReady).toBe(false);
    expect(document.elements.size).toBe(0);
    // One who is not who the application says sends nothing of what is stored.
    net.unplugged = false;
    net.cutAll();
    const asAnn = browser.open();
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    asAnn.board.transact((tx) => tx.create("b", {}));
    await net.pass(500);
    browser.kill(asAnn);
    net.unplugged = false;
    const wrong = net.join("ben", { storage: host.storage(browser.storage), user: "ann", host });
    await net.until(() => wrong.document.connection.state === "closed");
    expect(wrong.errors).toHaveLength(1);
    expect(server.elements.has("b")).toBe(false);
  });

  test("[sdk/offline] a storage that fails is told once, and editing goes on", async () => {
    const { world: net, server } = world(6);
    const broken: ReplicaStorage = {
      list: () => Promise.reject(new Error("no list")),
      load: () => Promise.reject(new Error("no load")),
      save: () => Promise.reject(new Error("full")),
      remove: () => Promise.reject(new Error("no remove")),
      claim: () => Promise.reject(new Error("no claim")),
    };
    const { document, errors } = net.join("ann", { storage: broken, user: "ann" });
    await net.drain();
    for (let x = 0; x < 3; x++) {
      document.transact((tx) => (x === 0 ? tx.create("a", { x }) : tx.update("a", { x })));
      await net.drain();
    }
    expect(Object.fromEntries(server.elements)).toEqual({ a: { x: 2 } });
    expect(errors.map(({ message }) => message)).toEqual([
      "what is stored could not be read",
      "the changes could not be stored",
    ]);
    const hanging: ReplicaStorage = { ...memoryStorage(), save: () => new Promise<never>(() => {}) };
    const other = net.join("ben", { storage: hanging, user: "ben" });
    await net.drain();
    other.document.transact((tx) => tx.create("b", {}));
    await net.pass(1_500);
    await net.drain();
    expect(server.elements.has("b")).toBe(true);
  });

  for (const step of ["list", "claim", "load"] as const) {
    test(`[sdk/offline] a storage that hangs at its opening (${step}) is waited for a while, told once, and gone on without`, async () => {
      const { world: net, browser, server } = world(7);
      const first = browser.open();
      await net.drain();
      first.board.transact((tx) => tx.create("a", { x: 1 }));
      await net.drain();
      net.unplugged = true;
      net.cutAll();
      first.board.transact((tx) => tx.update("a", { x: 2 }));
      await net.pass(500);
      await first.board.close();
      net.peers.length = 0;
      net.unplugged = false;
      let answer = (): void => {};
      const answering = new Promise<void>((resolve) => {
        answer = resolve;
      });
      const storage = {
        ...browser.storage,
        [step]: async (scope: string, clientId: string) => {
          await answering;
          return browser.storage[step](scope, clientId);
        },
      };
      // Also one that names its id: what is stored under it may be somebody's.
      for (const clientId of [undefined, first.board.clientId]) {
        const options = { storage, user: "ann", ...(clientId === undefined ? {} : { clientId }) };
        const { document, errors } = net.join("ann", options);
        await net.pass(step === "load" ? 9_500 : 500, 500);
        expect(document.connection.state).toBe("connecting");
        await net.pass(500, 500);
        await net.drain();
        expect(await document.offlineReady).toBe(false);
        expect(document.clientId).not.toBe(first.board.clientId);
        document.transact((tx) => tx.update("a", { y: 1 }));
        await net.drain();
        expect(server.elements.get("a")).toMatchObject({ x: 1, y: 1 });
        expect(errors).toMatchObject([{ message: "what is stored could not be read" }]);
      }
      // Its answer comes after all: nothing of it gets into these replicas, which are stored from then on as their own.
      answer();
      await net.pass(2_000);
      const scope = JSON.stringify(["d", "ann"]);
      expect([...(await browser.storage.list(scope))].sort()).toEqual(
        [first.board.clientId, ...net.peers.map(({ document }) => document.clientId)].sort(),
      );
      for (const { document, errors } of net.peers) {
        expect(document.get("a")).toEqual({ x: 1, y: 1 });
        expect(errors).toHaveLength(1);
        await document.close();
      }
      // What was unsent is not lost: whoever comes next has it, once.
      net.peers.length = 0;
      browser.open();
      await net.drain();
      await net.until(() => server.elements.get("a")?.x === 2);
      expect(server.log.filter(({ set }) => set?.x === 2)).toHaveLength(1);
    });
  }

  test("[sdk/offline] a document that is closed while its storage hangs keeps no timer and no claim", async () => {
    const { world: net, browser } = world(8);
    const first = browser.open();
    await net.drain();
    first.board.transact((tx) => tx.create("a", {}));
    await net.drain();
    await first.board.close();
    let answer = (): void => {};
    const storage: ReplicaStorage = {
      ...browser.storage,
      claim: async (scope, clientId) => {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return browser.storage.claim(scope, clientId);
      },
    };
    const { document, errors } = net.join("ann", { storage, user: "ann" });
    await net.settle();
    await document.close();
    expect(await document.offlineReady).toBe(false);
    expect(net.clock.size).toBe(0);
    answer();
    await net.settle();
    const claim = await browser.storage.claim(JSON.stringify(["d", "ann"]), first.board.clientId);
    expect(claim).toBeDefined();
    expect(errors).toEqual([]);
  });

  for (const code of [4403, 4404, 4410]) {
    test(`[sdk/offline] a document that is gone (${code}): what is stored of it is removed, but for unsent changes`, async () => {
      const { world: net, browser } = world(9);
      const ids = async (): Promise<readonly string[]> => browser.storage.list(JSON.stringify(["d", "ann"]));
      // Three tabs of before: one is closed with all acknowledged, one goes on, one dies with unsent changes later.
      const open = (): ReturnType<Browser["open"]> => browser.open({ token: tokenOf("ann") });
      const [done, live, unsent] = [open(), open(), open()];
      await net.drain();
      done.board.transact((tx) => tx.create("a", { secret: 1 }));
      await net.drain();
      await net.pass(2_000);
      browser.kill(done);
      net.unplugged = true;
      net.cutAll();
      unsent.board.transact((tx) => tx.update("a", { secret: 2 }));
      await net.pass(500);
      net.unplugged = false;
      expect((await ids()).length).toBe(3);
      const { clientId } = unsent.board;
      browser.kill(unsent);
      const told = live.peer.errors.length;
      // Its next connection is refused, before it has taken over what the dead one left.
      net.clock.advance(1_000);
      await net.settle();
      net.cutOne(code);
      expect(live.board.connection).toMatchObject({ state: "closed", code });
      for (let round = 0; round < 20; round++) await net.settle();
      expect(await ids()).toEqual([clientId]);
      await live.board.close();
      expect(await ids()).toEqual([clientId]);
      expect(live.peer.errors.slice(told)).toEqual([]);
      // They stay, also when they are continued, until the application gives them up.
      const again = open();
      expect(await again.board.offlineReady).toBe(true);
      expect(again.board.pendingCount).toBe(1);
      await net.settle();
      net.cutOne(code);
      for (let round = 0; round < 20; round++) await net.settle();
      expect([again.board.pendingCount, again.peer.errors]).toEqual([1, []]);
      expect(await ids()).toEqual([clientId]);
      expect(await forgetDocument(browser.storage, { documentId: "d", user: "ann" })).toBe(false);
      await again.board.close();
      expect(await forgetDocument(browser.storage, { documentId: "d", user: "ann" })).toBe(true);
      expect(await ids()).toEqual([]);
    });
  }

  test("[sdk/offline] somebody else's answer that there is no document removes nothing", async () => {
    const { world: net, browser } = world(10);
    const first = browser.open();
    await net.drain();
    first.board.transact((tx) => tx.create("a", {}));
    await net.drain();
    await first.board.close();
    const wrong = browser.open({ token: tokenOf("ben") });
    expect(await wrong.board.offlineReady).toBe(true);
    await net.settle();
    net.cutOne(4404);
    for (let round = 0; round < 20; round++) await net.settle();
    expect(wrong.board.connection.state).toBe("closed");
    expect((await browser.storage.list(JSON.stringify(["d", "ann"]))).length).toBe(1);
  });

  test("[sdk/offline] pages that die at any moment, with lost answers: nothing stored is lost, nothing is doubled", async () => {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const faults = { unavailable: 0.08, rateLimited: 0.05, snapshot: seed % 2 === 0 ? 0.3 : 0 };
      const { world: net, browser, server } = world(seed, faults);
      const { random } = browser;
      browser.slow = true;
      net.join("ben");
      let tabs = [browser.open()];
      await net.drain();
      tabs[0]?.board.transact((tx) => tx.create("shared", { list: [], text: "" }));
      await net.drain();
      let marks = 0;
      for (let count = 0; count < 150; count++) {
        const dice = random.next();
        const tab = random.pick(tabs);
        if (dice < 0.3 && tab.board.get("shared") !== undefined) {
          const mark = ++marks;
          tab.board.transact((tx) => {
            if (mark % 3 === 0) tx.append("shared", "list", [mark]);
            else if (mark % 3 === 1) tx.create(`m${mark}`, {});
            else tx.splice("shared", "text", 0, 0, String.fromCharCode(0x4e00 + mark));
          });
        } else if (dice < 0.8) net.deliverOne();
        else if (dice < 0.84) net.cutOne();
        else if (dice < 0.87) {
          browser.kill(tab);
          tabs = tabs.filter((other) => other !== tab);
          if (tabs.length === 0) tabs.push(browser.open());
          await net.settle();
        } else if (dice < 0.89 && tabs.length < 3) {
          tabs.push(browser.open());
          // Not in one step with a jump of the clock: a storage is waited for a second.
          await net.settle();
        } else net.clock.advance(random.between(10, 1_000));
        if (random.next() < 0.6) await net.settle();
      }
      server.faults = quiet;
      await net.drain();
      await net.pass(3_000);
      // What no live tab knew of: the next one takes it over.
      tabs.push(browser.open());
      await net.drain();
      await net.pass(6_000);
      await net.drain();
      try {
        // What the last moments before a death brought may be missing; what is there is there once.
        const { list, text } = server.elements.get("shared") ?? {};
        const items = list as number[];
        expect(new Set(items).size).toBe(items.length);
        expect(new Set(String(text)).size).toBe(String(text).length);
        const wrong = server.rejects.filter(({ code }) => code !== "unavailable" && code !== "rate_limited");
        expect(wrong).toEqual([]);
        for (const { document, errors } of net.peers) {
          expect(errors).toEqual([]);
          expect(Object.fromEntries(document.elements)).toEqual(Object.fromEntries(server.elements));
        }
        for (const stored of await browser.storage.list(JSON.stringify(["d", "ann"]))) {
          const replica = await browser.storage.load(JSON.stringify(["d", "ann"]), stored);
          expect(replica?.head.unsent).toEqual([]);
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
