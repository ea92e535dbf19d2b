import type { DocumentReplica } from "../../client/index.ts";
import { useBoardEvents } from "./use-board.ts";

/** What a person has to know before they go on drawing, if anything. */
export function Banner({ board }: { readonly board: DocumentReplica }) {
  useBoardEvents(board, ["status", "role", "document", "locks"]);
  const text = textFor(board);
  return (
    <p id="banner" className="banner" role="status" hidden={text === undefined}>
      {text}
    </p>
  );
}

function textFor(board: DocumentReplica): string | undefined {
  const { connection } = board;
  if (connection.state === "closed")
    return `This board was closed: ${connection.reason}. Reload to try again.`;
  if (connection.state === "reconnecting" || connection.state === "connecting") {
    return "You are offline. Go on: your edits are kept here and sent when the connection is back.";
  }
  if (board.documentMetadata?.state !== "active") return "This board is archived: nobody can change it.";
  const lock = board.locks.blocks(null);
  if (lock !== undefined && lock.element === null)
    return `${lock.user.name ?? lock.user.id} has locked this board for a while.`;
  if (board.role === "viewer") return "You can look at this board, but not change it.";
  return undefined;
}
