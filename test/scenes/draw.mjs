#!/usr/bin/env node
/**
 * Draws the scenes of this folder with the real Excalidraw editor, by mouse and keyboard in headless Chromium.
 * The page's API is only read (counting, `serializeAsJSON`); every element comes from an input event.
 *
 *   node test/scenes/draw.mjs --work DIR [--out DIR] [--only flowchart,sketch,board] [--seed 1]
 *
 * DIR needs `@excalidraw/excalidraw`, `react` and `react-dom` in its node_modules (see README.md); vite and
 * playwright-core are the project's own. CHROMIUM names the browser (default /usr/bin/chromium).
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build, preview } from "vite";

const { values: flags } = parseArgs({
  options: {
    work: { type: "string" },
    out: { type: "string", default: dirname(fileURLToPath(import.meta.url)) },
    only: { type: "string", default: "flowchart,sketch,board" },
    seed: { type: "string", default: "1" },
  },
});
if (flags.work === undefined || !existsSync(join(flags.work, "node_modules/@excalidraw/excalidraw"))) {
  console.error("draw.mjs: --work DIR must be a folder with @excalidraw/excalidraw, react and react-dom installed");
  process.exit(2);
}
const work = resolve(flags.work);
const out = resolve(flags.out);

// ---- the page ---------------------------------------------------------------------------------------------

writeFileSync(
  join(work, "index.html"),
  `<!doctype html><meta charset="utf-8"><title>draw</title><style>html,body,#root{margin:0;height:100%}</style>
<script>window.EXCALIDRAW_ASSET_PATH = "/";</script><div id="root"></div><script type="module" src="./page.js"></script>`,
);
writeFileSync(
  join(work, "page.js"),
  `import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { Excalidraw, serializeAsJSON } from "@excalidraw/excalidraw";
import "@excalidraw/excalidraw/index.css";
createRoot(document.getElementById("root")).render(createElement(Excalidraw, {
  excalidrawAPI: (api) => {
    window.count = () => api.getSceneElements().length;
    window.serialize = () => serializeAsJSON(api.getSceneElements(), api.getAppState(), api.getFiles(), "local");
  },
}));`,
);
mkdirSync(join(work, "public"), { recursive: true });
cpSync(join(work, "node_modules/@excalidraw/excalidraw/dist/prod/fonts"), join(work, "public/fonts"), { recursive: true });
await build({
  root: work,
  configFile: false,
  logLevel: "error",
  define: { "process.env.IS_PREACT": '"false"' },
  build: { outDir: join(work, "dist"), emptyOutDir: true, chunkSizeWarningLimit: 1e6 },
});
const site = await preview({ root: work, configFile: false, logLevel: "error", preview: { port: 0, host: "127.0.0.1" } });
const { port } = site.httpServer.address();
const browser = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "draw-")), {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  viewport: { width: 1800, height: 1100 },
  permissions: ["clipboard-read", "clipboard-write"],
  // Without a frame-rate limit a stroke's points arrive as fast as the editor takes them.
  args: (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking " +
    "--disable-component-update --disable-sync --disable-frame-rate-limit --disable-gpu-vsync"
  ).split(" "),
});

// ---- a person with a mouse and a keyboard -------------------------------------------------------------------

/** Seeded random numbers (mulberry32). */
function randomness(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    between: (low, high) => Math.floor(low + next() * (high - low + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

const words =
  "start order check stock pay card refund ship label pack scan queue retry fail done notify mail audit invoice customer return log cache read write merge split review approve reject draft publish archive".split(
    " ",
  );

async function person(seed) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error("page:", error.message));
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForFunction(() => typeof window.count === "function");
  await page.waitForSelector("canvas.interactive");
  const random = randomness(seed);
  const keys = page.keyboard;
  const mouse = page.mouse;
  const self = {
    page,
    random,
    count: () => page.evaluate(() => window.count()),
    press: (key) => keys.press(key),
    phrase: (least, most) => Array.from({ length: random.between(least, most) }, () => random.pick(words)).join(" "),
    /** Down at the first point, through all others, up at the last. */
    async stroke(points, steps = 1) {
      const [first, ...rest] = points;
      await mouse.move(first[0], first[1]);
      await mouse.down();
      for (const [x, y] of rest) await mouse.move(x, y, { steps });
      await mouse.up();
    },
    /** Draws a shape with the tool of this key; the editor goes back to selection with the shape selected. */
    async shape(tool, x, y, width, height) {
      await keys.press(tool);
      await self.stroke([[x, y], [x + width, y + height]], 4);
    },
    /** Types into the selected container, or arrow. */
    async label(text) {
      await keys.press("Enter");
      await keys.type(text);
      await keys.press("Escape");
    },
    async text(x, y, text) {
      await keys.press("t");
      await mouse.click(x, y);
      await keys.type(text);
      await keys.press("Escape");
      await keys.press("Escape");
    },
    /** Clicks one of the five colours in the panel; a selection without that property has no such row. */
    async colour(property, index) {
      const row = page.locator(".color-picker__top-picks").nth(property === "stroke" ? 0 : 1);
      await self.rest();
      if ((await row.count()) > 0) await row.locator("button").nth(index).click();
    },
    async drag(x, y, dx, dy) {
      await self.stroke([[x, y], [x + dx / 2, y + dy / 2], [x + dx, y + dy]], 4);
    },
    async band(x, y, width, height) {
      await keys.press("v");
      await self.stroke([[x, y], [x + width, y + height]], 4);
    },
    async pan(dx, dy) {
      await mouse.move(1000, 560);
      // The wheel's steps are capped by the editor.
      for (let left = Math.max(Math.abs(dx), Math.abs(dy)); left > 0; left -= 400) {
        const share = Math.min(400, left) / Math.max(Math.abs(dx), Math.abs(dy));
        await mouse.wheel(dx * share, dy * share);
      }
      await page.waitForTimeout(60);
    },
    rest: () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))),
  };
  return self;
}

