/** Where the page begins: at `/` the boards, at `/?doc=ID` one of them. */
import { createRoot } from "react-dom/client";
import { App } from "./app/app.tsx";
import { keepPage } from "./app/offline.ts";
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
const root = document.getElementById("root");
if (document.readyState === "complete") keepPage();
else addEventListener("load", keepPage);
if (root !== null) createRoot(root).render(<App />);
