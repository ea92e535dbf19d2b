/** A real Chromium that shows the built demo page, and keeps what the page complained about. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { waitFor } from "../support/wait-for.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const demoDir = path.join(root, "dist", "client-demo");

/** Where Chromium is; undefined: there is none on this machine. */
export const chromiumPath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (file) => file !== undefined && existsSync(file),
);

/** Builds the page when nobody did. */
export function buildDemo(): void {
  if (existsSync(path.join(demoDir, "index.html"))) return;
  const vite = path.join(root, "node_modules", "vite", "bin", "vite.js");
  const { status } = spawnSync(process.execPath, [vite, "build", "--logLevel", "warn"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("the demo page cannot be built");
}

export function launchBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("no Chromium");
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Nothing but this machine has a name.
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
}

export interface Person {
  readonly page: Page;
  /** Errors of the console, exceptions, and requests to elsewhere. A test ends with none. */
  readonly problems: string[];
  /** From now on, refused connections are no problem, or are one again. */
  expectOutage(expected: boolean): void;
}

/** Somebody with a browser of their own (storage included). */
export async function createPerson(browser: Browser, options: BrowserContextOptions = {}): Promise<Person> {
  const context = await browser.newContext({ viewport: { width: 1_100, height: 720 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  let outage = false;
  page.on("console", (message) => {
    const refused = /ERR_CONNECTION_REFUSED|WebSocket connection to .* failed/.test(message.text());
    if (message.type() === "error" && !(outage && refused)) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.stack}`));
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    const inside = hostname === "127.0.0.1" || protocol === "data:" || protocol === "blob:";
    if (!inside) problems.push(`request: ${request.url()}`);
  });
  return {
    page,
    problems,
    expectOutage: (expected) => {
      outage = expected;
    },
  };
}

export async function waitForLive(page: Page): Promise<void> {
  await page.waitForSelector("#connection[data-state=live]", { timeout: 20_000 });
}

/** Waits until nothing that was done on this page is unsaved. */
export async function waitForSaved(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector("#pending")?.textContent === "all saved");
}

/** An element as a page shows it. */
export interface Shown {
  readonly kind: string;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  readonly colour: string;
  readonly text: string;
  readonly points: string;
}

/** Every element that a page shows, by id. */
export function readBoard(page: Page): Promise<Record<string, Shown>> {
  return page.evaluate(() => {
    const entries = [...document.querySelectorAll<HTMLElement>("#items > .item")].map((node) => {
      const { left, top, width, height } = node.style;
      const shown = {
        kind: node.dataset.kind ?? "",
        x: Number.parseFloat(left),
        y: Number.parseFloat(top),
        w: Number.parseFloat(width),
        h: Number.parseFloat(height),
        colour: node.style.getPropertyValue("--colour"),
        text: node.querySelector("textarea")?.value ?? "",
        points: node.querySelector("polyline")?.getAttribute("points") ?? "",
      };
      return [node.dataset.id ?? "", shown] as const;
    });
    return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}

/** The stored content of a board, as a page would show it. */
export function asShown(
  elements: Record<string, Record<string, unknown>>,
): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(elements).map(([id, { kind, x, y, w, h, colour, text = "", points = [] }]) => {
      const line = (points as number[][]).map((point) => point.join(",")).join(" ");
      return [id, { kind, x, y, w, h, colour, text, points: line }];
    }),
  );
}

/** Waits until a page shows what a condition asks for; its elements. */
export function waitForBoard(
  page: Page,
  what: string,
  condition: (elements: Shown[]) => boolean,
): Promise<Record<string, Shown>> {
  return waitFor(
    async () => {
      const board = await readBoard(page);
      return condition(Object.values(board)) ? board : undefined;
    },
    { what },
  );
}

/** Drags with the left button, in steps as a hand does. */
export async function drag(page: Page, from: [number, number], to: [number, number]): Promise<void> {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move(...to, { steps: 20 });
  await page.mouse.up();
}

/** Keeps a picture in the folder `SCREENSHOTS`, when that is set. */
export async function photograph(page: Page, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS;
  if (folder !== undefined) await page.screenshot({ path: path.join(folder, `${name}.png`) });
}
