/** The page without a board: a name, a new board, the boards there are. */
import { type FormEvent, useCallback, useDeferredValue, useEffect, useId, useState } from "react";
import type { DocumentMetadata } from "../../client/index.ts";
import { type Account, TokenNeeded } from "../app/account.ts";
import { changeAsOwner, makeBoard, mayDecide } from "../app/join.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { type ConflictPolicy, PolicyChoice, policyLabel } from "../app/policy-choice.tsx";
import { CallError, listBoards } from "../app/server-calls.ts";
import { storedBoards } from "../app/stored-boards.ts";
import icon from "../icon.svg";
import { BoardCard } from "./board-card.tsx";

/** While the server cannot be reached. */
const againAfterMs = 10_000;

type Shelf = "active" | "archived";

export function GalleryPage(props: { readonly account: Account; onFailure(error: unknown): void }) {
  const { account, onFailure } = props;
  const notices = useNotices();
  const [shelf, setShelf] = useState<Shelf>("active");
  const [query, setQuery] = useState("");
  const search = useDeferredValue(query.trim());
  const [boards, setBoards] = useState<readonly DocumentMetadata[]>();
  const [cursor, setCursor] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const [isReached, setReached] = useState(true);

  useEffect(() => {
    let left = false;
    const timer = setTimeout(
      () =>
        account
          .token()
          .then((token) => listBoards(token, { state: shelf, search }))
          .then((page) => {
            if (left) return;
            setBoards(page.items);
            setCursor(page.nextCursor);
            setReached(true);
          })
          .catch((error: unknown) => {
            if (left) return;
            if (error instanceof CallError || error instanceof TokenNeeded) onFailure(error);
            else setReached(false);
          }),
      search === "" ? 0 : 200,
    );
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [account, shelf, search, round, onFailure]);

  useEffect(() => {
    if (isReached) return undefined;
    const again = (): void => setRound((before) => before + 1);
    const timer = setInterval(again, againAfterMs);
    addEventListener("online", again);
    return () => {
      clearInterval(timer);
      removeEventListener("online", again);
    };
  }, [isReached]);

  const showMore = useCallback(async () => {
    if (cursor === null) return;
    try {
      const page = await listBoards(await account.token(), { state: shelf, search, cursor });
      setBoards((before) => [...(before ?? []), ...page.items]);
      setCursor(page.nextCursor);
    } catch (error) {
      notices.show(messageOf(error), { tone: "warning" });
    }
  }, [account, cursor, notices, search, shelf]);

  const archive = async (board: DocumentMetadata, state: Shelf, undo = true): Promise<void> => {
    try {
      await changeAsOwner(account, board.id, { state });
      setRound((before) => before + 1);
      const back = (): void => void archive(board, state === "archived" ? "active" : "archived", false);
      const text = state === "archived" ? `“${board.name}” is archived.` : `“${board.name}” is back.`;
      notices.show(text, undo ? { action: { label: "Undo", run: back } } : {});
    } catch (error) {
      notices.show(`That did not work: ${messageOf(error)}`, { tone: "warning" });
    }
  };

  return (
    <main className="gallery">
      <header>
        <h1>
          <img src={icon} alt="" width="36" height="36" /> AetherFlow
        </h1>
        <NameField account={account} />
      </header>
      {!isReached && <StoredBoards />}
      <NewBoard account={account} />
      <section aria-labelledby="boards-heading">
        <div className="shelf">
          <h2 id="boards-heading">{shelf === "active" ? "Your boards" : "Archived boards"}</h2>
          <input
            type="search"
            aria-label="Search boards"
            placeholder="Search"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <button type="button" onClick={() => setShelf(shelf === "active" ? "archived" : "active")}>
            {shelf === "active" ? "Show archived" : "Show active"}
          </button>
        </div>
        <p className="quiet" role="status">
          {isReached ? stateOf(boards, shelf, search) : "They are shown when the server can be reached."}
        </p>
        <ul className="cards">
          {boards?.map((board) => (
            <BoardCard
              key={board.id}
              board={board}
              account={account}
              onArchive={
                mayDecide(account, board)
                  ? () => void archive(board, shelf === "active" ? "archived" : "active")
                  : undefined
              }
            />
          ))}
        </ul>
        {cursor !== null && (
          <button type="button" onClick={() => void showMore()}>
            Show more
          </button>
        )}
      </section>
    </main>
  );
}

/** Without a server: what opens all the same. */
function StoredBoards() {
  const [boards] = useState(storedBoards);
  return (
    <section className="new-board" id="stored" aria-labelledby="stored-heading">
      <h2 id="stored-heading">The server cannot be reached</h2>
      <p role="status">
        {boards.length === 0
          ? "No board is stored in this browser. This page tries again by itself."
          : "These boards are stored in this browser: what you change is sent when the server is back."}
      </p>
      <ul>
        {boards.map(({ id, name }) => (
          <li key={id}>
            <a href={`/?doc=${encodeURIComponent(id)}`}>{name}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function stateOf(boards: readonly DocumentMetadata[] | undefined, shelf: Shelf, search: string): string {
  if (boards === undefined) return "Looking for boards …";
  if (boards.length > 0) return "";
  if (search !== "") return `No board is called “${search}”.`;
  return shelf === "active"
    ? "No boards yet. Make the first one, and send its link to somebody."
    : "Nothing is archived.";
}

function NameField({ account }: { readonly account: Account }) {
  const [name, setName] = useState(account.name);
  const field = useId();
  return (
    <p className="name-field">
      <label htmlFor={field}>Your name, for others to see</label>
      <input
        id={field}
        maxLength={40}
        autoComplete="nickname"
        spellCheck={false}
        value={name}
        onChange={(event) => setName(event.target.value)}
        onBlur={() => {
          account.name = name.trim() || account.name;
          setName(account.name);
        }}
      />
    </p>
  );
}

function NewBoard({ account }: { readonly account: Account }) {
  const notices = useNotices();
  const [busy, setBusy] = useState(false);
  const [conflictPolicy, setPolicy] = useState<ConflictPolicy>("lww");
  const [nameField, sharingField] = [useId(), useId()];
  const create = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setBusy(true);
    try {
      const name = String(fields.get("name") ?? "").trim() || "Untitled board";
      const sharing = fields.get("sharing") === "view" ? "view" : "edit";
      const id = await makeBoard(account, { name, sharing, conflictPolicy });
      location.assign(`/?doc=${encodeURIComponent(id)}`);
    } catch (error) {
      setBusy(false);
      notices.show(`The board could not be made. ${messageOf(error)}`, { tone: "warning" });
    }
  };
  return (
    <form className="new-board" onSubmit={(event) => void create(event)}>
      <h2>Start a board</h2>
      <p>
        <label htmlFor={nameField}>Name</label>
        <input id={nameField} name="name" maxLength={120} placeholder="Untitled board" autoComplete="off" />
      </p>
      <p>
        <label htmlFor={sharingField}>Whoever has the link</label>
        <select id={sharingField} name="sharing" defaultValue="edit">
          <option value="edit">may edit</option>
          <option value="view">may look</option>
        </select>
      </p>
      <button type="submit" className="primary" disabled={busy}>
        New board
      </button>
      <details>
        <summary>
          When two people change the same thing at once: <strong>{policyLabel(conflictPolicy)}</strong>
        </summary>
        <PolicyChoice legend="What becomes of the two" policy={conflictPolicy} onPolicy={setPolicy} />
      </details>
    </form>
  );
}
