import type { DocumentReplica } from "../../client/index.ts";
import { useOnline } from "../app/use-online.ts";
import { useBoardEvents } from "./use-board.ts";

/** What a person has to know before they go on drawing, if anything. */
export function Banner({ board }: { readonly board: DocumentReplica }) {
  useBoardEvents(board, ["status", "role", "document", "locks"]);
  const text = textFor(board, useOnline());
  return (
    <p id="banner" className="banner" role="status" hidden={text === undefined}>
      {text}
    </p>
  );
}

/** By close code. */
const closedTexts: ReadonlyMap<number, string> = new Map([
  [4403, "You may not see this board any more."],
  [4410, "This board was deleted. Your other boards are still there."],
]);

function textFor(board: DocumentReplica, online: boolean): string | undefined {
  const { connection } = board;
  if (connection.state === "closed")
    return (
      closedTexts.get(connection.code ?? 0) ??
      `This board was closed: ${connection.reason}. Reload to try again.`
    );
  const begins = connection.state === "connecting" && connection.attempt === 0;
  if (connection.state === "reconnecting" || connection.state === "connecting") {
    if (!online)
      return "You are offline. Go on: your edits are kept here and sent when the connection is back.";
    if (!begins)
      return "The server cannot be reached. Go on: your edits are kept here and sent when it is back.";
  }
  if (board.documentMetadata?.state !== "active") return "This board is archived: nobody can change it.";
  const lock = board.locks.blocks(null);
  if (lock !== undefined && lock.element === null && lock.user.id === board.user?.id)
    return "You have locked this board in another window.";
  if (lock !== undefined && lock.element === null)
    return `${lock.user.name ?? lock.user.id} has locked this board for a while.`;
  if (board.role === "viewer") return "You can look at this board, but not change it.";
  return undefined;
}
