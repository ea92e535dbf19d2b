import type { Properties } from "../../client/index.ts";

const others = new Map([
  ["x", "place"],
  ["y", "place"],
  ["originalText", "text"],
  ["index", "order"],
  ["groupIds", "group"],
  ["boundElements", "arrows"],
]);

/** What follows from a text (`originalText`), and is measured by every page that types. */
const measuredNames: ReadonlySet<string> = new Set(["width", "height", "text"]);

/** Of an element's properties those that somebody wrote: not what was measured. */
export function writtenNames(
  properties: readonly string[],
  element: Properties | undefined,
): readonly string[] {
  if (element?.type !== "text" || element.autoResize === false) return properties;
  return properties.filter((name) => !measuredNames.has(name));
}

/** Names of an element's properties for people: `backgroundColor` is a background color. A few of many. */
export function wordsOf(properties: readonly string[]): string {
  const names = properties.map(
    (name) => others.get(name) ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
  );
  const words = [...new Set(names)];
  return words.length > 4 ? `${words.slice(0, 3).join(", ")} and ${words.length - 3} more` : words.join(", ");
}
