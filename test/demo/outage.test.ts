import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildCommands, start } from "../commands/run-command.ts";
import { waitFor } from "../support/wait-for.ts";
import { chromiumPath, drag, dropImage, photograph, tool, waitForLive } from "./browser.ts";
import { Stage, sceneOf, waitForScene } from "./stage.ts";
import "./window.ts";

/** How long somebody is offline at least; a minute, for instance, by DEMO_OFFLINE_SECONDS=60. */
const offlineMs = (Number(process.env.DEMO_OFFLINE_SECONDS) || 2) * 1_000;

/** `aetherflow serve`, as a process of its own. */
async function serve(databaseUrl: string, port = "0") {
  const { child, ended, listening } = start(["serve", "--port", port, "--database-url", databaseUrl]);
  const end = (signal: "SIGTERM" | "SIGKILL"): Promise<unknown> => {
    child.kill(signal);
    return ended;
  };
  return { url: await listening, close: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

describe.skipIf(chromiumPath === undefined)("a server that goes away", () => {
  let stage: Stage;
  let server: Awaited<ReturnType<typeof serve>>;
  beforeAll(async () => {
    buildCommands();
    stage = await Stage.open();
    await stage.second.close();
    stage.second = server = await serve(stage.database.url);
  }, 300_000);
  afterAll(() => stage?.close());
  afterEach(() => stage.leave());

  /** Ends the second server as a power cut does; what starts it anew at the same address. */
  async function killSecond(): Promise<() => Promise<void>> {
    const { port } = new URL(server.url);
    await server.kill();
    return async () => {
      stage.second = server = await serve(stage.database.url, port);
    };
  }
  const pending = (page: Page) => page.evaluate(() => window.aetherflow?.board.pendingCount ?? 0);

  it("[demo/restart] a stroke goes on while its server is killed and started again", async () => {
    const { ada, grace, id } = await stage.openTogether();
    grace.expectOutage(true);
    await tool(grace.page, "p");
    await drag(
      grace.page,
      [
        [400, 300],
        [500, 350],
      ],
      { release: false },
    );
    await waitForScene(ada.page, "the stroke's beginning", (all) => all.length === 1);
    const restart = await killSecond();
    await grace.page.mouse.move(650, 300, { steps: 15 });
    await grace.page.waitForSelector("#connection[data-state=reconnecting]");
    await restart();
    await grace.page.mouse.move(800, 450, { steps: 15 });
    await grace.page.mouse.up();
    await waitForLive(grace.page);
    grace.expectOutage(false);
    const [stroke] = Object.values(await stage.agreement(id, [ada, grace]));
    expect((stroke?.points as number[][] | undefined)?.at(-1)).toEqual([400, 150]);
  });

  it("[demo/network] a network that goes away is seen at once, and its return as well", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await waitForShell(grace.page);
    grace.expectOutage(true);
    await grace.page.context().setOffline(true);
    const startedAt = performance.now();
    await grace.page.waitForSelector("#banner >> text=You are offline");
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await grace.page.textContent("#connection")).toBe("offline, trying again");
    // Where Ada is now, nobody knows here.
    await grace.page.waitForFunction(
      () =>
        (window.aetherflow?.editor.getAppState().collaborators as Map<string, unknown> | undefined)?.size ===
        0,
    );
    await grace.page.locator(".people button").waitFor({ state: "detached" });
    await tool(grace.page, "r");
    await drag(grace.page, [
      [400, 250],
      [600, 350],
    ]);
    await photograph(grace.page, "no-network");
    // The page of all boards opens as well, and leads back.
    await waitForKept(grace.page, await idOf(grace.page, "rectangle"));
    await grace.page.goto(stage.second.url);
    await grace.page.waitForSelector("#stored >> text=Plan of the engine");
    await photograph(grace.page, "no-network-boards");
    await grace.page.click("#stored >> text=Plan of the engine");
    await waitForScene(grace.page, "the box, stored", (all) => all.length === 1);
    expect(await pending(grace.page)).toBeGreaterThan(0);
    await grace.page.context().setOffline(false);
    await waitForLive(grace.page);
    grace.expectOutage(false);
    await waitForScene(ada.page, "the box", (all) => all.length === 1);
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/offline-image] an image pasted offline is there after a reload, and on its way when the network is", async () => {
    const { ada, grace, id } = await stage.openTogether();
    const files = (page: Page) =>
      page.waitForFunction(() => Object.keys(window.aetherflow?.editor.getFiles() ?? {}).length === 1);
    for (const { page } of [ada, grace]) await waitForShell(page);
    grace.expectOutage(true);
    await grace.page.context().setOffline(true);
    await grace.page.waitForSelector("#banner >> text=You are offline");
    await dropImage(grace.page);
    await grace.page.waitForSelector("#pending >> text=1 image waiting");
    await waitForKept(grace.page, await idOf(grace.page, "image"));
    await waitForKeptFile(grace.page);
    await grace.page.reload();
    await files(grace.page);
    await grace.page.waitForSelector("#pending >> text=1 image waiting");
    await photograph(grace.page, "offline-image");
    await grace.page.context().setOffline(false);
    await files(ada.page);
    await waitForLive(grace.page);
    await grace.page.waitForSelector("#pending >> text=all saved");
    grace.expectOutage(false);
    const [image] = Object.values(await stage.agreement(id, [ada, grace]));
    expect(image?.asset).toMatch(/^[0-9a-f]{64}$/);
    // What was seen is there without a network as well.
    await waitForKept(ada.page, `"asset":"${image?.asset}"`);
    await waitForKeptFile(ada.page);
    ada.expectOutage(true);
    await ada.page.context().setOffline(true);
    await ada.page.reload();
    await files(ada.page);
  });

  it(
    "[demo/offline] edits on both sides, a reload without a server, and nothing is lost",
    async () => {
      const ended = (): boolean => performance.now() - startedAt > offlineMs;
      const { ada, grace, id } = await stage.openTogether();
      await tool(ada.page, "r");
      await drag(ada.page, [
        [400, 250],
        [600, 350],
      ]);
      await waitForScene(grace.page, "the box", (all) => all.length === 1);
      await waitForShell(grace.page);
      grace.expectOutage(true);
      const restart = await killSecond();
      const startedAt = performance.now();
      await grace.page.waitForSelector("#banner:not([hidden])");
      expect(await grace.page.textContent("#banner")).toContain("The server cannot be reached");
      for (const figure of ["#latency", "#instance"]) expect(await grace.page.textContent(figure)).toBe("");
      await drag(grace.page, [
        [400, 300],
        [450, 420],
      ]);
      await tool(grace.page, "o");
      await drag(grace.page, [
        [700, 300],
        [800, 400],
      ]);
      await waitForScene(grace.page, "the ellipse", (all) => all.length === 2);
      expect(await pending(grace.page)).toBeGreaterThan(0);
      await photograph(grace.page, "offline");
      await ada.page.keyboard.press("Escape");
      await tool(ada.page, "d");
      await drag(ada.page, [
        [400, 500],
        [500, 600],
      ]);
      await waitForKept(grace.page, await idOf(grace.page, "ellipse"));
      await grace.page.reload();
      await waitForScene(grace.page, "what was drawn before the reload", (all) => all.length === 2);
      expect(await pending(grace.page)).toBeGreaterThan(0);
      await tool(grace.page, "t");
      await grace.page.mouse.click(600, 560);
      await grace.page.keyboard.type("made offline");
      await grace.page.keyboard.press("Escape");
      await waitForScene(grace.page, "the text", (all) => all.some(({ type }) => type === "text"));
      // Both go on: Grace moves her text, Ada her diamond.
      let nudges = 0;
      const placeOf = async (page: Page, kind: string) =>
        Number(Object.values(await sceneOf(page)).find(({ type }) => type === kind)?.x);
      const before = [await placeOf(grace.page, "text"), await placeOf(ada.page, "diamond")] as const;
      for (; nudges < 3 || !ended(); nudges++) {
        await Promise.all([ada, grace].map(({ page }) => page.keyboard.press("ArrowRight")));
        await grace.page.waitForTimeout(Math.min(1_000, offlineMs / 10));
      }
      expect(await grace.page.getAttribute("#connection", "data-state")).not.toBe("live");
      await restart();
      await waitForLive(grace.page);
      grace.expectOutage(false);
      const stored = await stage.agreement(id, [ada, grace]);
      const kinds = Object.values(stored).map(({ type }) => type);
      expect(kinds.sort()).toEqual(["diamond", "ellipse", "rectangle", "text"]);
      const element = (kind: string) => Object.values(stored).find(({ type }) => type === kind);
      expect(element("rectangle")?.y).toBeGreaterThan(250);
      expect(element("text")?.x).toBe(before[0] + nudges);
      expect(element("diamond")?.x).toBe(before[1] + nudges);
    },
    120_000 + offlineMs,
  );
});

