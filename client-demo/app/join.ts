import type { DocumentMetadata } from "../../client/index.ts";
import { type Account, everybody } from "./account.ts";
import { CallError, changeBoard, createBoard, getBoard } from "./server-calls.ts";

/** What people with the link may do with a new board. */
export type Sharing = "edit" | "view";

/** Makes a board; its id. */
export async function makeBoard(account: Account, name: string, sharing: Sharing): Promise<string> {
  const token = await account.token();
  if (account.broughtToken) return (await createBoard(token, { name, public: true, editors: [] })).id;
  const board = await createBoard(token, { name, public: true, editors: [account.userId] });
  // Whoever comes later lets themselves in: the board belongs to a user whom everybody may be.
  if (sharing === "edit") await changeBoard(token, board, { owner: everybody });
  return board.id;
}

/** How often somebody else may be faster at joining. */
const maxAttempts = 8;

/** Makes this user an editor of a board that everybody may edit; leaves other boards as they are. */
export async function joinBoard(account: Account, id: string): Promise<void> {
  const token = await account.token();
  if (account.broughtToken) return;
  const seen = await getBoard(token, id);
  if (seen.editors !== undefined || seen.owner !== everybody) return;
  const openToken = await account.token(everybody);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const board = await getBoard(openToken, id);
    try {
      await changeBoard(openToken, board, { editors: [...(board.editors ?? []), account.userId] });
      return;
    } catch (error) {
      if (!(error instanceof CallError && error.status === 412)) throw error;
    }
  }
}

/** Whether this person may archive a board and bring it back: its owner, or everybody. */
export function mayArchive(account: Account, { owner }: DocumentMetadata): boolean {
  return owner === account.userId || (owner === everybody && !account.broughtToken);
}

/** Archives a board, or brings it back. */
export async function archiveBoard(
  account: Account,
  id: string,
  state: "active" | "archived",
): Promise<void> {
  const own = await account.token();
  const { owner } = await getBoard(own, id);
  const token = owner === everybody && !account.broughtToken ? await account.token(everybody) : own;
  await changeBoard(token, await getBoard(token, id), { state });
}
