/** The few REST calls that the page makes. */
import type { DocumentMetadata, Properties } from "../../client/index.ts";

/** A call that the server refused. */
export class CallError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = "CallError";
    this.status = status;
  }
}

/** Boards, the newest first. */
export interface BoardPage {
  readonly items: readonly DocumentMetadata[];
  readonly nextCursor: string | null;
}

/** A token of development mode. Fails with 404 where tokens are issued by somebody else. */
export function devToken(user: string): Promise<{ readonly token: string }> {
  return call("POST", "/dev/token", undefined, { user });
}

/** What the caller may read, by name when something is searched. */
export function listBoards(
  token: string,
  {
    state,
    search,
    cursor,
  }: { readonly state: "active" | "archived"; readonly search?: string; readonly cursor?: string },
): Promise<BoardPage> {
  const query = new URLSearchParams({ type: "whiteboard", limit: "24", state });
  if (search) query.set("q", search);
  if (cursor !== undefined) query.set("cursor", cursor);
  return call("GET", `/documents?${query}`, token);
}

export function createBoard(
  token: string,
  fields: {
    readonly name: string;
    readonly public: boolean;
    readonly editors: readonly string[];
    readonly conflictPolicy: DocumentMetadata["conflictPolicy"];
  },
): Promise<DocumentMetadata> {
  return call("POST", "/documents", token, { ...fields, type: "whiteboard" });
}

export function getBoard(token: string, id: string): Promise<DocumentMetadata> {
  return call("GET", `/documents/${encodeURIComponent(id)}`, token);
}

/** A board's elements at its newest version. */
export function getContent(
  token: string,
  id: string,
): Promise<{ readonly version: number; readonly elements: Readonly<Record<string, Properties>> }> {
  return call("GET", `/documents/${encodeURIComponent(id)}/content`, token);
}

/** What an owner may change of a board. */
export interface OwnerFields {
  readonly owner?: string;
  readonly editors?: readonly string[];
  readonly name?: string;
  readonly state?: "active" | "archived";
  readonly conflictPolicy?: DocumentMetadata["conflictPolicy"];
}

/** Changes what only an owner may; fails with 412 when somebody else changed the board's metadata since. */
export function changeBoard(
  token: string,
  board: DocumentMetadata,
  fields: OwnerFields,
): Promise<DocumentMetadata> {
  return call("PATCH", `/documents/${encodeURIComponent(board.id)}`, token, fields, {
    "if-match": `"${board.metadataVersion}"`,
  });
}

async function call<Answer>(
  method: string,
  path: string,
  token: string | undefined,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`/v1${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new Error("The server cannot be reached.", { cause });
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as Answer;
  const { detail } = answer as { detail?: unknown };
  throw new CallError(
    response.status,
    typeof detail === "string" ? detail : `the server said ${response.status}`,
  );
}
