import type { DocumentMetadata } from "../../client/index.ts";
import { type Account, everybody } from "./account.ts";
import { CallError, changeBoard, createBoard, getBoard, type OwnerFields } from "./server-calls.ts";

/** What people with the link may do with a new board. */
export type Sharing = "edit" | "view";

export interface NewBoard {
  readonly name: string;
  readonly sharing: Sharing;
  readonly conflictPolicy: DocumentMetadata["conflictPolicy"];
}

/** Makes a board; its id. */
export async function makeBoard(
  account: Account,
  { name, sharing, conflictPolicy }: NewBoard,
): Promise<string> {
  const token = await account.token();
  const fields = { name, conflictPolicy, public: true };
  if (account.broughtToken) return (await createBoard(token, { ...fields, editors: [] })).id;
  const board = await createBoard(token, { ...fields, editors: [account.userId] });
  // Whoever comes later lets themselves in: the board belongs to a user whom everybody may be.
  if (sharing === "edit") await changeBoard(token, board, { owner: everybody });
  return board.id;
}

/** How often somebody else may be faster at joining. */
const maxAttempts = 8;

/**
 * Makes this user an editor of a board that everybody may edit; leaves other boards as they are. Fails only where no
 * token can be had: whether a board is there for this user, opening it tells.
 */
export async function joinBoard(account: Account, id: string): Promise<void> {
  // Its own is not needed here, but straight after.
  const [openToken] = await Promise.all([account.token(everybody), account.token()]);
  if (account.broughtToken) return;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    try {
      const board = await getBoard(openToken, id);
      const { owner, editors = [] } = board;
      if (owner !== everybody || editors.includes(account.userId)) return;
      await changeBoard(openToken, board, { editors: [...editors, account.userId] });
      return;
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (error.status === 412) continue;
      if (error.status < 500) return;
      throw error;
    }
  }
}

/**
 * Whether this person may change what only an owner may: the owner, or everybody. Who brought a token is known by
 * the server alone: by `role`.
 */
export function mayDecide(
  account: Account,
  { owner }: Pick<DocumentMetadata, "owner">,
  role?: string,
): boolean {
  if (role === "owner") return true;
  return owner === account.userId || (owner === everybody && !account.broughtToken);
}

/** Changes what only a board's owner may: archives it and brings it back, says what becomes of conflicts. */
export async function changeAsOwner(account: Account, id: string, fields: OwnerFields): Promise<void> {
  const own = await account.token();
  const { owner } = await getBoard(own, id);
  const token = owner === everybody && !account.broughtToken ? await account.token(everybody) : own;
  await changeBoard(token, await getBoard(token, id), fields);
}
