/** The page without a board: a name, a new board, the boards there are. */
import type { DocumentMetadata } from "../client/index.ts";
import type { Account } from "./account.ts";
import { makeBoard } from "./join.ts";
import { byId, messageOf, toast } from "./page.ts";
import { listBoards } from "./server-calls.ts";

/** Shows the start page. Fails as REST calls do, and may be tried again. */
export async function openStartPage(account: Account): Promise<void> {
  const list = byId("boards", HTMLElement);
  const state = byId("boards-state", HTMLElement);
  state.textContent = "Looking for boards …";
  state.hidden = false;
  byId("start", HTMLElement).hidden = false;
  const name = byId("start-name", HTMLInputElement);
  name.value = account.name;
  name.onchange = () => {
    account.name = name.value.trim() || account.name;
    name.value = account.name;
  };
  byId("new-board", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    void create(account);
  };
  list.replaceChildren();
  await showMore(account, list, undefined);
  state.textContent = "No boards yet. Make the first one, and send its link to somebody.";
  state.hidden = list.children.length > 0;
}

async function create(account: Account): Promise<void> {
  const button = byId("create", HTMLButtonElement);
  const name = byId("board-name", HTMLInputElement).value.trim();
  const sharing = byId("sharing", HTMLSelectElement).value === "view" ? "view" : "edit";
  button.disabled = true;
  try {
    const id = await makeBoard(account, name === "" ? "Untitled board" : name, sharing);
    location.assign(addressOf(id));
  } catch (error) {
    button.disabled = false;
    toast(`The board could not be made. ${messageOf(error)}`, "warning");
  }
}

async function showMore(account: Account, list: HTMLElement, cursor: string | undefined): Promise<void> {
  const page = await listBoards(await account.token(), cursor);
  list.append(...page.items.map(makeEntry));
  const more = byId("more", HTMLButtonElement);
  const { nextCursor } = page;
  more.hidden = nextCursor === null;
  more.onclick = () => {
    if (nextCursor === null) return;
    more.hidden = true;
    showMore(account, list, nextCursor).catch((error: unknown) => toast(messageOf(error), "warning"));
  };
}

function makeEntry(board: DocumentMetadata): HTMLElement {
  const entry = document.createElement("li");
  const link = document.createElement("a");
  link.href = addressOf(board.id);
  const name = document.createElement("strong");
  name.textContent = board.name;
  const facts = document.createElement("span");
  const here = board.activeUsers.length;
  facts.textContent = [
    here === 0 ? "" : `${here} here now`,
    board.version === 1 ? "1 change" : `${board.version} changes`,
    ago(Date.parse(board.updatedAt)),
  ]
    .filter((fact) => fact !== "")
    .join(" · ");
  link.append(name, facts);
  entry.append(link);
  return entry;
}

function addressOf(id: string): string {
  return `/?doc=${encodeURIComponent(id)}`;
}

const spans = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

function ago(atMs: number): string {
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const passedMs = Date.now() - atMs;
  for (const [unit, lengthMs] of spans) {
    if (passedMs >= lengthMs) return format.format(-Math.floor(passedMs / lengthMs), unit);
  }
  return "just now";
}