// ---- scenes -----------------------------------------------------------------------------------------------

/** Boxes with text bound to them, arrows bound to the boxes, some with labels, frames, a group, moves, deletes. */
async function flowchart(p) {
  const { random } = p;
  const columns = 8;
  const rows = 6;
  for (let part = 0; part < 3; part++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const x = 330 + column * 175;
        const y = 120 + row * 150;
        const width = random.between(100, 125);
        const height = random.between(60, 85);
        await p.shape(random.pick(["r", "r", "r", "d", "o"]), x, y, width, height);
        if (random.next() < 0.3) await p.colour("fill", random.between(1, 4));
        if (random.next() < 0.15) await p.colour("stroke", random.between(1, 4));
        if (random.next() < 0.85) await p.label(p.phrase(1, 2));
        await p.press("Escape");
        if (column > 0 && random.next() < 0.7) {
          await p.press("a");
          await p.stroke([[x - 172 + 128, y + 38], [x - 6, y + 36]], 4);
          if (random.next() < 0.15) await p.label(random.pick(["yes", "no", "else"]));
          await p.press("Escape");
        }
        if (row > 0 && random.next() < 0.3) {
          await p.press("a");
          await p.stroke([[x + 55, y - 60], [x + 52, y - 5]], 4);
          await p.press("Escape");
        }
      }
    }
    // Frames around a row, one group, a few boxes dragged (their arrows follow), one resized, two deleted.
    await p.press("f");
    await p.stroke([[318, 112], [318 + 175 * 3, 112 + 145]], 6);
    await p.press("Escape");
    await p.band(315 + 175 * 4, 410, 175 * 2, 290);
    await p.press("Control+g");
    await p.drag(340 + 175 * 4, 450, 20, 14);
    await p.press("Escape");
    for (let i = 0; i < 4; i++) {
      const x = 330 + random.between(0, columns - 1) * 175;
      const y = 120 + random.between(1, rows - 1) * 150;
      await p.drag(x + 20, y + 4, random.between(-30, 30), random.between(-15, 15));
      await p.press("Escape");
    }
    await p.band(310 + 175 * 7, 700, 175, 150);
    await p.press("Delete");
    await p.text(340, 1030, `part ${part + 1}: ${p.phrase(4, 8)}`);
    await p.pan(0, 1150);
    console.log("flowchart: part", part + 1, await p.count());
  }
}

/** A hand's line: a wandering curve with changing curvature. */
function wander(random, x, y, points, size) {
  const list = [[x, y]];
  let angle = random.next() * Math.PI * 2;
  let turn = (random.next() - 0.5) * 0.5;
  for (let i = 1; i < points; i++) {
    if (random.next() < 0.12) turn = (random.next() - 0.5) * 0.8;
    angle += turn;
    const [px, py] = list[list.length - 1];
    const nx = px + Math.cos(angle) * size;
    const ny = py + Math.sin(angle) * size;
    if (nx < 320 || nx > 1740 || ny < 115 || ny > 1010) angle += Math.PI / 2;
    list.push([Math.min(1740, Math.max(320, nx)), Math.min(1010, Math.max(115, ny))]);
  }
  return list;
}

