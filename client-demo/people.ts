import type { DocumentReplica, Json, SessionInfo } from "../client/index.ts";
import { byId } from "./page.ts";

/** White text is readable on each (contrast of 4.5 and more). */
const personColours = [
  "#c92a2a",
  "#2b7a3b",
  "#1864ab",
  "#862e9c",
  "#a63f00",
  "#0b7285",
  "#5f3dc4",
  "#a61e4d",
] as const;

/** A colour that stays with an id. */
export function colourOf(id: string): string {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return personColours[sum % personColours.length] ?? personColours[0];
}

/** What others call a session's user. */
export function nameOf({ user }: Pick<SessionInfo, "user">): string {
  return user.name ?? user.id;
}

interface Parts {
  readonly avatar: HTMLElement;
  readonly cursor: HTMLElement;
}

/** Shows who is here, with others' pointers. Returns what stops it. */
export function showPeople(board: DocumentReplica): () => void {
  const people = byId("people", HTMLElement);
  const cursors = byId("cursors", HTMLElement);
  const drawn = new Map<string, Parts>();
  const own = makeAvatar();
  people.replaceChildren(own);
  cursors.replaceChildren();

  const draw = (session: SessionInfo): void => {
    const parts = drawn.get(session.sessionId) ?? makeParts(people, cursors);
    drawn.set(session.sessionId, parts);
    paintAvatar(parts.avatar, session, session.role === "viewer" ? " (looks on)" : "");
    const colour = safeColour(session);
    parts.cursor.style.setProperty("--colour", colour);
    parts.cursor.style.setProperty("--on-colour", inkOn(colour));
    const label = parts.cursor.querySelector("span");
    if (label !== null) label.textContent = nameOf(session);
    const place = pointOf(session.presence?.cursor);
    parts.cursor.hidden = place === undefined;
    if (place !== undefined) parts.cursor.style.transform = `translate(${place[0]}px, ${place[1]}px)`;
    markSelected(session, colour);
  };
  const drawAll = (): void => {
    const { user } = board;
    if (user !== undefined) paintAvatar(own, { user, clientId: board.clientId }, " (you)");
    for (const node of document.querySelectorAll<HTMLElement>(".item[data-held]")) delete node.dataset.held;
    for (const [id, parts] of drawn) {
      if (board.presence.others.has(id)) continue;
      parts.avatar.remove();
      parts.cursor.remove();
      drawn.delete(id);
    }
    for (const session of board.presence.others.values()) draw(session);
  };
  drawAll();
  const stops = [board.on("presence", drawAll), board.on("document", drawAll)];
  return () => {
    for (const stop of stops) stop();
    people.replaceChildren();
    cursors.replaceChildren();
  };
}

/** Outlines what somebody else has selected. */
function markSelected(session: SessionInfo, colour: string): void {
  const selected = session.presence?.selected;
  if (typeof selected !== "string") return;
  const node = document.querySelector<HTMLElement>(`.item[data-id="${CSS.escape(selected)}"]`);
  if (node === null) return;
  node.dataset.held = "";
  node.style.setProperty("--holder", colour);
}

function makeAvatar(): HTMLElement {
  const avatar = document.createElement("li");
  avatar.className = "person";
  const initials = document.createElement("span");
  initials.setAttribute("aria-hidden", "true");
  const name = document.createElement("span");
  name.className = "visually-hidden";
  avatar.append(initials, name);
  return avatar;
}

function makeParts(people: HTMLElement, cursors: HTMLElement): Parts {
  const avatar = makeAvatar();
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.append(document.createElement("span"));
  people.append(avatar);
  cursors.append(cursor);
  return { avatar, cursor };
}

function paintAvatar(avatar: HTMLElement, who: Pick<SessionInfo, "user" | "clientId">, more: string): void {
  const colour = safeColour(who);
  const text = `${nameOf(who)}${more}`;
  avatar.style.setProperty("--colour", colour);
  avatar.style.setProperty("--on-colour", inkOn(colour));
  if (avatar.title === text) return;
  avatar.title = text;
  const [initials, name] = avatar.children;
  if (initials !== undefined) initials.textContent = initialsOf(nameOf(who));
  if (name !== undefined) name.textContent = text;
}

/** The first letters of the first and the last word. */
function initialsOf(name: string): string {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const firsts = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return firsts.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("") || "?";
}

/** Others' colours come from outside: only what is certainly one is used. */
function safeColour({ user, clientId }: Pick<SessionInfo, "user" | "clientId">): string {
  const { color } = user;
  return color !== undefined && /^#[0-9a-f]{6}$/i.test(color) ? color : colourOf(clientId);
}

/** Black or white, whichever is easier to read on a colour (relative luminance as in WCAG 2). */
function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

function pointOf(value: Json | undefined): readonly [number, number] | undefined {
  if (!Array.isArray(value)) return undefined;
  const [x, y] = value;
  return typeof x === "number" && typeof y === "number" ? [x, y] : undefined;
}
