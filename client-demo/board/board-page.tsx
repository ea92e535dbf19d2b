/** The page of one board: opens it, and shows it live until the page is left. */
import { lazy, Suspense, useEffect, useState } from "react";
import type { Account } from "../app/account.ts";
import { takeBegun } from "../app/beginning.ts";
import { type OpenBoard, openBoard } from "./open-board.ts";

const loadView = () => import("./board-view.tsx");
// The gallery needs no editor; on a board's page it is fetched while the board is opened.
const BoardView = lazy(async () => ({ default: (await loadView()).BoardView }));

export function BoardPage(props: {
  readonly account: Account;
  readonly documentId: string;
  onFailure(error: unknown): void;
}) {
  const { account, documentId, onFailure } = props;
  const [shown, setShown] = useState<{ readonly opened: OpenBoard; readonly opening: number }>();
  const [name, setName] = useState(account.name);

  // A name belongs to a session: with another one, the board is opened anew.
  useEffect(() => {
    let left = false;
    loadView().catch(() => {}); // Tried again when it is rendered.
    let mine: OpenBoard | undefined;
    account.name = name;
    (takeBegun(documentId) ?? openBoard(account, documentId))
      .then((next) => {
        mine = next;
        void next.tokenNeeded.then((error) => left || onFailure(error));
        if (left) void next.board.close();
        else setShown((last) => ({ opened: next, opening: (last?.opening ?? 0) + 1 }));
      })
      .catch((error: unknown) => left || onFailure(error));
    return () => {
      left = true;
      // What is not acknowledged is kept, and sent by the next that opens the board.
      void mine?.board.close();
    };
  }, [account, documentId, name, onFailure]);

  const loading = <p className="loading">Opening the board …</p>;
  if (shown === undefined) return loading;
  const { opened, opening } = shown;
  return (
    <Suspense fallback={loading}>
      {/* Anew for each opening, which may continue under the same client id: an editor belongs to one replica. */}
      <BoardView key={opening} account={account} opened={opened} name={name} onName={setName} />
    </Suspense>
  );
}
