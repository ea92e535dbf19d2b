/** Several tabs of one user on one storage: who has which client id, and who sends what a dead one left. */
import { describe, expect, test } from "vitest";
import { type Browser, browserWorld, type Tab, tokenOf } from "./browser.ts";
import type { ModelServer } from "./model-server.ts";
import type { World } from "./world.ts";

/** Ann's token, but for the first time that it is asked for. */
function refusedOnce(): () => string {
  let asked = 0;
  return () => {
    if (++asked === 1) throw new Error("not now");
    return tokenOf("ann");
  };
}

/** Both make an element without a network, and die: what the server has when another tab was there. */
async function editOfflineAndDie(
  { net, browser, server }: { net: World; browser: Browser; server: ModelServer },
  tabs: readonly [Tab, Tab],
): Promise<readonly string[]> {
  net.unplugged = true;
  net.cutAll();
  for (const [index, { board }] of tabs.entries()) board.transact((tx) => tx.create(`of-${index}`, {}));
  await net.pass(2_000);
  for (const tab of tabs) browser.kill(tab);
  net.unplugged = false;
  browser.open();
  await net.drain();
  await net.pass(5_000);
  return [...server.elements.keys()].sort();
}

describe("live tabs have a client id each", () => {
  test("[sdk/offline] also when it was not known at the opening whose the document is", async () => {
    const { world: net, browser, server } = browserWorld(1);
    const getToken = refusedOnce();
    const first = browser.openUnnamed({ getToken });
    expect(await first.board.offlineReady).toBe(false);
    await net.drain();
    await net.pass(2_000);
    const second = browser.openUnnamed({ token: tokenOf("ann") });
    await net.drain();
    expect(second.board.clientId).not.toBe(first.board.clientId);
    expect(await editOfflineAndDie({ net, browser, server }, [first, second])).toEqual(["of-0", "of-1"]);
  });

  test("[sdk/offline] also when the server knows the user by another id than the application", async () => {
    const { world: net, browser, server } = browserWorld(2);
    const first = browser.open({ user: "ann@example.org" });
    await net.drain();
    await net.pass(2_000);
    const second = browser.open();
    await net.drain();
    expect(second.board.clientId).not.toBe(first.board.clientId);
    expect(await editOfflineAndDie({ net, browser, server }, [first, second])).toEqual(["of-0", "of-1"]);
  });

  test("[sdk/offline] what is stored unsent under the id that the application named is not overwritten", async () => {
    const { world: net, browser, server } = browserWorld(3);
    const first = browser.open({ clientId: "kiosk" });
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.create("unsent", {}));
    await net.pass(500);
    browser.kill(first);
    net.unplugged = false;
    const getToken = refusedOnce();
    const second = browser.openUnnamed({ clientId: "kiosk", getToken });
    await net.drain();
    await net.pass(2_000);
    expect(second.peer.errors).toMatchObject([{ message: "the changes could not be stored" }]);
    browser.kill(second);
    browser.open({ clientId: "kiosk" });
    await net.drain();
    expect([...server.elements.keys()]).toEqual(["unsent"]);
  });
});

test("[sdk/offline] a reconnect as another user: each user's stored document is whole, and stays theirs", async () => {
  const { world: net, browser, server } = browserWorld(4);
  let user = "ann";
  const ben = net.join("ben").document;
  const tab = browser.open({}, () => user);
  await net.drain();
  ben.transact((tx) => tx.create("before", {}));
  await net.drain();
  await net.pass(2_000);
  // Waits to be stored when the connection is lost.
  ben.transact((tx) => tx.create("meanwhile", {}));
  await net.deliver();
  expect(tab.board.get("meanwhile")).toEqual({});
  user = "cas";
  net.cutAll();
  await net.drain();
  await net.pass(2_000);
  ben.transact((tx) => tx.create("after", {}));
  await net.drain();
  await net.pass(2_000);
  const load = (of: string) => browser.storage.load(JSON.stringify(["d", of]), tab.board.clientId);
  expect([...((await load("cas"))?.elements.keys() ?? [])]).toEqual([...server.elements.keys()]);
  const annas = await load("ann");
  expect([annas?.head.user?.id, ...(annas?.elements.keys() ?? [])]).toEqual(["ann", "before"]);
  // It may become Ann's again: until it ends, nobody else is Ann under its client id.
  const other = browser.open();
  await net.drain();
  expect(other.board.clientId).not.toBe(tab.board.clientId);
  user = "ann";
  net.cutAll();
  await net.drain();
  await net.pass(2_000);
  expect([...((await load("ann"))?.elements.keys() ?? [])]).toEqual([...server.elements.keys()]);
  expect(tab.peer.errors).toEqual([]);
});

