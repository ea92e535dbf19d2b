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
const fallback = /return (\w+)\.push\(new URL\(\w+,\w+\.ASSETS_FALLBACK_URL\)\),\1\}/;

/**
 * - The list of each font's sources ends with a CDN: 230 errors a page under a policy that forbids it. It is taken out.
 * - The converter of Mermaid diagrams is as large as all the rest and reached by a menu entry that the page hides.
 */
export function offlineExcalidraw(): Plugin {
  let stripped = false;
  return {
    name: "offline-excalidraw",
    enforce: "pre",
    resolveId: (id) => (id === "@excalidraw/mermaid-to-excalidraw" ? emptyModule : undefined),
    load: (id) =>
      id === emptyModule
        ? "export const parseMermaidToExcalidraw = () => Promise.reject(new Error('not built in'));"
        : undefined,
    transform(code, id) {
      if (!id.startsWith(dist) || !fallback.test(code)) return undefined;
      stripped = true;
      return { code: code.replace(fallback, "return $1}"), map: null };
    },
    buildEnd(error) {
      if (error === undefined && !stripped)
        this.error("Excalidraw's list of font sources looks otherwise than expected");
    },
  };
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
