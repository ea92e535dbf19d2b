/** Storages and token sources that are slow, fail for a while, or are full. */
import { describe, expect, test } from "vitest";
import { memoryStorage, type ReplicaStorage } from "../../client/index.ts";
import { type Browser, browserWorld, type Tab, tokenOf } from "./browser.ts";
import type { World } from "./world.ts";

/** A tab with an element that the server has and one that it has not, gone without a network. */
async function leaveUnsent(net: World, browser: Browser): Promise<void> {
  const first = browser.open();
  await net.drain();
  first.board.transact((tx) => tx.create("a", {}));
  await net.drain();
  net.unplugged = true;
  net.cutAll();
  first.board.transact((tx) => tx.create("offline", {}));
  await net.pass(500);
  browser.kill(first);
}

async function seen({ board }: Tab): Promise<object> {
  return { kept: await board.offlineReady, ids: [...board.elements.keys()].sort() };
}

describe("a document that has not arrived is not stored", () => {
  test("[sdk/offline] a storage that is slow once, without a network, hides nothing at the next opening", async () => {
    const { world: net, browser } = browserWorld(1);
    await leaveUnsent(net, browser);
    const { storage } = browser;
    browser.storage = {
      ...storage,
      list: (scope) => new Promise((resolve) => net.clock.after(1_500, () => resolve(storage.list(scope)))),
    };
    const slow = browser.open();
    await net.pass(5_000);
    expect(await seen(slow)).toEqual({ kept: false, ids: [] });
    await slow.board.close();
    browser.storage = storage;
    expect(await seen(browser.open())).toEqual({ kept: true, ids: ["a", "offline"] });
  });

  test("[sdk/offline] one that was closed before it arrived is not there at the next opening", async () => {
    const { world: net, browser } = browserWorld(2);
    net.unplugged = true;
    const first = browser.open();
    expect(await first.board.offlineReady).toBe(false);
    await net.pass(2_000);
    await first.board.close();
    expect(await browser.stored()).toEqual([]);
    expect(await seen(browser.open())).toEqual({ kept: false, ids: [] });
  });

  test("[sdk/offline] what an earlier version stored of none is passed over, and goes", async () => {
    const { world: net, browser } = browserWorld(3);
    await leaveUnsent(net, browser);
    const scope = JSON.stringify(["d", "ann"]);
    const nothing = { whole: true, head: { version: 0, unsent: [] }, elements: new Map() };
    await browser.storage.save(scope, "empty", nothing);
    const tab = browser.open();
    expect(await seen(tab)).toEqual({ kept: true, ids: ["a", "offline"] });
    const other = browser.open();
    expect(await seen(other)).toEqual({ kept: true, ids: ["a"] });
    net.unplugged = false;
    await net.drain();
    await net.pass(2_000);
    expect([...(await browser.stored())].sort()).toEqual([tab.board.clientId, other.board.clientId].sort());
  });
});

test("[sdk/offline] a getToken that hangs once is waited for a while, and gone on without", async () => {
  const { world: net, browser, server } = browserWorld(4);
  await leaveUnsent(net, browser);
  net.unplugged = false;
  let asked = 0;
  const getToken = (): string | Promise<string> =>
    ++asked === 1 ? new Promise<never>(() => {}) : tokenOf("ann");
  const { board } = browser.openUnnamed({ getToken });
  await net.pass(1_000, 500);
  expect(await board.offlineReady).toBe(false);
  await net.until(() => server.elements.has("offline") && board.get("offline") !== undefined);
  asked = 0;
  const closed = browser.openUnnamed({ getToken });
  await net.settle();
  const timers = net.clock.size;
  await closed.board.close();
  expect(await closed.board.offlineReady).toBe(false);
  expect(net.clock.size).toBeLessThan(timers);
});