/** Waits until the worker that keeps the page is there, and has all of it. */
async function waitForShell(page: Page): Promise<void> {
  await waitFor(() =>
    page.evaluate(async () => {
      const kept = await (await caches.open("aetherflow-shell")).keys();
      const urls = new Set(kept.map(({ url }) => url));
      const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
      const assets = loaded.filter((name) => name.includes("/assets/"));
      return assets.some((name) => name.includes("pica")) && assets.every((name) => urls.has(name));
    }),
  );
}

async function idOf(page: Page, kind: string): Promise<string> {
  const [id] = Object.entries(await sceneOf(page)).find(([, { type }]) => type === kind) ?? [];
  return String(id);
}

/**
 * Waits until the browser keeps, for after a reload, something of which this text is a part: the id of an element that no
 * server has yet. (Playwright's `waitForFunction` takes the promise of an asynchronous predicate for its answer.)
 */
async function waitForKept(page: Page, text: string): Promise<void> {
  const isKept = async (wanted: string): Promise<boolean> => {
    const request = <Result>(asked: IDBRequest<Result>) =>
      new Promise<Result>((resolve, reject) => {
        asked.onsuccess = () => resolve(asked.result);
        asked.onerror = () => reject(asked.error);
      });
    for (const { name } of await indexedDB.databases()) {
      const database = await request(indexedDB.open(name ?? ""));
      try {
        for (const store of database.objectStoreNames) {
          const rows = await request(database.transaction(store).objectStore(store).getAll());
          if (JSON.stringify(rows).includes(wanted)) return true;
        }
      } finally {
        database.close();
      }
    }
    return false;
  };
  await waitFor(() => page.evaluate(isKept, text));
}

/** Resolves when the browser keeps a file: a reload before that would lose it. */
function waitForKeptFile(page: Page) {
  return page.waitForFunction(async () => {
    const databases = await indexedDB.databases();
    if (!databases.some(({ name }) => name === "aetherflow-files")) return false;
    const result = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await result(indexedDB.open("aetherflow-files", 1));
    try {
      return (await result(database.transaction("files").objectStore("files").count())) > 0;
    } finally {
      database.close();
    }
  });
}
