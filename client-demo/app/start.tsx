import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { keepPage } from "./offline.ts";

const keepAfterMs = 1_500;
const element = document.getElementById("root");
if (element !== null) {
  const root = createRoot(element);
  // At once, and with it the first calls of the server: they are answered while the editor, which comes next, begins.
  flushSync(() => root.render(<App />));
  // Nothing that the page itself waits for: it fetches everything once more.
  setTimeout(keepPage, keepAfterMs);
}
