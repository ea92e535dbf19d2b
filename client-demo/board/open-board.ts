/** Opens a board's document for a page. */
import {
  type DocumentReplica,
  type DocumentRest,
  documentRest,
  indexedDbStorage,
  openDocument,
} from "../../client/index.ts";
import { type Account, TokenNeeded } from "../app/account.ts";
import { joinBoard } from "../app/join.ts";
import { CallError } from "../app/server-calls.ts";

/** An open board, and its history and files over REST. */
export interface OpenBoard {
  readonly board: DocumentReplica;
  readonly rest: DocumentRest;
  readonly token: () => Promise<string>;
}

/**
 * Resolves when the board is here, from the server or as this browser kept it. Fails as REST calls do.
 * @param joining where somebody asked for that already.
 */
export async function openBoard(
  account: Account,
  documentId: string,
  joining: Promise<void> = joinBoard(account, documentId),
): Promise<OpenBoard> {
  const token = (): Promise<string> => account.token();
  await joining.catch((error: unknown) => {
    // No server: what is kept here may still be edited.
    if (error instanceof CallError || error instanceof TokenNeeded) throw error;
  });
  const board = openDocument({
    url: location.origin,
    documentId,
    getToken: token,
    profile: { name: account.name },
    storage: indexedDbStorage(),
    // Where the first change wins, one that came second is not made again behind its author's back.
    onVersionConflict: "drop",
    ...(account.broughtToken ? {} : { user: account.userId }),
  });
  const rest = documentRest({ url: location.origin, documentId, getToken: token });
  try {
    // Whichever is first; a board that is not kept here has to come from the server.
    await Promise.race([board.ready, board.offlineReady.then((kept) => (kept ? undefined : board.ready))]);
    return { board, rest, token };
  } catch (error) {
    const { connection } = board;
    const code = connection.state === "closed" ? connection.code : undefined;
    if (code === 4401) throw new TokenNeeded(true);
    if (code === 4404 || code === 4403) throw new CallError(404, "no such board");
    throw error;
  }
}