/** Freehand: hundreds of strokes, hatching, some long; colours, a few shapes under them, erasing, copies. */
async function sketch(p) {
  const { random } = p;
  for (let sheet = 0; sheet < 3; sheet++) {
    for (let i = 0; i < 8; i++) {
      await p.shape(random.pick(["r", "o", "d"]), random.between(330, 1400), random.between(130, 800), random.between(80, 300), random.between(60, 180));
      await p.colour("fill", random.between(1, 4));
      await p.press("Escape");
    }
    for (let i = 0; i < 175; i++) {
      const kind = random.next();
      const x = random.between(330, 1700);
      const y = random.between(130, 980);
      const points =
        kind < 0.4
          ? wander(random, x, y, random.between(12, 40), 9)
          : kind < 0.9
            ? Array.from({ length: random.between(5, 9) }, (_, n) => [x + n * 7 - (n % 2) * 5, y + (n % 2) * 18 - n])
            : wander(random, x, y, random.between(90, 220), 8);
      await p.press("p");
      await p.stroke(points);
      if (i % 25 === 0) {
        await p.press("v");
        await p.press("Escape");
        await p.press("p");
        console.log("sketch: sheet", sheet + 1, "stroke", i, await p.count());
      }
    }
    await p.press("v");
    await p.band(420, 180, 260, 240);
    await p.press("Control+d");
    await p.press("ArrowRight");
    await p.colour("stroke", random.between(1, 4));
    await p.press("Escape");
    await p.press("e");
    await p.stroke([[900, 300], [960, 340], [1040, 330]], 5);
    await p.press("v");
    await p.text(360, 1040, p.phrase(6, 14));
    await p.pan(0, 1200);
  }
}

/** A workshop's board: clusters of notes, lines and strokes, copied all over, then moved, recoloured, cut. */
async function board(p) {
  const { random } = p;
  for (let i = 0; i < 4; i++) await p.press("Control+-");
  await p.rest();
  for (let cluster = 0; cluster < 4; cluster++) {
    const left = 340 + (cluster % 2) * 700;
    const top = 130 + Math.floor(cluster / 2) * 440;
    for (let i = 0; i < 16; i++) {
      const x = left + (i % 4) * 160;
      const y = top + Math.floor(i / 4) * 100;
      await p.shape(random.pick(["r", "r", "o", "d"]), x, y, random.between(70, 110), random.between(50, 72));
      if (random.next() < 0.6) await p.colour("fill", random.between(1, 4));
      await p.label(p.phrase(1, 4));
      await p.press("Escape");
      const kind = random.next();
      if (i % 4 > 0 && kind < 0.5) {
        await p.press("a");
        await p.stroke([[x - 48, y + 30], [x - 4, y + 30]], 4);
        await p.press("Escape");
      } else if (kind < 0.7) {
        await p.press("l");
        await p.stroke([[x, y + 80], [x + 90, y + 84]], 3);
        await p.press("Escape");
      } else if (kind < 0.9) {
        await p.press("p");
        await p.stroke(wander(random, x + 10, y + 20, 24, 5));
        await p.press("v");
      } else {
        await p.text(x + 4, y + 82, p.phrase(1, 3));
      }
    }
    await p.band(left - 12, top - 12, 4 * 160, 4 * 100 - 10);
    await p.press("Control+g");
    await p.press("Escape");
    console.log("board: cluster", cluster + 1, await p.count());
  }
  // Copies of everything so far, pasted where the mouse is, on fresh ground each time.
  await p.press("Control+a");
  await p.press("Control+c");
  await p.press("Escape");
  for (let copy = 0; copy < 11; copy++) {
    await p.pan(copy % 4 === 3 ? 0 : copy % 8 < 4 ? 1500 : -1500, copy % 4 === 3 ? 1000 : 0);
    const before = await p.count();
    await p.page.mouse.move(1000 + random.between(-20, 20), 560 + random.between(-20, 20));
    await p.press("Control+v");
    await p.page.waitForFunction((n) => window.count() > n, before, { timeout: 10_000 });
    if (random.next() < 0.4) await p.colour("stroke", random.between(1, 4));
    await p.press("Escape");
    // Make each copy its own: a note added, a cluster moved, one recoloured, a few things cut.
    await p.band(330, 118, 655, 420);
    await p.drag(380, 150, random.between(-15, 15), random.between(-10, 10));
    if (random.next() < 0.5) await p.colour("fill", random.between(1, 4));
    await p.press("Escape");
    await p.text(random.between(500, 1500), 1010, p.phrase(3, 9));
    if (copy % 5 === 2) {
      await p.band(1030, 560, 655, 420);
      await p.press("Delete");
    }
    console.log("board: copy", copy + 1, await p.count());
  }
}

const scenes = { flowchart, sketch, board };
for (const name of flags.only.split(",")) {
  const p = await person(Number(flags.seed) + name.length);
  const started = Date.now();
  await scenes[name](p);
  await p.press("v");
  await p.press("Escape");
  await p.rest();
  // Minified: the files are read by tests, not by people.
  const scene = JSON.parse(await p.page.evaluate(() => window.serialize()));
  writeFileSync(join(out, `${name}.excalidraw`), `${JSON.stringify(scene)}\n`);
  await p.page.screenshot({ path: join(work, `${name}.png`) });
  const points = scene.elements.reduce((sum, element) => sum + (element.points?.length ?? 0), 0);
  console.log(`${name}: ${scene.elements.length} elements, ${points} points, ${Math.round((Date.now() - started) / 1000)} s`);
  await p.page.close();
}
await browser.close();
await site.close();
