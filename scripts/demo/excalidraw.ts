/** What it takes to serve Excalidraw from one's own server alone, under a strict policy. */
import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { Plugin } from "vite";

const entry = createRequire(import.meta.url).resolve("@excalidraw/excalidraw");
const dist = path.dirname(entry);
/** The version is in the path: what is cached for ever must change its name with its content. */
const assetPath = "assets/excalidraw-0.18.1";

const emptyModule = "\0excalidraw-without-mermaid";
/** The language that the page uses: a file of its own, without which nothing is rendered. */
const english = /\(\)=>import\("(\.\/locales\/en-\w+\.js)"\)/;
/** Every browser that runs this page draws round rectangles itself. */
const polyfill = 'await import("canvas-roundrect-polyfill")';
/** The button of the main menu has a picture and no name. */
const menuButton = '"data-testid":"main-menu-trigger",className:"main-menu-trigger"';
const fallback = /return (\w+)\.push\(new URL\(\w+,\w+\.ASSETS_FALLBACK_URL\)\),\1\}/;

/**
 * - The list of each font's sources ends with a CDN: 230 errors a page under a policy that forbids it. It is taken out.
 * - The texts in English are loaded with the rest, not after it; a polyfill that no browser needs is not.
 * - The button of the main menu is given a name, for those who hear the page.
 * - The converter of Mermaid diagrams is as large as all the rest and reached by a menu entry that the page hides.
 */
export function offlineExcalidraw(): Plugin {
  let stripped = false;
  let lightened = false;
  let named = false;
  return {
    name: "offline-excalidraw",
    enforce: "pre",
    resolveId: (id) => (id === "@excalidraw/mermaid-to-excalidraw" ? emptyModule : undefined),
    load: (id) =>
      id === emptyModule
        ? "export const parseMermaidToExcalidraw = () => Promise.reject(new Error('not built in'));"
        : undefined,
    transform(code, id) {
      if (/browser-fs-access\/dist\/index\.mjs$/.test(id)) return { code: withFiles(code), map: null };
      if (!id.startsWith(dist)) return undefined;
      let changed = code;
      if (fallback.test(code)) {
        stripped = true;
        changed = changed.replace(fallback, "return $1}");
      }
      if (changed.includes(menuButton)) {
        named = true;
        changed = changed.replaceAll(menuButton, `${menuButton},title:"Menu","aria-label":"Menu"`);
      }
      const texts = english.exec(code)?.[1];
      if (texts !== undefined && code.includes(polyfill)) {
        lightened = true;
        changed = `import * as englishTexts from "${texts}";${changed}`
          .replace(english, "()=>Promise.resolve(englishTexts)")
          .replace(polyfill, "");
      }
      return changed === code ? undefined : { code: changed, map: null };
    },
    buildEnd(error) {
      if (error === undefined && !stripped)
        this.error("Excalidraw's list of font sources looks otherwise than expected");
      if (error === undefined && !lightened)
        this.error("Excalidraw loads its texts, or a polyfill, otherwise than expected");
      if (error === undefined && !named) this.error("Excalidraw's main menu looks otherwise than expected");
    },
  };
}

/** The ways to open and save files are half a kilobyte each, and were fetched as soon as the editor is: three requests. */
function withFiles(code: string): string {
  const imports: string[] = [];
  const changed = code.replace(/import\(("[^"]+")\)/g, (_, file: string) => {
    const name = `file${imports.length}`;
    imports.push(`import * as ${name} from ${file};`);
    return `Promise.resolve(${name})`;
  });
  return `${imports.join("")}${changed}`;
}

/** Its fonts, beside the page, where `EXCALIDRAW_ASSET_PATH` points (`boot.ts`). */
export function copyFonts(): Plugin {
  let outDir = "";
  return {
    name: "copy-excalidraw-fonts",
    apply: "build",
    configResolved(config) {
      outDir = path.resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      await cp(path.join(dist, "fonts"), path.join(outDir, assetPath, "fonts"), { recursive: true });
    },
  };
}

/**
 * The worker that makes fonts smaller for exports runs a chunk of the bundle: what it needs has to stand apart, or it
 * would load the whole application, and the application 670 kB of WebAssembly. A group takes along what it depends on,
 * but for what one before it (a higher priority) has: the ground that both share is the first.
 */
export const fontWorkerChunks = [
  { name: "excalidraw-base", test: /excalidraw\/dist\/prod\/chunk-(SRAX5OIU|ZUYEQ4TG)/, priority: 3 },
  { name: "font-subset", test: /excalidraw\/dist\/prod\/chunk-EIO257PC/, priority: 2 },
  { name: "font-worker", test: /excalidraw\/dist\/prod\/subset-worker/, priority: 1 },
];
