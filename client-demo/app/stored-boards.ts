/** Boards that were opened in this browser, the last one first: what is stored of them opens without a server as well. */
import { keep, recallList } from "./browser-storage.ts";

export interface StoredBoard {
  readonly id: string;
  readonly name: string;
}

const key = "aetherflow.boards";
const mostKept = 24;

export function storedBoards(): readonly StoredBoard[] {
  return recallList(key) as readonly StoredBoard[];
}

/** Remembers a board that is open now. */
export function rememberBoard({ id, name }: StoredBoard): void {
  const others = storedBoards().filter((board) => board.id !== id);
  keep(key, JSON.stringify([{ id, name }, ...others].slice(0, mostKept)));
}
