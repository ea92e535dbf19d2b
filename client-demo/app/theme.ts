import { keep, recall } from "./browser-storage.ts";

/** What a person chose; `system` follows the machine. */
export type ThemeChoice = "light" | "dark" | "system";

const key = "aetherflow.theme";
const darkQuery = (): MediaQueryList => matchMedia("(prefers-color-scheme: dark)");

export function storedTheme(): ThemeChoice {
  const stored = recall(key);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/** What a choice comes to now. */
export function resolveTheme(choice: ThemeChoice): "light" | "dark" {
  if (choice !== "system") return choice;
  return darkQuery().matches ? "dark" : "light";
}

/** Shows the page in it, and remembers it. */
export function applyTheme(choice: ThemeChoice): void {
  document.documentElement.style.colorScheme = choice === "system" ? "light dark" : choice;
  keep(key, choice);
}

/** Calls back when the machine goes dark or light. */
export function onSystemTheme(listener: () => void): () => void {
  const query = darkQuery();
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
