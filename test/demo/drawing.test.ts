import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { chromiumPath, drag, photograph, tool, waitForLive } from "./browser.ts";
import { Stage, sceneOf, waitForScene } from "./stage.ts";
import "./window.ts";

if (chromiumPath === undefined) console.warn("test/demo: no Chromium (set CHROMIUM to its path): skipped");

describe.skipIf(chromiumPath === undefined)("drawing together, on two instances", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage?.close());
  afterEach(() => stage.leave());

  it("[demo/drawing] what is drawn, dragged, coloured and deleted on one page is so on the other", async () => {
    const { ada, grace, id } = await stage.openTogether({}, { colorScheme: "dark" });
    await tool(ada.page, "r");
    await drag(ada.page, [
      [400, 250],
      [600, 350],
    ]);
    await waitForScene(grace.page, "Ada's box", ([box]) => box?.type === "rectangle" && box.width === 200);
    // The box has no fill: its edge is what can be taken hold of.
    await drag(grace.page, [
      [400, 300],
      [500, 400],
    ]);
    await waitForScene(ada.page, "the box where Grace dragged it", ([box]) => Number(box?.x) > 450);
    await tool(grace.page, "a");
    await drag(grace.page, [
      [880, 300],
      [706, 400],
    ]);
    await waitForScene(ada.page, "a bound arrow", (all) => all.some(({ endBinding }) => Boolean(endBinding)));
    await tool(ada.page, "p");
    await drag(
      ada.page,
      [
        [350, 550],
        [450, 600],
        [550, 560],
      ],
      { steps: 10 },
    );
    await ada.page.keyboard.press("Escape");
    await tool(ada.page, "t");
    await ada.page.mouse.click(700, 550);
    await ada.page.keyboard.type("Mill and store");
    await ada.page.keyboard.press("Escape");
    const stored = await stage.agreement(id, [ada, grace]);
    expect(
      Object.values(stored)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(["arrow", "freedraw", "rectangle", "text"]);
    await photograph(ada.page, "board-light");
    await photograph(grace.page, "board-dark");
    // What hangs on the box moves with it, on a page that did not draw it as well.
    await drag(ada.page, [
      [500, 400],
      [440, 430],
    ]);
    await waitForScene(grace.page, "the arrow follows", (all) => {
      const arrow = all.find(({ type }) => type === "arrow");
      return arrow !== undefined && JSON.stringify(arrow) !== JSON.stringify(stored[String(arrow.id)]);
    });
    await stage.agreement(id, [ada, grace]);
    await ada.page.keyboard.press("Delete");
    await waitForScene(grace.page, "no box", (all) => all.every(({ type }) => type !== "rectangle"));
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/arrivals] of people who come at the same moment all may edit", async () => {
    const id = await stage.makeBoard();
    const people = await Promise.all(
      [stage.first, stage.second, stage.first].map(({ url }, index) =>
        stage.come(`Guest ${index}`, `${url}/?doc=${id}`),
      ),
    );
    for (const [index, { page }] of people.entries()) {
      await waitForLive(page);
      await tool(page, "r");
      await drag(page, [
        [300 + 200 * index, 250],
        [400 + 200 * index, 350],
      ]);
    }
    expect(Object.keys(await stage.agreement(id, people))).toHaveLength(3);
    // Who was slower at joining was told so, and came again: the browser notes that, and nothing else.
    for (const { problems } of people) {
      expect(problems.filter((problem) => !problem.includes("412 (Precondition Failed)"))).toEqual([]);
      problems.length = 0;
    }
  });

  it("[demo/drags] two people drag two shapes at once, then the same: everybody ends with the same places", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "o");
    await drag(ada.page, [
      [400, 300],
      [500, 400],
    ]);
    await tool(grace.page, "d");
    await drag(grace.page, [
      [700, 300],
      [800, 400],
    ]);
    await waitForScene(ada.page, "both shapes", (all) => all.length === 2);
    await waitForScene(grace.page, "both shapes", (all) => all.length === 2);
    await Promise.all([
      drag(
        ada.page,
        [
          [400, 350],
          [420, 550],
          [380, 560],
        ],
        { steps: 25 },
      ),
      drag(
        grace.page,
        [
          [700, 350],
          [720, 560],
          [680, 540],
        ],
        { steps: 25 },
      ),
    ]);
    const apart = await stage.agreement(id, [ada, grace]);
    for (const { y } of Object.values(apart)) expect(Number(y)).toBeGreaterThan(400);
    await ada.page.keyboard.press("Escape");
    await grace.page.keyboard.press("Escape");
    const [ellipse] = await waitForScene(ada.page, "the ellipse", (all) => all[0]?.type === "ellipse");
    const edge = await placeOnScreen(ada.page, ellipse ?? {});
    await Promise.all([
      drag(ada.page, [edge, [500, 300], [450, 280]], { steps: 25 }),
      drag(grace.page, [edge, [800, 600], [850, 620]], { steps: 25 }),
    ]);
    await stage.agreement(id, [ada, grace]);
  });

  it("[demo/freehand] a stroke goes on while another is drawn, and while it is recoloured", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "p");
    await drag(
      ada.page,
      [
        [350, 250],
        [450, 300],
      ],
      { steps: 10, release: false },
    );
    const [stroke] = await waitForScene(
      grace.page,
      "the stroke while it is drawn",
      ([one]) => one?.type === "freedraw",
    );
    await tool(grace.page, "p");
    await drag(
      grace.page,
      [
        [350, 500],
        [500, 520],
      ],
      { steps: 15 },
    );
    await grace.page.evaluate((element) => {
      window.aetherflow?.board.transact((change) => change.style(element, { strokeColor: "#e03131" }));
    }, String(stroke?.id));
    await waitForScene(ada.page, "red under the pointer", (all) =>
      all.some(({ strokeColor }) => strokeColor === "#e03131"),
    );
    await ada.page.mouse.move(600, 420, { steps: 20 });
    await ada.page.mouse.up();
    const stored = await stage.agreement(id, [ada, grace]);
    const whole = stored[String(stroke?.id)] as { points: number[][]; strokeColor: string };
    expect(whole.strokeColor).toBe("#e03131");
    expect(whole.points.length).toBeGreaterThan(25);
    expect(whole.points.at(-1)).toEqual([250, 170]);
    expect(Object.keys(stored)).toHaveLength(2);
  });

  it("[demo/typing] two people who type into one text at once keep every character of both", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "t");
    await ada.page.mouse.click(500, 300);
    await ada.page.keyboard.type(" | ");
    await ada.page.keyboard.press("Escape");
    await waitForScene(grace.page, "the text", ([text]) => text?.originalText === " | ");
    await ada.page.mouse.dblclick(505, 300);
    await grace.page.mouse.dblclick(505, 300);
    await Promise.all([ada, grace].map(({ page }) => page.waitForSelector("textarea.excalidraw-wysiwyg")));
    await ada.page.keyboard.press("Control+Home");
    await grace.page.keyboard.press("Control+End");
    const [left, right] = ["the analytical engine weaves", "algebraic patterns just as the loom"];
    await Promise.all([
      ada.page.keyboard.type(left, { delay: 20 }),
      grace.page.keyboard.type(right, { delay: 15 }),
    ]);
    const whole = `${left} | ${right}`;
    for (const { page } of [ada, grace]) {
      await page.waitForFunction(
        (text) => document.querySelector<HTMLTextAreaElement>("textarea.excalidraw-wysiwyg")?.value === text,
        whole,
      );
    }
    for (const { page } of [ada, grace]) expect(await page.locator(".notice").allTextContents()).toEqual([]);
    await photograph(ada.page, "typing");
    await ada.page.keyboard.press("Escape");
    await grace.page.keyboard.press("Escape");
    const [text] = Object.values(await stage.agreement(id, [ada, grace]));
    expect(text).toMatchObject({ originalText: whole, text: whole });
    // Its width is that of the whole: nothing is cut off.
    expect(Number(text?.width)).toBeGreaterThan(500);
  });

  it("[demo/undo] one's own edits are undone beside those of others, which stay", async () => {
    const { ada, grace, id } = await stage.openTogether();
    await tool(ada.page, "r");
    await drag(ada.page, [
      [400, 250],
      [600, 350],
    ]);
    await waitForScene(grace.page, "Ada's box", (all) => all.length === 1);
    await drag(ada.page, [
      [400, 300],
      [450, 300],
    ]);
    await waitForScene(grace.page, "the box moved", ([box]) => Number(box?.x) > 420);
    await tool(grace.page, "o");
    await drag(grace.page, [
      [700, 300],
      [800, 400],
    ]);
    const box = (await waitForScene(grace.page, "both", (all) => all.length === 2)).find(
      ({ type }) => type === "rectangle",
    );
    await grace.page.evaluate((element) => {
      window.aetherflow?.board.transact((change) => change.style(element, { strokeColor: "#e03131" }));
    }, String(box?.id));
    await waitForScene(ada.page, "a red box", (all) =>
      all.some(({ strokeColor }) => strokeColor === "#e03131"),
    );
    await ada.page.keyboard.press("Control+z");
    const moved = await waitForScene(grace.page, "the box back at its place", (all) =>
      all.some(({ type, x }) => type === "rectangle" && Math.abs(Number(x) - Number(box?.x)) > 40),
    );
    expect(moved.find(({ type }) => type === "rectangle")).toMatchObject({ strokeColor: "#e03131" });
    expect(moved).toHaveLength(2);
    await ada.page.keyboard.press("Control+Shift+z");
    await waitForScene(grace.page, "the box moved again", (all) => all.some(({ x }) => x === box?.x));
    await stage.agreement(id, [ada, grace]);
    expect(Object.keys(await sceneOf(ada.page))).toHaveLength(2);
  });
});

/** A place on the left edge of a shape. */
async function placeOnScreen(
  page: import("playwright-core").Page,
  shape: Record<string, unknown>,
): Promise<readonly [number, number]> {
  const view = await page.evaluate(() => window.aetherflow?.editor.getAppState() as Record<string, number>);
  const { scrollX = 0, scrollY = 0, offsetLeft = 0, offsetTop = 0 } = view;
  return [
    Number(shape.x) + scrollX + offsetLeft,
    Number(shape.y) + Number(shape.height) / 2 + scrollY + offsetTop,
  ];
}
