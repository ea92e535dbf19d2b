import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { keepPage } from "./offline.ts";

const element = document.getElementById("root");
if (document.readyState === "complete") keepPage();
else addEventListener("load", keepPage);
if (element !== null) {
  const root = createRoot(element);
  // At once, and with it the first calls of the server: they are answered while the editor, which comes next, begins.
  flushSync(() => root.render(<App />));
}
