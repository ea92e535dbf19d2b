import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { chromiumPath, drag, photograph, tool, waitForSaved } from "./browser.ts";
import { Stage, sceneOf, waitForScene } from "./stage.ts";
import "./window.ts";

describe.skipIf(chromiumPath === undefined)("locks, images, history, conflicts", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
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
    await ada.page.click("#lock");
    await grace.page.waitForSelector(".lock-marks div", { state: "detached" });
    // Nothing is selected: the board is meant.
    await ada.page.mouse.click(800, 600);
    await ada.page.click("#lock");
    await grace.page.waitForSelector("#banner >> text=Ada Lovelace has locked this board");
    await grace.page.keyboard.press("Escape");
    await drawBox(grace.page);
    expect(Object.keys(await sceneOf(grace.page))).toHaveLength(1);
    await ada.page.click("#lock");
    await grace.page.waitForSelector("#banner", { state: "hidden" });
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/images] a dropped image is kept by its hash and shown on the other page", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await ada.page.evaluate(async () => {
      const canvas = document.createElement("canvas");
      const paint = canvas.getContext("2d");
      paint?.fillRect(10, 10, 100, 60);
      const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
      const data = new DataTransfer();
      data.items.add(new File([blob ?? ""], "picture.png", { type: "image/png" }));
      const at = { bubbles: true, cancelable: true, clientX: 600, clientY: 350, dataTransfer: data };
      document.querySelector("canvas.interactive")?.dispatchEvent(new DragEvent("drop", at));
    });
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
    await ada.page.fill("#history input[name=name]", "With the box");
    await ada.page.click("#history >> text=Save");
    await ada.page.waitForSelector("#history .moments >> text=With the box");
    await photograph(ada.page, "history");
    await ada.page.click("#history >> text=Restore this");
    await waitForScene(grace.page, "the box again", ([now]) => now?.id === box?.id);
    await ada.page.waitForFunction(() => window.aetherflow?.editor.getSceneElements().length === 1);
    await ada.page.mouse.click(400, 300);
    await ada.page.click("#history >> text=Who changed the selection?");
    await ada.page.waitForSelector("#history th >> text=You");
    await photograph(ada.page, "who-changed");
    await stage.agreement(id, [ada, grace]);
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
    const choices = ada.page.locator("#conflicts li");
    for (let left = await choices.count(); left > 0; left = await choices.count()) {
      await choices.locator("text=Use this").first().click();
      await waitFor(async () => (await choices.count()) < left, { what: "the choice is made" });
    }
    await grace.page.waitForSelector("#conflicts", { state: "detached" });
    await stage.agreement(id, [ada, grace]);
  });
});
