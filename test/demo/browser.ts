/** A real Chromium that shows the built whiteboard, and keeps what the page complained about. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

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
  const build = [vite, "build", "--logLevel", "warn"];
  const env = { ...process.env, NODE_ENV: "production" };
  const { status } = spawnSync(process.execPath, build, { cwd: root, stdio: "inherit", env });
  if (status !== 0) throw new Error("the demo page cannot be built");
}

/**
 * The last list counts, so this one has what playwright's would switch off and matters here. Ours: each window, of which
 * every person has one, loads the pages behind the address bar, 140 modules twice: three seconds of a core.
 */
const disabledFeatures = [
  ...["WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"],
  ...["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"],
  ...["HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"],
  ...["ThirdPartyStoragePartitioning", "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled"],
  "PreconnectToSearch",
];

export function launchBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("no Chromium");
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      // A page behind another one draws as well.
      ...["--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"],
      `--disable-features=${disabledFeatures.join(",")}`,
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

/** The last one: the page's service worker was to be registered while there was no server. */
const refusedPattern =
  /ERR_CONNECTION_REFUSED|ERR_INTERNET_DISCONNECTED|net::ERR_FAILED|WebSocket connection to .* failed|error occurred when fetching the script/;

/** Somebody with a browser of their own (storage included), under that name. */
export async function createPerson(
  browser: Browser,
  name = "Guest",
  options: BrowserContextOptions = {},
): Promise<Person> {
  const context = await browser.newContext({ viewport: { width: 1_200, height: 760 }, ...options });
  await context.addInitScript((given) => {
    if (!location.protocol.startsWith("http")) return;
    if (localStorage.getItem("aetherflow.name") === null) localStorage.setItem("aetherflow.name", given);
  }, name);
  const page = await context.newPage();
  const problems: string[] = [];
  let outage = false;
  page.on("console", (message) => {
    const expected = outage && refusedPattern.test(message.text());
    if (message.type() === "error" && !expected) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.stack}`));
  page.on("request", (request) => {
    const { hostname, protocol } = new URL(request.url());
    const inside = hostname === "127.0.0.1" || protocol === "data:" || protocol === "blob:";
    if (!inside) problems.push(`request: ${request.url()}`);
  });
  const expectOutage = (expected: boolean): void => {
    outage = expected;
  };
  return { page, problems, expectOutage };
}

export async function waitForLive(page: Page): Promise<void> {
  await page.waitForFunction(() => window.aetherflow !== undefined, null, { timeout: 20_000 });
  await page.waitForSelector("#connection[data-state=live]", { timeout: 20_000 });
}

/** Waits until nothing that was done on this page is unsaved. */
export async function waitForSaved(page: Page): Promise<void> {
  await page.waitForFunction(() => window.aetherflow?.board.pendingCount === 0, null, { timeout: 20_000 });
}

/** Draws, drags: presses at the first place, and goes on to the others. */
export async function drag(
  page: Page,
  places: readonly (readonly [number, number])[],
  { steps = 6, release = true } = {},
): Promise<void> {
  const [first, ...others] = places;
  if (first === undefined) return;
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const place of others) await page.mouse.move(...place, { steps });
  if (release) await page.mouse.up();
}

/** Chooses a tool by its key, as people do. */
export async function tool(page: Page, key: string): Promise<void> {
  await page.keyboard.press("Escape");
  await page.keyboard.press(key);
}

/** Drops a picture on the board, as from the desktop. */
export function dropImage(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.getContext("2d")?.fillRect(10, 10, 100, 60);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    const data = new DataTransfer();
    data.items.add(new File([blob ?? ""], "picture.png", { type: "image/png" }));
    const at = { bubbles: true, cancelable: true, clientX: 600, clientY: 350, dataTransfer: data };
    document.querySelector("canvas.interactive")?.dispatchEvent(new DragEvent("drop", at));
  });
}

/** Saves a screenshot where the environment's DEMO_SCREENSHOTS says. */
export async function photograph(page: Page, name: string): Promise<void> {
  const folder = process.env.DEMO_SCREENSHOTS;
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}
