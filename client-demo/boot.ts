/**
 * Where the page begins: at `/` the boards, at `/?doc=ID` one of them. Small, so that everything else is on its way at
 * once: the editor, most of it, while the page asks for the board.
 */
import { applyTheme, storedTheme } from "./app/theme.ts";
import "./style.css";

declare global {
  interface Window {
    /** Where Excalidraw finds its fonts; it reads this when it is loaded. */
    EXCALIDRAW_ASSET_PATH?: string;
  }
}

window.EXCALIDRAW_ASSET_PATH = "/assets/excalidraw-0.18.1/";
applyTheme(storedTheme());
void import("./app/start.tsx");
// Whoever renders it asks again, and says so when it cannot be had.
if (new URLSearchParams(location.search).has("doc")) import("./board/board-view.tsx").catch(() => {});
