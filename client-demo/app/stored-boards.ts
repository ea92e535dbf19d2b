/** Boards that were opened in this browser, the last one first: what is stored of them opens without a server as well. */
export interface StoredBoard {
  readonly id: string;
  readonly name: string;
}

const key = "aetherflow.boards";
const mostKept = 24;

export function storedBoards(): readonly StoredBoard[] {
  try {
    const boards: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(boards) ? (boards as StoredBoard[]) : [];
  } catch {
    return []; // Storage is forbidden here.
  }
}

/** Remembers a board that is open now. */
export function rememberBoard({ id, name }: StoredBoard): void {
  try {
    const others = storedBoards().filter((board) => board.id !== id);
    localStorage.setItem(key, JSON.stringify([{ id, name }, ...others].slice(0, mostKept)));
  } catch {
    // As above.
  }
}
