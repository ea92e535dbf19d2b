import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startTestInstance } from "../instances/start.ts";
import { chromiumPath, demoDir, drag, photograph, tool, waitForLive } from "./browser.ts";
import { Stage, waitForScene } from "./stage.ts";
import "./window.ts";

describe.skipIf(chromiumPath === undefined)("a server that goes away", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage?.close());
  afterEach(() => stage.leave());

  async function stopSecond(): Promise<() => Promise<void>> {
    const port = Number(new URL(stage.second.url).port);
    await stage.second.close();
    return async () => {
      stage.second = await startTestInstance(stage.database.url, { server: { port } as never }, demoDir);
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
    const start = await stopSecond();
    await grace.page.mouse.move(650, 300, { steps: 15 });
    await grace.page.waitForSelector("#connection[data-state=reconnecting]");
    await start();
    await grace.page.mouse.move(800, 450, { steps: 15 });
    await grace.page.mouse.up();
    await waitForLive(grace.page);
    grace.expectOutage(false);
    const [stroke] = Object.values(await stage.agreement(id, [ada, grace]));
    expect((stroke?.points as number[][] | undefined)?.at(-1)).toEqual([400, 150]);
  });

  it("[demo/offline] edits on both sides, a reload without a server, and nothing is lost", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "r");
    await drag(ada.page, [
      [400, 250],
      [600, 350],
    ]);
    await waitForScene(grace.page, "the box", (all) => all.length === 1);
    // The worker that keeps the page is there.
    await grace.page.waitForFunction(async () =>
      (await (await caches.open("aetherflow-shell")).keys()).some(({ url }) => url.includes("board-page")),
    );
    grace.expectOutage(true);
    const start = await stopSecond();
    await grace.page.waitForSelector("#banner:not([hidden])");
    expect(await grace.page.textContent("#banner")).toContain("offline");
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
    await grace.page.waitForTimeout(300);
    await grace.page.reload();
    await waitForScene(grace.page, "what was drawn before the reload", (all) => all.length === 2);
    expect(await pending(grace.page)).toBeGreaterThan(0);
    await tool(grace.page, "t");
    await grace.page.mouse.click(600, 560);
    await grace.page.keyboard.type("made offline");
    await grace.page.keyboard.press("Escape");
    await start();
    await waitForLive(grace.page);
    grace.expectOutage(false);
    const stored = await stage.agreement(id, [ada, grace]);
    const kinds = Object.values(stored).map(({ type }) => type);
    expect(kinds.sort()).toEqual(["diamond", "ellipse", "rectangle", "text"]);
    expect(Object.values(stored).find(({ type }) => type === "rectangle")?.y).toBeGreaterThan(250);
  });
});
