/** The page of one board: opens it, and shows it live until the page is left. */
import { useEffect, useState } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import type { Account } from "../app/account.ts";
import { BoardView } from "./board-view.tsx";
import { openBoard } from "./open-board.ts";

export default function BoardPage(props: {
  readonly account: Account;
  readonly documentId: string;
  onFailure(error: unknown): void;
}) {
  const { account, documentId, onFailure } = props;
  const [board, setBoard] = useState<DocumentReplica>();
  const [name, setName] = useState(account.name);

  // A name belongs to a session: with another one, the board is opened anew.
  useEffect(() => {
    let left = false;
    let opened: DocumentReplica | undefined;
    account.name = name;
    openBoard(account, documentId)
      .then((next) => {
        opened = next;
        if (left) void next.close();
        else setBoard(next);
      })
      .catch((error: unknown) => left || onFailure(error));
    return () => {
      left = true;
      void opened?.whenSettled().finally(() => opened?.close());
    };
  }, [account, documentId, name, onFailure]);

  if (board === undefined) return <p className="loading">Opening the board …</p>;
  return <BoardView key={board.clientId} board={board} name={name} onName={setName} />;
}
