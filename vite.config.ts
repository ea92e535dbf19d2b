import { defineConfig } from "vite";

/** Bundles the demo page that the server serves at `/`. No inline scripts or styles: it runs under a strict CSP. */
export default defineConfig({
  root: "client-demo",
  base: "/",
  build: {
    outDir: "../dist/client-demo",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
