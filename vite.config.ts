import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { copyFonts, fontWorkerChunks, offlineExcalidraw } from "./scripts/demo/excalidraw.ts";
import { precompress } from "./scripts/demo/precompress.ts";
import { preload } from "./scripts/demo/preload.ts";

/** Bundles the whiteboard that the server serves at `/`. No inline scripts or styles: it runs under a strict CSP. */
export default defineConfig({
  root: "client-demo",
  base: "/",
  plugins: [
    react(),
    offlineExcalidraw(),
    copyFonts(),
    // Who is in the gallery goes on to a board: the editor comes last there, and is used next.
    preload({
      first: ["app/start.tsx", "board/open-board.ts"],
      soon: ["board/board-view.tsx"],
      // The editor makes pasted images smaller with them.
      spare: ["/pica/dist/pica.js", "/image-blob-reduce/dist/image-blob-reduce.esm.mjs"],
    }),
    precompress(),
  ],
  build: {
    outDir: "../dist/client-demo",
    emptyOutDir: true,
    target: "esnext",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Excalidraw is one chunk of this size; a test holds the compressed total of what is loaded before use.
    chunkSizeWarningLimit: 2_500,
    reportCompressedSize: false,
    rolldownOptions: {
      // That compressing takes longer than bundling is known.
      checks: { bundlerTimings: false },
      output: { codeSplitting: { groups: fontWorkerChunks } },
    },
  },
});
