import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { SignJWT } from "jose";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { chromiumPath, demoDir, drag, photograph, tool, waitForLive, waitForSaved } from "./browser.ts";
import { Stage, sceneOf, waitForScene } from "./stage.ts";
import "./window.ts";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe finds that keeps people out: serious or worse. The editor's own parts are not ours to change. */
async function seriousFindings(page: Page): Promise<string[]> {
  // Put in by the test, past the page's policy.
  await page.evaluate(await readFile(axePath, "utf8"));
  return page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: {
        run(
          context: object,
        ): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>;
      };
    };
    const { violations } = await axe.run({ exclude: [[".excalidraw"]] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  });
}

describe.skipIf(chromiumPath === undefined)("the page", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage?.close());
  afterEach(() => stage.leave());

  it("[demo/gallery] a name, a new board, its picture, search, archive and back", async () => {
    const { page } = await stage.come("Ada Lovelace", stage.first.url);
    await page.waitForSelector("text=No boards yet");
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "gallery-empty");
    await page.fill(".new-board input", "Plan of the engine");
    await page.click(".new-board button");
    await waitForLive(page);
    await tool(page, "r");
    await drag(page, [
      [400, 250],
      [600, 350],
    ]);
    await waitForScene(page, "a box", (all) => all.length === 1);
    await waitForSaved(page);
    // Under another name the board is opened anew, and shown by a new editor.
    const before = await page.evaluateHandle(() => window.aetherflow);
    await page.click("#name-button");
    await page.fill("dialog input", "Countess");
    await page.keyboard.press("Enter");
    await page.waitForFunction((last) => window.aetherflow?.board !== last?.board, before);
    const editors = await page.evaluate(
      (last) => [last, window.aetherflow].map((one) => one?.editor.id),
      before,
    );
    expect(editors[1]).not.toBe(editors[0]);
    await page.click(".home");
    await page.waitForSelector(".card svg rect");
    expect(await page.textContent(".card strong")).toBe("Plan of the engine");
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "gallery");
    await page.fill("input[type=search]", "nothing of the kind");
    await page.waitForSelector("text=No board is called");
    await photograph(page, "gallery-nothing-found");
    await page.fill("input[type=search]", "engine");
    await page.waitForSelector(".card");
    await page.hover(".card");
    await page.click("[aria-label='Archive Plan of the engine']");
    await page.waitForSelector("text=is archived");
    await page.waitForSelector(".card", { state: "detached" });
    await page.click("text=Show archived");
    await page.click("[aria-label='Bring back Plan of the engine']");
    await page.click("text=Show active");
    await page.waitForSelector(".card");
  });

  it("[demo/policy] what becomes of two changes to one thing is chosen for a new board, and later by its owner", async () => {
    const { page } = await stage.come("Ada Lovelace", stage.first.url);
    await page.fill(".new-board input", "The first wins");
    await page.click(".new-board summary");
    expect(await page.isChecked("input[value=lww]")).toBe(true);
    await page.check("input[value=strict]");
    expect(await page.textContent(".new-board summary")).toContain("The first change wins");
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "new-board");
    await page.click(".new-board button");
    await waitForLive(page);
    const policy = (wanted: string) =>
      page.waitForFunction(
        (name) => window.aetherflow?.board.documentMetadata?.conflictPolicy === name,
        wanted,
      );
    await policy("strict");
    const grace = await stage.come("Grace Hopper", page.url().replace(stage.first.url, stage.second.url));
    await waitForLive(grace.page);
    await page.click("[data-testid=main-menu-trigger]");
    await page.click("text=Board settings …");
    await page.waitForSelector(".dialog[open] input[value=strict]:checked");
    await page.fill(".dialog input[maxlength]", "Somebody decides");
    await page.check(".dialog input[value=manual]");
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "settings");
    await page.click(".dialog >> text=Save");
    await page.waitForSelector(".dialog", { state: "detached" });
    await policy("manual");
    await grace.page.waitForSelector("#title >> text=Somebody decides");
    // A board that belongs to somebody: others have no settings for it.
    await page.click(".home");
    await page.selectOption(".new-board select", "view");
    await page.click(".new-board button");
    await waitForLive(page);
    await grace.page.goto(page.url().replace(stage.first.url, stage.second.url));
    await waitForLive(grace.page);
    await grace.page.click("[data-testid=main-menu-trigger]");
    await grace.page.waitForSelector("text=History …");
    expect(await grace.page.locator("text=Board settings …").count()).toBe(0);
    await page.click("[data-testid=main-menu-trigger]");
    await page.waitForSelector("text=Board settings …");
  });

  it("[demo/share] the link, its QR code, who is here, and following somebody's view", async () => {
    const { ada, grace, id } = await stage.openTogether();
    const mary = await stage.come("Mary Somerville", `${stage.first.url}/?doc=${id}`);
    await ada.page.waitForSelector("#comings >> text=Mary Somerville is here");
    await photograph(ada.page, "somebody-came");
    await ada.page.waitForSelector("#comings:empty", { state: "attached" });
    await mary.page.goto("about:blank");
    await ada.page.waitForSelector("#comings >> text=Mary Somerville left");
    await ada.page.click("#share");
    await ada.page.waitForSelector(".dialog[open] .qr");
    expect(await ada.page.inputValue("#share-link")).toBe(ada.page.url());
    expect(await seriousFindings(ada.page)).toEqual([]);
    await photograph(ada.page, "share");
    await ada.page.keyboard.press("Escape");
    const graces = ada.page.locator(".people button", { hasText: "Grace <b>Hopper</b>" });
    await graces.waitFor();
    expect(await ada.page.locator(".people b").count()).toBe(0);
    await graces.click();
    // Grace moves her view; Ada's goes with it.
    await grace.page.mouse.move(600, 400);
    await grace.page.mouse.wheel(400, 300);
    const scroll = (page: Page) =>
      page.evaluate(() => Number(window.aetherflow?.editor.getAppState().scrollX));
    await waitFor(async () => (await scroll(grace.page)) < -300 && (await scroll(ada.page)) < -300, {
      what: "Ada's view follows Grace's",
    });
    await photograph(ada.page, "follow");
    // Her own movement ends it.
    await ada.page.mouse.move(600, 400);
    await ada.page.mouse.wheel(0, 200);
    await ada.page.waitForSelector(".people button[aria-pressed=false]");
    await grace.page.goto("about:blank");
    await graces.waitFor({ state: "detached" });
  });

  it("[demo/viewer] who may only look sees changes, is told, and can change nothing", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "r");
    await drag(ada.page, [
      [400, 250],
      [600, 350],
    ]);
    await waitForScene(grace.page, "the box", (all) => all.length === 1);
    const token = await devToken(stage.first.url, "lovelace");
    const made = await rest<{ id: string }>(stage.first.url, token, "POST", "/documents", {
      name: "Look",
      type: "whiteboard",
      public: true,
      elements: { box: { type: "rectangle", x: 500, y: 200, width: 200, height: 120, index: "a0" } },
    });
    const viewer = await stage.come("Visitor", `${stage.second.url}/?doc=${made.body.id}`);
    await waitForLive(viewer.page);
    expect(await viewer.page.textContent("#banner")).toContain("not change");
    await viewer.page.keyboard.press("r");
    await drag(viewer.page, [
      [500, 260],
      [800, 500],
    ]);
    for (const key of ["Delete", "Control+z", "Control+y"]) await viewer.page.keyboard.press(key);
    expect(Object.keys(await sceneOf(viewer.page))).toEqual(["box"]);
    await rest(stage.first.url, token, "POST", `/documents/${made.body.id}/operations`, {
      ops: [{ id: crypto.randomUUID(), type: "style", element: "box", set: { strokeColor: "#e03131" } }],
    });
    await waitForScene(viewer.page, "a red box", ([box]) => box?.strokeColor === "#e03131");
    expect(await viewer.page.evaluate(() => window.aetherflow?.board.pendingCount)).toBe(0);
    await photograph(viewer.page, "viewer");
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/phone] a phone's width is enough for both pages, in the dark as well", async () => {
    const phone = {
      viewport: { width: 390, height: 780 },
      colorScheme: "dark",
      hasTouch: true,
      isMobile: true,
    } as const;
    const { grace } = await stage.openTogether({}, phone);
    const width = () => grace.page.evaluate(() => document.documentElement.scrollWidth);
    expect(await width()).toBe(390);
    await photograph(grace.page, "board-phone");
    expect(await seriousFindings(grace.page)).toEqual([]);
    await grace.page.goto(stage.second.url);
    await grace.page.waitForSelector(".card");
    expect(await width()).toBe(390);
    expect(await seriousFindings(grace.page)).toEqual([]);
    await photograph(grace.page, "gallery-phone");
  });

  it("[demo/narrow] on a small phone the people are a count, and the board's name has the room", async () => {
    const phone = { viewport: { width: 375, height: 720 }, hasTouch: true, isMobile: true } as const;
    const { ada, grace, id } = await stage.openTogether({}, phone);
    await waitForLive((await stage.come("Mary Somerville", `${stage.first.url}/?doc=${id}`)).page);
    const { page } = grace;
    await page.tap("[aria-label='3 people here']");
    await page.waitForSelector(".people-here >> text=Mary Somerville");
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "people-phone");
    await page.tap(".people-here >> text=Ada Lovelace");
    await page.waitForSelector(".people-here", { state: "hidden" });
    await ada.page.mouse.move(600, 400);
    await ada.page.mouse.wheel(400, 300);
    await page.waitForFunction(() => Number(window.aetherflow?.editor.getAppState().scrollX) < -300);
    await page.waitForSelector("#comings:empty", { state: "attached" });
    const name = await page.locator("#title").boundingBox();
    expect(name?.width).toBeGreaterThan(100);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(375);
    await photograph(page, "board-small-phone");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.tap("[aria-label='3 people here']");
    await photograph(page, "people-phone-dark");
  });

  it("[demo/tools] tools that lead nowhere here are not offered", async () => {
    const { page } = await stage.come("Ada", `${stage.first.url}/?doc=${await stage.makeBoard()}`);
    await waitForLive(page);
    await page.click(".App-toolbar__extra-tools-trigger");
    await page.waitForSelector("[data-testid=toolbar-laser]");
    await photograph(page, "more-tools");
    expect(await page.getByRole("button", { name: "Menu", exact: true }).count()).toBe(1);
    const isOffered = (name: string) =>
      page.locator(".App-toolbar__extra-tools-dropdown").getByText(name).first().isVisible();
    expect(await isOffered("Frame tool")).toBe(true);
    for (const name of ["Web Embed", "Mermaid", "Generate"]) expect(await isOffered(name)).toBe(false);
  });

  it("[demo/keyboard] a shape is made, moved, written in, undone and deleted without a pointer", async () => {
    const id = await stage.makeBoard();
    const ada = await stage.come("Ada Lovelace", `${stage.first.url}/?doc=${id}`);
    await waitForLive(ada.page);
    const { keyboard } = ada.page;
    const words = (all: Record<string, unknown>[]) => all.find(({ type }) => type === "text")?.originalText;
    const box = (all: Record<string, unknown>[]) => all.find(({ type }) => type === "rectangle");
    await keyboard.press("n");
    const before = box(await waitForScene(ada.page, "a box", (all) => all.length === 1));
    await keyboard.press("Enter");
    await ada.page.waitForSelector("textarea.excalidraw-wysiwyg");
    await keyboard.type("New");
    await keyboard.press("Escape");
    await waitForScene(ada.page, "a text", (all) => words(all) === "New");
    await keyboard.press("ArrowRight");
    await keyboard.press("Shift+ArrowDown");
    await waitForScene(
      ada.page,
      "the box moved",
      (all) => box(all)?.x !== before?.x && box(all)?.y !== before?.y,
    );
    await keyboard.press("Enter");
    await ada.page.waitForSelector("textarea.excalidraw-wysiwyg");
    await keyboard.press("Control+End");
    await keyboard.type("er");
    await keyboard.press("Escape");
    await waitForScene(ada.page, "the text", (all) => words(all) === "Newer");
    await keyboard.press("Delete");
    await waitForScene(ada.page, "nothing", (all) => all.length === 0);
    await keyboard.press("Control+z");
    await waitForScene(ada.page, "the text again", (all) => words(all) === "Newer");
    await stage.agreement(id, [ada]);
    // Keys that do something on the board, with a shape selected even more, do it to a button of ours alone.
    await keyboard.press("Control+a");
    for (const key of ["Enter", "Space"]) {
      await ada.page.locator("#share").focus();
      await keyboard.press("n");
      await keyboard.press(key);
      await ada.page.waitForSelector(".dialog[open]");
      await keyboard.press("Escape");
      await ada.page.waitForSelector(".dialog", { state: "detached" });
    }
    expect(await ada.page.locator("textarea.excalidraw-wysiwyg").count()).toBe(0);
    expect(Object.keys(await sceneOf(ada.page))).toHaveLength(2);
    // After a click the next key is the board's.
    await ada.page.getByRole("button", { name: "Undo my last edit" }).click();
    await waitForScene(ada.page, "what was before", (all) => words(all) !== "Newer");
    await keyboard.press("n");
    await waitForScene(
      ada.page,
      "one more box",
      (all) => all.filter(({ type }) => type === "rectangle").length === 2,
    );
    expect(await seriousFindings(ada.page)).toEqual([]);
  });

  it("[demo/weight] under 500 kB of compressed script before the board is usable; files are kept for ever", async () => {
    const id = await stage.makeBoard();
    const { page } = await stage.come("Ada Lovelace", "about:blank");
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    const scripts = new Map<string, number>();
    const kept: string[] = [];
    session.on("Network.responseReceived", ({ requestId, type, response }) => {
      if (type === "Script") scripts.set(requestId, 0);
      if (new URL(response.url).pathname.startsWith("/assets/"))
        kept.push(response.headers["cache-control"] ?? "");
    });
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (scripts.has(requestId)) scripts.set(requestId, encodedDataLength);
    });
    await page.goto(`${stage.first.url}/?doc=${id}`);
    await waitForLive(page);
    const readyMs = await page.evaluate(() => performance.now());
    const bytes = [...scripts.values()].reduce((sum, size) => sum + size, 0);
    console.log(`first load ${readyMs.toFixed(0)} ms, script ${(bytes / 1_000).toFixed(0)} kB compressed`);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(500_000);
    expect(new Set(kept)).toEqual(new Set(["public, max-age=31536000, immutable"]));
    const missing = await page.request.get(`${stage.first.url}/assets/excalidraw-0.18.1/fonts/none.woff2`);
    expect(missing.status()).toBe(404);
  });

  it("[demo/missing] a board that is not there is said to be so, and the way back is offered", async () => {
    const { page, problems } = await stage.come("Ada", `${stage.first.url}/?doc=${crypto.randomUUID()}`);
    await page.waitForSelector("text=This board is not here");
    expect(problems.splice(0)).toEqual([expect.stringContaining("404")]);
    expect(await seriousFindings(page)).toEqual([]);
    await photograph(page, "missing");
    await page.click("text=All boards");
    await page.waitForSelector(".new-board");
  });

  it("[demo/token] where the server gives no tokens, one is asked for, and works until the tab is closed", async () => {
    const secret = "a secret of at least thirty-two characters";
    const auth = { mode: "jwt", key: { kind: "secret", secret } } as const;
    const instance = await startTestInstance(stage.database.url, { auth }, demoDir);
    try {
      const { page, problems } = await stage.come("Ada", instance.url);
      await page.waitForSelector("#token-form");
      await photograph(page, "token");
      // The one 404 by which the page learns it.
      expect(problems.splice(0)).toEqual([expect.stringContaining("404")]);
      const token = await new SignJWT({ name: "Ada" })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("ada")
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret));
      await page.fill("#token-form input", token);
      await page.keyboard.press("Enter");
      await page.click(".new-board button");
      await waitForLive(page);
      await page.reload();
      await waitForLive(page);
    } finally {
      await stage.leave();
      await instance.close();
    }
  });
});
