/** How people are shown: names, initials, colours. */
import type { DocumentReplica, SessionInfo } from "../../client/index.ts";

type Person = Pick<SessionInfo, "user">;

/** How one person is told from the others who are here. */
export interface Look {
  readonly name: string;
  readonly colour: string;
  /** `colour` among those in which the editor draws pointers: its hue in steps of ten degrees. */
  readonly hueStep: number;
}

/** Hues that nobody takes for one another, even as pale as the editor has them. */
const hueSteps = [20, 33, 14, 3, 27, 9, 0, 23, 5, 30, 17];

/**
 * The looks of everybody who is here, by user id, the same on every page. Somebody's colour follows from their id; where
 * it is taken it is the next free one, and of people with one name all but the first get a number.
 */
export function looksOf(people: Iterable<Person>): ReadonlyMap<string, Look> {
  const names = new Map([...people].map((person) => [person.user.id, nameOf(person)]));
  const looks = new Map<string, Look>();
  const taken = new Set<number>();
  const called = new Map<string, number>();
  for (const id of [...names.keys()].sort()) {
    const name = names.get(id) ?? id;
    const count = (called.get(name) ?? 0) + 1;
    called.set(name, count);
    const first = hashOf(id) % hueSteps.length;
    const steps = [...hueSteps.slice(first), ...hueSteps.slice(0, first)];
    const hueStep = steps.find((step) => !taken.has(step)) ?? steps[0] ?? 0;
    taken.add(hueStep);
    // Dark text is readable on each of them; see `binding/presence.ts` for saturation and lightness.
    const colour = `hsl(${hueStep * 10}, 100%, 83%)`;
    looks.set(id, { name: count === 1 ? name : `${name} (${count})`, colour, hueStep });
  }
  return looks;
}

/** This page's own person. */
export function selfOf(board: DocumentReplica): Person {
  return { user: board.user ?? { id: board.clientId } };
}

/** What others call a session's user. */
export function nameOf({ user }: Person): string {
  return user.name ?? user.id;
}

/** The first letters of the first and the last word. */
export function initialsOf(name: string): string {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const firsts = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return firsts.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("") || "?";
}

function hashOf(text: string): number {
  let hash = 0;
  for (const letter of text) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return hash;
}
