/** How people are shown: names, initials, colours. */
import type { SessionInfo } from "../../client/index.ts";

/**
 * A colour that stays with a person: the one in which the editor draws their pointer (`getClientColor` of 0.18). Dark
 * text is readable on each of them.
 */
export function colourOf({ user }: Pick<SessionInfo, "user">): string {
  let hash = 0;
  for (let at = 0; at < user.id.length; at++) hash = (hash << 5) - hash + user.id.charCodeAt(at);
  return `hsl(${(Math.abs(hash) % 37) * 10}, 100%, 83%)`;
}

/** What others call a session's user. */
export function nameOf({ user }: Pick<SessionInfo, "user">): string {
  return user.name ?? user.id;
}

/** The first letters of the first and the last word. */
export function initialsOf(name: string): string {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const firsts = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return firsts.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("") || "?";
}
