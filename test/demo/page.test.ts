import { SignJWT } from "jose";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import {
  asShown,
  buildDemo,
  chromiumPath,
  createPerson,
  demoDir,
  drag,
  launchBrowser,
  type Person,
  photograph,
  readBoard,
  waitForBoard,
  waitForLive,
  waitForSaved,
} from "./browser.ts";

if (chromiumPath === undefined) console.warn("test/demo: no Chromium (set CHROMIUM to its path): skipped");

describe.skipIf(chromiumPath === undefined)("the demo page, on two instances", () => {
  let database: TestDatabase;
  let first: Instance;
  let second: Instance;
  let browser: Browser;
  let people: Person[] = [];

  beforeAll(async () => {
    buildDemo();
    database = await createTestDatabase();
    first = await startTestInstance(database.url, {}, demoDir);
    second = await startTestInstance(database.url, {}, demoDir);
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([first?.close(), second?.close()]);
    await database?.drop();
  });
  afterEach(async () => {
    const problems = people.flatMap((person) => person.problems);
    await Promise.all(people.map(({ page }) => page.context().close()));
    people = [];
    expect(problems).toEqual([]);
  });

  async function come(instance: Instance, name: string, options = {}): Promise<Person> {
    const person = await createPerson(browser, options);
    people.push(person);
    await person.page.goto(instance.url);
    await person.page.fill("#start-name", name);
    await person.page.press("#start-name", "Tab");
    return person;
  }
  /** Makes a board on the start page; its id. */
  async function makeBoard(page: Page, sharing: "edit" | "view" = "edit"): Promise<string> {
    await page.fill("#board-name", "Plan of the engine");
    await page.selectOption("#sharing", sharing);
    await page.click("#create");
    await waitForLive(page);
    return new URL(page.url()).searchParams.get("doc") ?? "";
  }
  /** Ada at the first instance, with a new board; Grace at the second, on the same. */
  async function openTogether(sharing: "edit" | "view" = "edit", graceOptions = {}) {
    const ada = await come(first, "Ada Lovelace");
    const id = await makeBoard(ada.page, sharing);
    const grace = await come(second, "Grace <b>Hopper</b>", graceOptions);
    await grace.page.goto(`${second.url}/?doc=${id}`);
    await waitForLive(grace.page);
    return { ada, grace, id };
  }
  /** What is stored, when both pages show exactly that. */
  async function expectAllEqual(id: string, pages: readonly Page[]): Promise<void> {
    const token = await devToken(first.url, "everybody");
    await Promise.all(pages.map(waitForSaved));
    await waitFor(
      async () => {
        const { body } = await rest<{ elements: Record<string, Record<string, unknown>> }>(
          first.url,
          token,
          "GET",
          `/documents/${id}/content`,
        );
        for (const page of pages) expect(await readBoard(page)).toEqual(asShown(body.elements));
        return true;
      },
      { what: "pages and server are equal" },
    );
  }

  it("[demo/shared] what is made, dragged, drawn, coloured and deleted on one page is so on the other and stored", async () => {
    const { ada, grace, id } = await openTogether("edit", { colorScheme: "dark" });
    await ada.page.mouse.dblclick(300, 250);
    await ada.page.keyboard.type("Buy brass");
    await waitForBoard(grace.page, "Ada's note", ([note]) => note?.text === "Buy brass");

    await drag(grace.page, [300, 230], [700, 330]);
    await waitForBoard(
      ada.page,
      "the note where Grace dragged it",
      ([note]) => note !== undefined && note.x > 550,
    );
    await grace.page.click("[aria-label=Green]");
    await waitForBoard(ada.page, "a green note", ([note]) => note?.colour === "#8ce99a");

    await grace.page.click("[data-tool=pen]");
    await drag(grace.page, [200, 450], [420, 520]);
    await waitForBoard(ada.page, "Grace's whole stroke", (elements) =>
      elements.some(({ points }) => points.split(" ").length > 10 && points.endsWith(" 220,70")),
    );
    await ada.page.keyboard.press("Escape");
    await ada.page.click("[data-tool=ellipse]");
    await ada.page.mouse.click(300, 300);
    await ada.page.keyboard.type("Mill");
    await expectAllEqual(id, [ada.page, grace.page]);
    expect(Object.keys(await readBoard(ada.page))).toHaveLength(3);
    await photograph(ada.page, "board-light");
    await photograph(grace.page, "board-dark");

    await ada.page.keyboard.press("Escape");
    await ada.page.keyboard.press("Delete");
    await waitForBoard(grace.page, "the ellipse is gone", (elements) => elements.length === 2);
    await expectAllEqual(id, [ada.page, grace.page]);
  });

  it("[demo/typing] two people who type into one note at once keep every character of both", async () => {
    const { ada, grace, id } = await openTogether();
    await ada.page.mouse.dblclick(300, 250);
    await ada.page.keyboard.type(" | ");
    await waitForBoard(grace.page, "the note", ([note]) => note?.text === " | ");
    await grace.page.mouse.dblclick(300, 230);
    await ada.page.keyboard.press("Control+Home");
    await grace.page.keyboard.press("Control+End");
    const [left, right] = ["the analytical engine weaves", "algebraic patterns just as the loom"];
    await Promise.all([
      ada.page.keyboard.type(left, { delay: 7 }),
      grace.page.keyboard.type(right, { delay: 5 }),
    ]);
    const whole = `${left} | ${right}`;
    for (const { page } of [ada, grace])
      await waitForBoard(page, `both texts`, ([note]) => note?.text === whole);
    await expectAllEqual(id, [ada.page, grace.page]);
  });

  it("[demo/presence] others are seen with name, pointer and selection, as text only, until they leave", async () => {
    const { ada, grace } = await openTogether();
    await ada.page.mouse.dblclick(300, 250);
    await ada.page.keyboard.press("Escape");
    await grace.page.waitForSelector(".item");
    await grace.page.mouse.move(420, 333);
    const graces = ada.page.locator("#people .person", { hasText: "Grace <b>Hopper</b>" });
    await graces.waitFor();
    expect(await ada.page.locator("#people b, #cursors b").count()).toBe(0);
    const pointer = ada.page.locator("#cursors .cursor");
    const top = (await ada.page.locator("#board").boundingBox())?.y ?? 0;
    const place = `translate(420px, ${Math.round(333 - top)}px)`;
    await waitFor(async () => (await pointer.getAttribute("style"))?.includes(place), { what: place });
    expect(await pointer.textContent()).toBe("Grace <b>Hopper</b>");
    await grace.page.click(".item");
    await ada.page.waitForSelector(".item[data-held]");
    expect(await grace.page.locator("#people .person").count()).toBe(2);
    await grace.page.goto("about:blank");
    await graces.waitFor({ state: "detached" });
    expect(await pointer.count()).toBe(0);
  });

  it("[demo/offline] a page whose instance is gone says so, goes on, and loses nothing when it is back", async () => {
    const { ada, grace, id } = await openTogether();
    await ada.page.mouse.dblclick(300, 250);
    await ada.page.keyboard.type("before");
    await waitForBoard(grace.page, "the note", ([note]) => note?.text === "before");
    grace.expectOutage(true);
    const { port } = new URL(second.url);
    await second.close();
    await grace.page.waitForSelector("#banner:not([hidden])");
    expect(await grace.page.textContent("#banner")).toContain("offline");
    await drag(grace.page, [300, 230], [500, 430]);
    await grace.page.mouse.dblclick(800, 200);
    await grace.page.keyboard.type("made offline");
    await grace.page.waitForFunction(() =>
      document.querySelector("#pending")?.textContent?.endsWith("waiting"),
    );
    await photograph(grace.page, "offline");
    await ada.page.keyboard.type(" and meanwhile");
    await ada.page.keyboard.press("Escape");
    await waitForSaved(ada.page);

    second = await startTestInstance(database.url, { server: { port: Number(port) } }, demoDir);
    await waitForLive(grace.page);
    grace.expectOutage(false);
    await waitForBoard(ada.page, "Grace's offline work", (elements) =>
      elements.some(({ text }) => text === "made offline"),
    );
    await waitForBoard(grace.page, "Ada's text", (elements) =>
      elements.some(({ text, x }) => text === "before and meanwhile" && x > 400),
    );
    await expectAllEqual(id, [ada.page, grace.page]);
    expect(await grace.page.isHidden("#banner")).toBe(true);
  });

  it("[demo/viewer] who may only look sees changes, is told, and can change nothing", async () => {
    const { ada, grace, id } = await openTogether("view");
    await ada.page.mouse.dblclick(300, 250);
    await ada.page.keyboard.type("look");
    await waitForBoard(grace.page, "the note", ([note]) => note?.text === "look");
    expect(await grace.page.textContent("#banner")).toContain("not change");
    expect(await grace.page.isHidden("#toolbar")).toBe(true);
    await drag(grace.page, [300, 230], [500, 430]);
    await grace.page.mouse.dblclick(700, 200);
    await grace.page.mouse.dblclick(300, 230);
    await grace.page.keyboard.type("no");
    await grace.page.keyboard.press("Delete");
    await ada.page.keyboard.type(" at this");
    await waitForBoard(grace.page, "Ada's text", ([note]) => note?.text === "look at this");
    expect(await readBoard(grace.page)).toEqual(await readBoard(ada.page));
    expect(await grace.page.textContent("#pending")).toBe("all saved");
    expect(id).not.toBe("");
  });

  it("[demo/keyboard] a note is made, written, moved and deleted without a pointer", async () => {
    const ada = await come(first, "Ada Lovelace");
    await makeBoard(ada.page);
    await ada.page.keyboard.press("n");
    await ada.page.keyboard.type("new");
    await ada.page.keyboard.press("Escape");
    const before = Object.values(await waitForBoard(ada.page, "a note", ([note]) => note?.text === "new"))[0];
    await ada.page.keyboard.press("ArrowRight");
    await ada.page.keyboard.press("Shift+ArrowDown");
    await waitForBoard(
      ada.page,
      "the note is moved",
      ([note]) => note?.x === (before?.x ?? 0) + 8 && note.y === (before?.y ?? 0) + 40,
    );
    await ada.page.keyboard.press("Enter");
    await ada.page.keyboard.press("Control+End");
    await ada.page.keyboard.type("er");
    await ada.page.keyboard.press("Escape");
    await waitForBoard(ada.page, "the text", ([note]) => note?.text === "newer");
    await ada.page.locator("#share").focus();
    await ada.page.keyboard.press("Tab");
    expect(await ada.page.evaluate(() => document.activeElement?.className)).toContain("item");
    await ada.page.keyboard.press("Delete");
    await waitForBoard(ada.page, "an empty board", (elements) => elements.length === 0);
    await waitForSaved(ada.page);
  });

  it("[demo/start] a joined board is in one's list; a phone's width is enough for both pages", async () => {
    const { grace } = await openTogether("edit", { viewport: { width: 375, height: 700 } });
    await grace.page.click("[data-tool=note]");
    await grace.page.mouse.click(180, 300);
    await grace.page.keyboard.type("from a phone");
    await waitForSaved(grace.page);
    const width = () => grace.page.evaluate(() => document.documentElement.scrollWidth);
    expect(await width()).toBe(375);
    await photograph(grace.page, "board-phone");
    await grace.page.goto(second.url);
    await grace.page.waitForSelector("#boards li");
    expect(await grace.page.textContent("#boards li strong")).toBe("Plan of the engine");
    expect(await width()).toBe(375);
    await photograph(grace.page, "start-phone");
    await grace.page.click("#boards li a");
    await waitForLive(grace.page);
    await waitForBoard(grace.page, "the note", ([note]) => note?.text === "from a phone");
  });

  it("[demo/token] where the server gives no tokens, one is asked for, and works until the tab is closed", async () => {
    const secret = "a secret of at least thirty-two characters";
    const instance = await startTestInstance(
      database.url,
      { auth: { mode: "jwt", key: { kind: "secret", secret } } },
      demoDir,
    );
    const person = await createPerson(browser);
    try {
      const { page, problems } = person;
      await page.goto(instance.url);
      await page.waitForSelector("#token-form:not([hidden])");
      // The one 404 by which the page learns it.
      expect(problems.splice(0)).toEqual([expect.stringContaining("404")]);
      await photograph(page, "token");
      const token = await new SignJWT({ name: "Ada" })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("ada")
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret));
      await page.fill("#token", token);
      await page.press("#token", "Enter");
      await page.waitForSelector("#start:not([hidden]) #create");
      await makeBoard(page);
      await page.reload();
      await waitForLive(page);
      expect(problems).toEqual([]);
    } finally {
      await person.page.context().close();
      await instance.close();
    }
  });
});
