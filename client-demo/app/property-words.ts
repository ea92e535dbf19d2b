const others = new Map([
  ["x", "place"],
  ["y", "place"],
  ["originalText", "text"],
  ["index", "order"],
  ["groupIds", "group"],
  ["boundElements", "arrows"],
]);

/** Names of an element's properties for people: `backgroundColor` is a background color. A few of many. */
export function wordsOf(properties: readonly string[]): string {
  const names = properties.map(
    (name) => others.get(name) ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
  );
  const words = [...new Set(names)];
  return words.length > 4 ? `${words.slice(0, 3).join(", ")} and ${words.length - 3} more` : words.join(", ");
}
