import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildCommands, command } from "../commands/run-command.ts";
import { devToken, rest } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { chromiumPath, drag, dropImage, photograph, tool, waitForSaved } from "./browser.ts";
import { Stage, sceneOf, waitForScene } from "./stage.ts";
import "./window.ts";

describe.skipIf(chromiumPath === undefined)("locks, images, history, conflicts", () => {
  let stage: Stage;
  beforeAll(async () => {
    buildCommands();
    stage = await Stage.open();
  }, 300_000);
  afterAll(() => stage?.close());
  afterEach(() => stage.leave());

  async function drawBox(page: Page): Promise<void> {
    await tool(page, "r");
    await drag(page, [
      [400, 250],
      [600, 350],
    ]);
  }

  it("[demo/locks] a locked shape shows who holds it and goes back; a locked board is for looking", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await drawBox(ada.page);
    const [box] = await waitForScene(grace.page, "the box", (all) => all.length === 1);
    await ada.page.click("#lock");
    await grace.page.waitForSelector(".lock-marks >> text=Ada Lovelace");
    await drag(grace.page, [
      [400, 300],
      [700, 500],
    ]);
    await grace.page.waitForSelector("text=Ada Lovelace has locked that.");
    await waitForScene(grace.page, "the box back", ([now]) => now?.x === box?.x && now?.y === box?.y);
    await photograph(grace.page, "locked");
    // What is free among what is selected is deleted, and it is said that the rest is not.
    await tool(grace.page, "o");
    await drag(grace.page, [
      [700, 450],
      [800, 550],
    ]);
    await waitForScene(ada.page, "an ellipse", (all) => all.length === 2);
    await grace.page.keyboard.press("Escape");
    await grace.page.keyboard.press("Control+a");
    await grace.page.keyboard.press("Delete");
    await grace.page.waitForSelector("text=Ada Lovelace has locked a part of that");
    await waitForScene(ada.page, "the box alone", (all) => all.length === 1 && all[0]?.id === box?.id);
    await waitForScene(grace.page, "the box alone", (all) => all.length === 1 && all[0]?.id === box?.id);
    await ada.page.click("#lock");
    await grace.page.waitForSelector(".lock-marks div", { state: "detached" });
    // Nothing is selected: the board is meant.
    await ada.page.mouse.click(800, 600);
    await ada.page.click("#lock");
    await grace.page.waitForSelector("#banner >> text=Ada Lovelace has locked this board");
    expect(await grace.page.isDisabled("#lock")).toBe(true);
    expect(await grace.page.getAttribute("#lock", "title")).toBe(
      "Ada Lovelace has locked the board already.",
    );
    expect(await ada.page.isDisabled("#lock")).toBe(false);
    await grace.page.keyboard.press("Escape");
    await drawBox(grace.page);
    expect(Object.keys(await sceneOf(grace.page))).toHaveLength(1);
    // In another window, Ada hears that it was she, and may end it there.
    const window = await ada.page.context().newPage();
    await window.goto(ada.page.url());
    await window.waitForSelector("#banner >> text=You have locked this board in another window.");
    await window.click("#lock:enabled");
    await window.waitForSelector("#banner", { state: "hidden" });
    await window.close();
    await grace.page.waitForSelector("#banner", { state: "hidden" });
    await grace.page.waitForSelector("#lock:enabled");
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/images] a dropped image is kept by its hash and shown on the other page", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await dropImage(ada.page);
    await grace.page.waitForFunction(
      () => Object.keys(window.aetherflow?.editor.getFiles() ?? {}).length === 1,
    );
    const [image] = Object.values(await stage.agreement(id, [ada, grace]));
    expect(image?.asset).toMatch(/^[0-9a-f]{64}$/);
    await photograph(grace.page, "image");
  });

  it("[demo/history] an earlier version is looked at, named and restored; who changed what is told", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await drawBox(ada.page);
    await waitForSaved(ada.page);
    const then = await ada.page.evaluate(() => window.aetherflow?.board.version ?? 0);
    const [box] = await waitForScene(grace.page, "the box", (all) => all.length === 1);
    await grace.page.mouse.click(400, 300);
    await grace.page.keyboard.press("Delete");
    await waitForScene(ada.page, "nothing", (all) => all.length === 0);
    await ada.page.click("[data-testid=main-menu-trigger]");
    await ada.page.click("text=History …");
    await ada.page.fill("#history input[type=range]", String(then));
    await ada.page.waitForSelector("#history .picture svg rect");
    expect(await ada.page.textContent("#history .origin")).toMatch(/^You, \d+ \w+ \d{4}, \d\d:\d\d:\d\d$/);
    await ada.page.fill("#history input[name=name]", "With the box");
    await ada.page.click("#history >> text=Save");
    await ada.page.waitForSelector("#history .moments >> text=With the box");
    await photograph(ada.page, "history");
    await ada.page.fill("#history input[type=range]", "0");
    await ada.page.waitForSelector("#history >> text=Before the first change");
    await ada.page.click("#history .moments >> text=With the box");
    await ada.page.waitForSelector("#history .origin >> text=You");
    await ada.page.click("#history >> text=Restore this");
    await waitForScene(grace.page, "the box again", ([now]) => now?.id === box?.id);
    await ada.page.waitForFunction(() => window.aetherflow?.editor.getSceneElements().length === 1);
    // It goes on from what is there now, and goes back by what somebody did.
    await ada.page.waitForFunction(() =>
      /^Version (\d+) of \1$/.test(document.querySelector("#history label")?.textContent ?? ""),
    );
    await ada.page.click("[aria-label='Earlier step']");
    await ada.page.waitForSelector("#history .origin >> text=Grace");
    await ada.page.click("[aria-label='Earlier step']");
    await ada.page.waitForSelector("#history .origin >> text=You");
    await ada.page.mouse.click(400, 300);
    await ada.page.click("#history >> text=Who changed the selection?");
    await ada.page.waitForSelector("#history th >> text=You");
    await photograph(ada.page, "who-changed");
    await ada.page.mouse.click(700, 600);
    await ada.page.waitForSelector("#history th", { state: "detached" });
    await ada.page.focus("#history input[type=range]");
    await ada.page.keyboard.press("Escape");
    await ada.page.waitForSelector("#history", { state: "detached" });
    expect(await ada.page.evaluate(() => document.activeElement?.className)).toContain(
      "excalidraw-container",
    );
    await stage.agreement(id, [ada, grace]);
    // Whoever has left keeps their name, after a reload too.
    await grace.page.goto("about:blank");
    await ada.page.waitForFunction(() => window.aetherflow?.board.presence.others.size === 0);
    await ada.page.reload();
    await ada.page.waitForFunction(() => window.aetherflow?.board.connection.state === "live");
    await ada.page.click("[data-testid=main-menu-trigger]");
    await ada.page.click("text=History …");
    await ada.page.waitForSelector("#history .origin >> text=You");
    await ada.page.click("[aria-label='Earlier step']");
    await ada.page.waitForSelector("#history .origin >> text=Grace");
  });

  it("[demo/archived] what the server no longer keeps is not offered, and said to be gone", async () => {
    const { ada } = await stage.openTogether();
    const { page } = ada;
    const openHistory = async (): Promise<void> => {
      await page.click("[data-testid=main-menu-trigger]");
      await page.click("text=History …");
    };
    await drawBox(page);
    await waitForSaved(page);
    await openHistory();
    await page.fill("#history input[type=range]", "0");
    await page.waitForSelector("#history >> text=Before the first change");
    await page.fill("#history input[name=name]", "The empty board");
    await page.click("#history >> text=Save");
    await page.waitForSelector("#history .moments button:enabled >> text=The empty board");
    await page.click("[aria-label='Close the history']");
    const cut = await page.evaluate(() => window.aetherflow?.board.version ?? 0);
    const archive = async (): Promise<void> => {
      const options = ["--older-than", "0s", "--database-url", stage.database.url];
      expect(await command(["archive", ...options])).toMatchObject({ code: 0 });
    };
    await archive();
    await page.keyboard.press("Escape");
    await tool(page, "o");
    await drag(page, [
      [700, 250],
      [800, 350],
    ]);
    await waitForSaved(page);
    await openHistory();
    const slider = page.locator(`#history input[type=range][min="${cut}"]`);
    const moment = page.locator("#history .moments button", { hasText: "The empty board" });
    await slider.waitFor();
    expect(await moment.isDisabled()).toBe(true);
    expect(await moment.getAttribute("title")).toContain("can no longer be shown");
    await slider.focus();
    await page.keyboard.press("Home");
    await page.waitForSelector("#history >> text=The oldest version that is kept");
    await page.waitForSelector("#history .picture svg rect");
    await photograph(page, "history-archived");
    // It is cut once more while the panel is open.
    await archive();
    await page.keyboard.press("End");
    await page.waitForSelector("#history .picture svg ellipse");
    await page.keyboard.press("Home");
    await page.waitForSelector("#history .picture >> text=it can no longer be shown or restored.");
    expect(await page.isDisabled("#history >> text=Restore this")).toBe(true);
    await photograph(page, "history-gone");
    expect(ada.problems.splice(0)).toEqual([expect.stringContaining("410")]);
  });

  it("[demo/conflict] an edit that was held back is shown beside what stands, and decided", async () => {
    const { ada, grace, id } = await stage.openTogether({ conflictPolicy: "manual" });
    await drawBox(ada.page);
    const [box] = await waitForScene(grace.page, "the box", (all) => all.length === 1);
    await waitForSaved(ada.page);
    const paint = (page: Page, colour: string) =>
      page.evaluate(
        ([element, backgroundColor]) => {
          window.aetherflow?.board.transact((change) => change.style(element, { backgroundColor }));
        },
        [String(box?.id), colour] as const,
      );
    // At once: neither has seen the other's.
    await Promise.all([paint(ada.page, "#ffc9c9"), paint(grace.page, "#a5d8ff")]);
    let tries = 0;
    while ((await ada.page.locator("#conflicts").count()) === 0 && tries++ < 20) {
      await Promise.all([paint(ada.page, "#ffc9c9"), paint(grace.page, "#a5d8ff")]);
      await Promise.all([waitForSaved(ada.page), waitForSaved(grace.page)]);
      await paint(ada.page, "transparent");
      await waitForSaved(ada.page);
    }
    await ada.page.waitForSelector("#conflicts .sides svg");
    await photograph(ada.page, "conflict");
    // Which shape is meant shows on the board; folded, the panel is out of the way.
    await ada.page.keyboard.press("Escape");
    await ada.page.locator("#conflicts li button").first().focus();
    await ada.page.waitForFunction(
      (id) => JSON.stringify(window.aetherflow?.editor.getAppState().selectedElementIds).includes(id),
      String(box?.id),
    );
    await ada.page.click("[aria-label='Fold the conflicts']");
    await ada.page.waitForSelector("#conflicts li", { state: "detached" });
    await ada.page.click("[aria-label='Unfold the conflicts']");
    const choices = ada.page.locator("#conflicts li");
    for (let left = await choices.count(); left > 0; left = await choices.count()) {
      await choices.locator("text=Use this").first().focus();
      await ada.page.keyboard.press("Enter");
      await waitFor(async () => (await choices.count()) < left, { what: "the choice is made" });
      // The next one has the focus, after the last one the board.
      const place = await ada.page.evaluate(() =>
        document.activeElement?.closest("#conflicts li, .excalidraw-container"),
      );
      expect(place).not.toBeNull();
    }
    await grace.page.waitForSelector("#conflicts", { state: "detached" });
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/conflict-place] two places of one thing are in one picture, the other one pale", async () => {
    const { ada, id } = await stage.openTogether({ conflictPolicy: "manual" });
    await drawBox(ada.page);
    await waitForSaved(ada.page);
    const base = await ada.page.evaluate(() => window.aetherflow?.board.version);
    const [box] = await waitForScene(ada.page, "the box", (all) => all.length === 1);
    const element = String(box?.id);
    await ada.page.keyboard.press("ArrowDown");
    await waitForSaved(ada.page);
    const token = await devToken(stage.first.url, "everybody");
    const move = { id: crypto.randomUUID(), type: "move", element, set: { x: 700, y: 500 } };
    await rest(stage.first.url, token, "POST", `/documents/${id}/operations`, { base, ops: [move] });
    const sides = ada.page.locator("#conflicts .sides svg");
    await ada.page.waitForSelector("#conflicts figure:nth-child(2) svg .ghosts rect");
    const frames = await sides.evaluateAll((all) => all.map((svg) => svg.getAttribute("viewBox")));
    expect(new Set(frames).size).toBe(1);
    await ada.page.waitForSelector("#conflicts >> text=at 700, 500");
    await photograph(ada.page, "conflict-place");
    // Of what is deleted by now there is a picture as well: it would be back, there.
    await ada.page.evaluate((id) => {
      window.aetherflow?.board.undoStop();
      window.aetherflow?.board.transact((change) => change.delete(id));
    }, element);
    await ada.page.waitForSelector("#conflicts figure:nth-child(1) >> text=deleted");
    await ada.page.waitForSelector("#conflicts figure:nth-child(2) svg rect");
    await photograph(ada.page, "conflict-gone");
    await ada.page.keyboard.press("Control+z");
    await ada.page.waitForSelector("#conflicts figure:nth-child(1) svg rect");
    await waitForSaved(ada.page);
    const remove = { id: crypto.randomUUID(), type: "delete", element };
    await rest(stage.first.url, token, "POST", `/documents/${id}/operations`, { base, ops: [remove] });
    await ada.page.waitForSelector("#conflicts figure:nth-child(2) >> text=deleted");
    await photograph(ada.page, "conflict-deletion");
  });
});
