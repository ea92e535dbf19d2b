/** The page of one board: opens it, and shows it live until the page is left. */
import { type ConnectionState, type DocumentReplica, openDocument } from "../client/index.ts";
import { type Account, randomPart, TokenNeeded } from "./account.ts";
import { joinBoard } from "./join.ts";
import { announce, byId, toast } from "./page.ts";
import { colourOf, nameOf, showPeople } from "./people.ts";
import { CallError } from "./server-calls.ts";
import { showStatus } from "./status.ts";
import { useTools } from "./tools.ts";

/** Opens a board. Fails as REST calls do, and may be tried again. */
export async function openBoardPage(account: Account, documentId: string): Promise<void> {
  // A page load is a replica of its own: a duplicated tab must not share its id.
  const clientId = randomPart();
  await joinBoard(account, documentId);
  let board = await open(account, documentId, clientId);
  let stop = show(board);
  const nameField = byId("name", HTMLInputElement);
  nameField.value = account.name;
  nameField.addEventListener("change", async () => {
    account.name = nameField.value.trim() || account.name;
    nameField.value = account.name;
    // A name belongs to a session: it begins anew, when nothing waits any more.
    await board.whenSettled().catch(() => {});
    const next = await open(account, documentId, randomPart()).catch(() => undefined);
    if (next === undefined) return;
    stop();
    await board.close();
    board = next;
    stop = show(board);
  });
  byId("share", HTMLButtonElement).addEventListener("click", copyLink);
  addEventListener("beforeunload", (event) => {
    if (board.pendingCount > 0) event.preventDefault(); // The browser asks: what is not saved would be lost.
  });
}

async function open(account: Account, documentId: string, clientId: string): Promise<DocumentReplica> {
  const board = openDocument({
    url: location.origin,
    documentId,
    clientId,
    getToken: () => account.token(),
    profile: { name: account.name, color: colourOf(account.userId) },
  });
  try {
    await board.ready;
    return board;
  } catch (error) {
    const { connection } = board;
    const code = connection.state === "closed" ? connection.code : undefined;
    if (code === 4401) throw new TokenNeeded(true);
    if (code === 4404 || code === 4403) throw new CallError(404, "no such board");
    throw error;
  }
}

function show(board: DocumentReplica): () => void {
  const banner = byId("banner", HTMLElement);
  const showBanner = (): void => {
    const text = bannerFor(board);
    banner.hidden = text === undefined;
    banner.textContent = text ?? "";
    document.body.dataset.access = mayEdit(board) ? "edit" : "view";
  };
  byId("board-page", HTMLElement).hidden = false;
  showBanner();
  let before: ConnectionState["state"] = board.connection.state;
  let interrupted = false;
  const stops = [
    showStatus(board),
    showPeople(board),
    useTools(board, () => mayEdit(board)),
    board.on("role", showBanner),
    board.on("document", showBanner),
    board.on("reject", ({ message, operations, dependent }) => {
      const count = operations.length + dependent.length;
      toast(`${count === 1 ? "A change was" : `${count} changes were`} refused: ${message}`, "warning");
    }),
    board.on("conflict", ({ properties }) => {
      const what = properties.length === 0 ? "an element" : `${describe(properties)} of an element`;
      toast(`Two people changed ${what} at the same time. The later change holds.`);
    }),
    board.on("status", ({ state }) => {
      showBanner();
      if (state === "reconnecting" && before === "live") {
        interrupted = true;
        announce("The connection is lost. You can go on.");
      } else if (state === "live" && interrupted) {
        interrupted = false;
        toast("Connected again.");
      }
      before = state;
    }),
    board.on("presence", ({ joined }) => {
      for (const id of joined) {
        const session = board.presence.others.get(id);
        if (session !== undefined) announce(`${nameOf(session)} is here`);
      }
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function mayEdit(board: DocumentReplica): boolean {
  const active = board.documentMetadata?.state === "active";
  return active && board.role !== "viewer" && board.connection.state !== "closed";
}

function bannerFor(board: DocumentReplica): string | undefined {
  const { connection } = board;
  if (connection.state === "closed")
    return `This board was closed: ${connection.reason}. Reload to try again.`;
  if (connection.state === "reconnecting" || connection.state === "connecting") {
    return "You are offline. Go on, your changes are kept here and sent when the connection is back.";
  }
  if (board.documentMetadata?.state !== "active") return "This board is archived: nobody can change it.";
  if (board.role === "viewer") return "You can look at this board, but not change it.";
  return undefined;
}

const propertyNames: ReadonlyMap<string, string> = new Map([
  ["x", "the place"],
  ["y", "the place"],
  ["w", "the size"],
  ["h", "the size"],
]);

function describe(properties: readonly string[]): string {
  const names = properties.map((property) => propertyNames.get(property) ?? `the ${property}`);
  return [...new Set(names)].join(" and ");
}

async function copyLink(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("The link is copied. Whoever opens it joins this board.");
  } catch {
    toast(`Share this address: ${location.href}`); // Not allowed here, or no secure context.
  }
}
