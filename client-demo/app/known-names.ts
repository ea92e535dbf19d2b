/** Names of the people who were here with this browser: what they did stays theirs after they have left. */
import type { DocumentReplica, SessionInfo } from "../../client/index.ts";
import { madeUp } from "./account.ts";
import { keep, recallList } from "./browser-storage.ts";

const key = "aetherflow.people";
const mostKept = 500;

let names: Map<string, string> | undefined;

/** By user id, the one seen last at the end. */
function known(): Map<string, string> {
  if (names !== undefined) return names;
  names = new Map();
  for (const pair of recallList(key)) {
    const [id, name] = Array.isArray(pair) ? pair : [];
    if (typeof id === "string" && typeof name === "string") names.set(id, name);
  }
  return names;
}

/** Remembers what these people are called. */
export function rememberNames(people: Iterable<Pick<SessionInfo, "user">>): void {
  const kept = known();
  let isNew = false;
  for (const { user } of people) {
    if (user.name === undefined || kept.get(user.id) === user.name) continue;
    kept.delete(user.id);
    kept.set(user.id, user.name);
    isNew = true;
  }
  if (!isNew) return;
  for (const id of kept.keys()) {
    if (kept.size <= mostKept) break;
    kept.delete(id);
  }
  keep(key, JSON.stringify([...kept]));
}

/** What somebody is called on this page, whether they are here or not. */
export function nameOfUser(board: DocumentReplica, id: string): string {
  if (id === board.user?.id) return "You";
  const here = [...board.presence.others.values()].find(({ user }) => user.id === id);
  return here?.user.name ?? known().get(id) ?? strangerOf(id);
}

/** An id that a token brought is a name of its own. */
function strangerOf(id: string): string {
  return id.startsWith(madeUp) ? `Somebody (${id.slice(-4)})` : id;
}
