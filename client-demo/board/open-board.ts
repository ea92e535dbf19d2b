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
  /** Resolves when only a token that this person brings lets the board go on. */
  readonly tokenNeeded: Promise<TokenNeeded>;
}

/** A connection waits so long for joining. */
const joinFirstMs = 5_000;

/**
 * Resolves when the board is here, from the server or as this browser kept it. Fails as REST calls do.
 * @param joining where somebody asked for that already.
 */
export async function openBoard(
  account: Account,
  documentId: string,
  joining: Promise<void> = joinBoard(account, documentId),
): Promise<OpenBoard> {
  let need: (error: TokenNeeded) => void = () => {};
  const tokenNeeded = new Promise<TokenNeeded>((resolve) => {
    need = resolve;
  });
  const failed = joining.then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof TokenNeeded) need(error);
      return error;
    },
  );
  const token = (): Promise<string> => account.token();
  // Whoever connects before they have joined is a viewer at first. What is kept here does not wait for that, or a server
  // that hangs would keep it from its owner.
  const joined = atMost(joinFirstMs, failed);
  const board = openDocument({
    url: location.origin,
    documentId,
    getToken: async () => {
      await joined;
      return token();
    },
    profile: { name: account.name },
    storage: indexedDbStorage(),
    // Where the first change wins, one that came second is not made again behind its author's back.
    onVersionConflict: "drop",
    ...(account.broughtToken ? {} : { user: account.userId }),
  });
  board.on("status", (connection) => {
    const isRefused = connection.state === "closed" && connection.code === 4401;
    // Tokens of development mode are given anew with the page.
    if (isRefused && account.broughtToken) need(new TokenNeeded(true));
  });
  try {
    // A board that is not kept here has to come from the server.
    if (!(await board.offlineReady)) await Promise.race([board.ready, refusalIn(failed)]);
  } catch (error) {
    const { connection } = board;
    void board.close();
    const code = connection.state === "closed" ? connection.code : undefined;
    if (code === 4401) throw new TokenNeeded(true);
    if (code === 4404 || code === 4403) throw new CallError(404, "no such board");
    throw error;
  }
  // Now its client id stays: what this replica has locked, it may restore.
  const { clientId } = board;
  const rest = documentRest({ url: location.origin, documentId, getToken: token, clientId });
  return { board, rest, token, tokenNeeded };
}

/** Rejects where the server's answer was no; an unreachable one may answer yet. */
async function refusalIn(failed: Promise<unknown>): Promise<void> {
  const error = await failed;
  if (error instanceof CallError || error instanceof TokenNeeded) throw error;
  await new Promise(() => {});
}

function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
