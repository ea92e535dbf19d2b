/** Opens a board's document for a page. */
import { type DocumentReplica, openDocument } from "../../client/index.ts";
import { type Account, randomPart, TokenNeeded } from "../app/account.ts";
import { joinBoard } from "../app/join.ts";
import { CallError } from "../app/server-calls.ts";

/** Resolves when everything is here. Fails as REST calls do. */
export async function openBoard(account: Account, documentId: string): Promise<DocumentReplica> {
  await joinBoard(account, documentId);
  const board = openDocument({
    url: location.origin,
    documentId,
    // A page load is a replica of its own: a duplicated tab must not share its id.
    clientId: randomPart(),
    getToken: () => account.token(),
    profile: { name: account.name },
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