describe("what a dead tab left", () => {
  test("[sdk/offline] is sent by a tab that was open already, when it reconnects", async () => {
    const { world: net, browser, server } = browserWorld(5);
    const [first, second] = [browser.open(), browser.open()];
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.create("left", {}));
    await net.pass(500);
    browser.kill(first);
    net.unplugged = false;
    await net.until(() => second.board.get("left") !== undefined);
    expect(server.log.map(({ client }) => client)).toEqual([first.board.clientId]);
    await net.pass(2_000);
    expect(await browser.stored()).toEqual([second.board.clientId]);
  });

  test("[sdk/offline] is sent also of anonymous users, who have another id in each session", async () => {
    const { world: net, browser, server } = browserWorld(12);
    let sessions = 0;
    const as = (): string => `anonymous:${++sessions}`;
    const [first, second] = [browser.openUnnamed({}, as), browser.openUnnamed({}, as)];
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.create("left", {}));
    await net.pass(500);
    browser.kill(first);
    net.unplugged = false;
    await net.until(() => second.board.get("left") !== undefined);
    expect([second.peer.errors, server.version]).toEqual([[], 1]);
  });

  test("[sdk/offline] is sent by a tab that is live all the time, within minutes", async () => {
    const { world: net, browser, server } = browserWorld(6);
    const [first, second] = [browser.open(), browser.open()];
    await net.drain();
    // Only the first one has no connection, as a page that the browser has put to sleep.
    net.unplugged = true;
    net.cutPeer(first.peer);
    first.board.transact((tx) => tx.create("left", {}));
    await net.pass(90_000, 1_000);
    expect(second.board.connection.state).toBe("live");
    browser.kill(first);
    net.unplugged = false;
    await net.pass(120_000, 1_000);
    expect(second.board.connection.state).toBe("live");
    expect([...server.elements.keys()]).toEqual(["left"]);
    await second.board.close();
    expect(net.clock.size).toBe(0);
  });

  test("[sdk/offline] is sent one tab after another, however many there were", async () => {
    const { world: net, browser, server } = browserWorld(7);
    const tabs = [browser.open(), browser.open(), browser.open(), browser.open()];
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    for (const [index, { board }] of tabs.entries()) board.transact((tx) => tx.create(`of-${index}`, {}));
    await net.pass(500);
    for (const tab of tabs) browser.kill(tab);
    net.unplugged = false;
    // A replica has its claim from before it connects until it has ended.
    let [held, most] = [0, 0];
    const { claim } = browser.storage;
    browser.storage.claim = async (...of) => {
      const release = await claim(...of);
      if (release === undefined) return undefined;
      most = Math.max(most, ++held);
      return () => {
        held -= 1;
        release();
      };
    };
    browser.open();
    await net.until(() => server.version === 4);
    expect(most).toBe(2);
  });

  test("[sdk/offline] tells the live tab what of it is held back", async () => {
    const { world: net, browser, server } = browserWorld(8);
    const [first, second] = [browser.open(), browser.open()];
    await net.drain();
    second.board.transact((tx) => tx.create("a", {}));
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.update("a", { x: 1 }));
    await net.pass(500);
    browser.kill(first);
    server.holdsBack = () => "a conflict";
    const told: string[] = [];
    second.board.on("heldBack", ({ operations }) => told.push(...operations.map(({ element }) => element)));
    net.unplugged = false;
    await net.until(() => told.length > 0);
    expect(told).toEqual(["a"]);
  });
});

describe("without Web Locks", () => {
  function withoutLocks(seed: number): ReturnType<typeof browserWorld> {
    const made = browserWorld(seed);
    made.browser.storage = { ...made.browser.storage, claim: async () => undefined };
    return made;
  }

  test("[sdk/offline] many openings leave one copy, the newest, and a reload finds it without a network", async () => {
    const { world: net, browser } = withoutLocks(9);
    for (let count = 0; count < 20; count++) {
      const { board } = browser.open();
      await net.drain();
      board.transact((tx) => (count === 0 ? tx.create("a", { count }) : tx.update("a", { count })));
      await net.drain();
      await board.close();
      net.peers.length = 0;
      expect(await browser.stored()).toEqual([board.clientId]);
    }
    net.unplugged = true;
    for (let count = 0; count < 2; count++) {
      const { board } = browser.open();
      expect(await board.offlineReady).toBe(true);
      expect(board.get("a")).toEqual({ count: 19 });
      await board.close();
      net.peers.length = 0;
      expect((await browser.stored()).length).toBe(1);
    }
    net.unplugged = false;
    // Pages that are not closed, but gone.
    for (let count = 0; count < 5; count++) {
      const tab = browser.open();
      await net.drain();
      await net.pass(2_000);
      browser.kill(tab);
      expect((await browser.stored()).length).toBe(1);
    }
  });

  test("[sdk/offline] a copy with unsent changes stays, and a live tab whose copy went stores it again", async () => {
    const { world: net, browser } = withoutLocks(10);
    const dead = browser.open();
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    dead.board.transact((tx) => tx.create("unsent", {}));
    await net.pass(500);
    browser.kill(dead);
    net.unplugged = false;
    const [first, second] = [browser.open(), browser.open()];
    await net.drain();
    first.board.transact((tx) => tx.create("a", {}));
    await net.drain();
    await net.pass(2_000);
    expect(await browser.stored()).toContain(dead.board.clientId);
    await second.board.close();
    net.peers.splice(1, 1);
    expect([...(await browser.stored())].sort()).toEqual([dead.board.clientId, second.board.clientId].sort());
    net.unplugged = true;
    net.cutAll();
    first.board.transact((tx) => tx.create("b", {}));
    await net.pass(500);
    const stored = await browser.storage.load(JSON.stringify(["d", "ann"]), first.board.clientId);
    expect([...(stored?.elements.keys() ?? [])]).toEqual(["a"]);
    expect(stored?.head.unsent.map(({ element }) => element)).toEqual(["b"]);
  });

  test("[sdk/offline] a document that is gone: what is stored of it is removed, but for unsent changes", async () => {
    const { world: net, browser } = withoutLocks(11);
    const unsent = browser.open();
    await net.drain();
    net.unplugged = true;
    net.cutAll();
    unsent.board.transact((tx) => tx.create("unsent", {}));
    await net.pass(500);
    browser.kill(unsent);
    const seen = browser.open();
    await net.pass(2_000);
    browser.kill(seen);
    net.unplugged = false;
    const { board } = browser.open({ token: tokenOf("ann") });
    await net.settle();
    net.cutOne(4404);
    for (let round = 0; round < 20; round++) await net.settle();
    expect(board.connection).toMatchObject({ state: "closed", code: 4404 });
    await board.close();
    expect(await browser.stored()).toEqual([unsent.board.clientId]);
  });
});
