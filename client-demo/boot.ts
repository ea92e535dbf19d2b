/**
 * Where the page begins: at `/` the boards, at `/?doc=ID` one of them. Small, so that everything else is on its way at
 * once: the editor, most of it, and the board.
 */
import { beginBoard } from "./app/beginning.ts";
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
const mostWaitMs = 250;
const documentId = new URLSearchParams(location.search).get("doc");
if (documentId) {
  // All scripts are on their way (the page's head names them). To run them keeps the page busy for so long that answers
  // would wait: the few questions that are asked before the board's socket is open come first, unless they take long.
  const waited = new Promise((resolve) => setTimeout(resolve, mostWaitMs));
  void Promise.race([beginBoard(documentId), waited]).then(() => {
    void import("./app/start.tsx");
    // Whoever renders it asks again, and says so when it cannot be had.
    import("./board/board-view.tsx").catch(() => {});
  });
} else void import("./app/start.tsx");
