import type { DocumentReplica, Json, SessionInfo } from "../client/index.ts";
import { announce, byId } from "./page.ts";

const sessionColours = [
  "#e03131",
  "#2f9e44",
  "#1971c2",
  "#9c36b5",
  "#e8590c",
  "#0c8599",
  "#6741d9",
  "#c2255c",
];

/** A colour that stays with an id. */
export function colourOf(id: string): string {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return sessionColours[sum % sessionColours.length] ?? "#1971c2";
}

/** Shows who else is here, with their pointers. Returns what stops it. */
export function showPeople(board: DocumentReplica): () => void {
  const people = byId("people", HTMLElement);
  const cursors = byId("cursors", HTMLElement);
  const drawn = new Map<string, { readonly badge: HTMLElement; readonly cursor: HTMLElement }>();

  const remove = (sessionId: string): void => {
    drawn.get(sessionId)?.badge.remove();
    drawn.get(sessionId)?.cursor.remove();
    drawn.delete(sessionId);
  };
  const draw = (session: SessionInfo): void => {
    const colour = /^#[0-9a-f]{6}$/i.test(session.user.color ?? "") ? session.user.color : undefined;
    const parts = drawn.get(session.sessionId) ?? makeParts(people, cursors);
    drawn.set(session.sessionId, parts);
    const name = nameOf(session);
    for (const part of [parts.badge, parts.cursor]) {
      part.style.setProperty("--colour", colour ?? colourOf(session.clientId));
      const label = part.querySelector("span");
      if (label !== null && label.textContent !== name) label.textContent = name;
    }
    const place = pointOf(session.presence?.cursor);
    parts.cursor.hidden = place === undefined;
    if (place !== undefined) parts.cursor.style.transform = `translate(${place[0]}px, ${place[1]}px)`;
  };
  const drawAll = (): void => {
    for (const id of [...drawn.keys()]) if (!board.presence.others.has(id)) remove(id);
    for (const session of board.presence.others.values()) draw(session);
  };
  drawAll();
  const stop = board.on("presence", ({ joined }) => {
    drawAll();
    for (const id of joined) {
      const session = board.presence.others.get(id);
      if (session !== undefined) announce(`${nameOf(session)} is here`);
    }
  });
  return () => {
    stop();
    for (const id of [...drawn.keys()]) remove(id);
  };
}

function makeParts(people: HTMLElement, cursors: HTMLElement): { badge: HTMLElement; cursor: HTMLElement } {
  const badge = document.createElement("li");
  badge.className = "person";
  badge.append(document.createElement("i"), document.createElement("span"));
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  cursor.append(document.createElement("span"));
  people.append(badge);
  cursors.append(cursor);
  return { badge, cursor };
}

function nameOf({ user }: SessionInfo): string {
  return user.name ?? user.id;
}

function pointOf(value: Json | undefined): readonly [number, number] | undefined {
  if (!Array.isArray(value)) return undefined;
  const [x, y] = value;
  return typeof x === "number" && typeof y === "number" ? [x, y] : undefined;
}
