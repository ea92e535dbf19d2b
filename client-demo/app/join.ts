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