describe("a storage that fails", () => {
  test("[sdk/offline] is tried again, less and less often, and then has what was made meanwhile", async () => {
    const { world: net, browser } = browserWorld(5);
    const tab = browser.open();
    await net.drain();
    await net.pass(2_000);
    net.unplugged = true;
    net.cutAll();
    let failing = 1;
    const { save } = browser.storage;
    browser.storage.save = (...change) =>
      failing-- > 0 ? Promise.reject(new Error("not now")) : save(...change);
    tab.board.transact((tx) => tx.create("offline", {}));
    await net.pass(10 * 60_000, 10_000);
    browser.kill(tab);
    expect(await seen(browser.open())).toEqual({ kept: true, ids: ["offline"] });
  });

  test("[sdk/offline] what changes while it works again is stored as well", async () => {
    const { world: net, browser } = browserWorld(6);
    const tab = browser.open();
    await net.drain();
    await net.pass(2_000);
    net.unplugged = true;
    net.cutAll();
    let saves = 0;
    let answer = (): void => {};
    const { save } = browser.storage;
    browser.storage.save = async (...change) => {
      if (++saves === 1) throw new Error("not now");
      if (saves === 2)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      return save(...change);
    };
    tab.board.transact((tx) => tx.create("first", {}));
    await net.pass(2_000, 100);
    expect(saves).toBe(2);
    tab.board.transact((tx) => tx.create("second", {}));
    answer();
    await net.pass(500, 100);
    browser.kill(tab);
    expect(await seen(browser.open())).toEqual({ kept: true, ids: ["first", "second"] });
  });

  test("[sdk/offline] and is full: it costs neither a whole write nor a second for each change", async () => {
    const { world: net, browser, server } = browserWorld(7);
    const { board } = browser.open();
    await net.drain();
    board.transact((tx) => tx.create("e0", {}));
    await net.drain();
    await net.pass(2_000);
    let saves = 0;
    browser.storage.save = () => {
      saves += 1;
      return new Promise((_, reject) => net.clock.after(900, () => reject(new Error("full"))));
    };
    board.transact((tx) => tx.update("e0", { x: -1 }));
    await net.pass(1_000, 100);
    const { version } = server;
    const from = net.clock.now();
    for (let x = 0; x < 50; x++) {
      board.transact((tx) => tx.update("e0", { x }));
      // No time is needed for it to be sent and answered.
      await net.deliver();
      expect(board.pendingCount).toBe(0);
      await net.pass(200, 100);
    }
    expect(server.version).toBe(version + 50);
    expect(net.clock.now() - from).toBe(10_000);
    expect(saves).toBeLessThan(8);
    const closing = board.close();
    await net.pass(1_000, 100);
    await closing;
    expect(net.clock.size).toBe(0);
  });

  test("[sdk/offline] and hangs: one submit waits a second for it, the next ones do not", async () => {
    const { world: net, browser, server } = browserWorld(8);
    const { board } = browser.open();
    await net.drain();
    await net.pass(2_000);
    browser.storage.save = () => new Promise<never>(() => {});
    board.transact((tx) => tx.create("a", {}));
    await net.pass(1_100, 100);
    expect(server.version).toBe(1);
    for (let x = 0; x < 3; x++) {
      board.transact((tx) => tx.update("a", { x }));
      await net.deliver();
    }
    expect(server.version).toBe(4);
  });

  for (const throws of [true, false]) {
    test(`[sdk/offline] and cannot claim (${throws ? "throws" : "rejects"}): nothing is stored that another tab could take for a dead one's`, async () => {
      const { world: net, browser, server } = browserWorld(9);
      const storage = memoryStorage();
      let claims = true;
      const claim: ReplicaStorage["claim"] = (...of) => {
        if (claims) return storage.claim(...of);
        if (throws) throw new Error("not now");
        return Promise.reject(new Error("not now"));
      };
      browser.storage = storage;
      const other = browser.open();
      browser.storage = { ...storage, claim };
      await net.drain();
      await net.pass(2_000);
      claims = false;
      const { board, peer } = browser.open();
      await net.drain();
      board.transact((tx) => tx.create("a", {}));
      await net.drain();
      await net.pass(5_000);
      expect(server.version).toBe(1);
      expect(await browser.stored()).toEqual([other.board.clientId]);
      expect(peer.errors.map(({ message }) => message)).toEqual([
        "what is stored could not be read",
        "the changes could not be stored",
      ]);
      claims = true;
      await net.pass(30_000);
      expect(await browser.stored()).toContain(board.clientId);
    });
  }
});

test("[sdk/offline] closing twice: both calls wait until everything is stored", async () => {
  const { world: net, browser } = browserWorld(10);
  const { board } = browser.open();
  await net.drain();
  let stored = false;
  const { save } = browser.storage;
  browser.storage.save = async (...change) => {
    for (let rounds = 0; rounds < 5; rounds++) await net.settle();
    stored = true;
    return save(...change);
  };
  board.transact((tx) => tx.create("a", {}));
  void board.close();
  // The connection is closed, and the storage is at it.
  await net.settle();
  await board.close();
  expect(stored).toBe(true);
});
