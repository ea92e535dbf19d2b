/** The page at `/`: opens the board that the address names (`?doc=ID`), or makes one, and shows it live. */
import { type DocumentReplica, openDocument } from "../client/index.ts";
import { announce, byId } from "./page.ts";
import { colourOf, showPeople } from "./people.ts";
import { CallError, createBoard, guestToken } from "./server-calls.ts";
import { showStatus } from "./status.ts";
import { useTools } from "./tools.ts";

const animals = ["Heron", "Otter", "Lynx", "Wren", "Badger", "Gecko", "Ibis", "Marten", "Newt", "Plover"];
/** A page load is a replica of its own: a duplicated tab must not share its id. */
const clientId = [...crypto.getRandomValues(new Uint32Array(3))].map((part) => part.toString(36)).join("");
const nameField = byId("name", HTMLInputElement);
let typedToken: string | undefined;

nameField.value = remembered() ?? `Guest ${animals[Math.floor(Math.random() * animals.length)]}`;

async function start(): Promise<void> {
  const board = await open(await boardId());
  if (board === undefined) return;
  let stop = show(board);
  let current = board;
  nameField.addEventListener("change", async () => {
    remember(nameField.value.trim());
    // A name belongs to a session: it begins anew.
    await current.whenSettled().catch(() => {});
    stop();
    await current.close();
    const next = await open(current.documentId);
    if (next === undefined) return;
    current = next;
    stop = show(next);
  });
}

async function boardId(): Promise<string> {
  const given = new URLSearchParams(location.search).get("doc");
  if (given !== null && given !== "") return given;
  const id = await createBoard(await token(), `Board of ${new Date().toLocaleDateString()}`);
  history.replaceState(null, "", `?doc=${encodeURIComponent(id)}`);
  return id;
}

async function token(): Promise<string> {
  return typedToken ?? (await guestToken());
}

async function open(documentId: string): Promise<DocumentReplica | undefined> {
  const name = nameField.value.trim();
  const board = openDocument({
    url: location.origin,
    documentId,
    clientId,
    getToken: token,
    profile: { ...(name === "" ? {} : { name }), color: colourOf(clientId) },
  });
  try {
    await board.ready;
    return board;
  } catch (error) {
    notice(
      error instanceof Error
        ? `This board cannot be opened: ${error.message}.`
        : "This board cannot be opened.",
    );
    return undefined;
  }
}

function show(board: DocumentReplica): () => void {
  const stops = [
    showStatus(board),
    showPeople(board),
    useTools(board),
    board.on("reject", ({ code, message }) => announce(`A change was refused (${code}): ${message}`)),
    board.on("status", (state) => {
      if (state.state === "closed" && state.code !== 1000) notice(`The board was closed: ${state.reason}.`);
      announce(state.state === "live" ? "connected" : state.state);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function notice(text: string): void {
  byId("notice-text", HTMLElement).textContent = text;
  byId("notice", HTMLDialogElement).showModal();
}

function remembered(): string | undefined {
  try {
    return localStorage.getItem("aetherflow.name") ?? undefined;
  } catch {
    return undefined; // Storage may be forbidden; a name is not worth failing for.
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem("aetherflow.name", name);
  } catch {
    // As above.
  }
}

byId("share", HTMLButtonElement).addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    byId("share", HTMLButtonElement).textContent = "Copied";
    announce("The link is copied");
  } catch {
    notice(`Share this address: ${location.href}`);
  }
});

byId("token-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  typedToken = byId("token", HTMLInputElement).value.trim();
  byId("notice", HTMLDialogElement).close();
  begin();
});

function begin(): void {
  start().catch((error: unknown) => {
    const needsToken = error instanceof CallError && (error.status === 404 || error.status === 401);
    byId("token-form", HTMLFormElement).hidden = !needsToken;
    notice(
      needsToken
        ? "This server asks for an access token."
        : `The board cannot be opened: ${error instanceof Error ? error.message : String(error)}.`,
    );
  });
}

begin();
