/**
 * What a board's page asks for while the rest of it is still on its way: the board itself. When the editor, most of what
 * is loaded, is here, the board is as well.
 */
import type { OpenBoard } from "../board/open-board.ts";
import { Account } from "./account.ts";
import { joinBoard } from "./join.ts";

/** Who this browser is. */
export const account = new Account();

let begun: { readonly documentId: string; readonly opening: Promise<OpenBoard> } | undefined;

/**
 * Begins to open a board. What fails is for whoever takes it.
 * @returns when its socket is about to be opened, or something failed.
 */
export function beginBoard(documentId: string): Promise<void> {
  const joining = joinBoard(account, documentId);
  const opening = import("../board/open-board.ts").then(({ openBoard }) =>
    openBoard(account, documentId, joining),
  );
  opening.catch(() => {});
  begun = { documentId, opening };
  return joining.catch(() => {});
}

/** The board that was begun with, once: whoever opens it again does it anew. */
export function takeBegun(documentId: string): Promise<OpenBoard> | undefined {
  const taken = begun?.documentId === documentId ? begun.opening : undefined;
  if (taken !== undefined) begun = undefined;
  return taken;
}
