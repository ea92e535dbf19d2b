import { useEffect, useRef, useState } from "react";
import type { DocumentMetadata, Properties } from "../../client/index.ts";
import type { Account } from "../app/account.ts";
import { getContent } from "../app/server-calls.ts";
import { ago } from "../app/time.ts";
import { useHandOnFocus } from "../app/use-hand-on-focus.ts";
import { Thumbnail } from "./thumbnail.tsx";

const focusSearch = (): void => document.querySelector<HTMLElement>(".shelf input")?.focus();

/** One board of the gallery: its picture is fetched when it comes into sight. */
export function BoardCard(props: {
  readonly board: DocumentMetadata;
  readonly account: Account;
  /** Undefined: this person may not. */
  readonly onArchive: (() => void) | undefined;
}) {
  const { board, account, onArchive } = props;
  const [elements, setElements] = useState<Readonly<Record<string, Properties>>>();
  const card = useRef<HTMLLIElement>(null);
  useHandOnFocus(card, focusSearch);
  useEffect(() => {
    const node = card.current;
    if (node === null || board.version === 0) return undefined;
    const watcher = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting !== true) return;
      watcher.disconnect();
      // A card without a picture is still a card.
      account
        .token()
        .then((token) => getContent(token, board.id))
        .then((content) => setElements(content.elements))
        .catch(() => {});
    });
    watcher.observe(node);
    return () => watcher.disconnect();
  }, [account, board.id, board.version]);
  const here = board.activeUsers.length;
  const archived = board.state === "archived";
  const count = elements === undefined ? 0 : Object.keys(elements).length;
  return (
    <li ref={card} className="card">
      <a href={`/?doc=${encodeURIComponent(board.id)}`}>
        <span className="picture">
          {elements === undefined ? null : <Thumbnail elements={elements} />}
          {(board.version === 0 || (elements !== undefined && count === 0)) && (
            <span className="quiet">Nothing drawn yet</span>
          )}
        </span>
        <strong title={board.name}>{board.name}</strong>
        <span className="quiet">
          {here > 0 && (
            <span className="here">{here === 1 ? "1 person here" : `${here} people here`} · </span>
          )}
          changed {ago(board.updatedAt)}
        </span>
      </a>
      {onArchive !== undefined && (
        <button
          type="button"
          className="small"
          aria-label={`${archived ? "Bring back" : "Archive"} ${board.name}`}
          onClick={onArchive}
        >
          {archived ? "Bring back" : "Archive"}
        </button>
      )}
    </li>
  );
}
