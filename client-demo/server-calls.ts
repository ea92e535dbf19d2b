/** The few REST calls that the page makes. */

/** A call that the server refused. */
export class CallError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = "CallError";
    this.status = status;
  }
}

/**
 * A token for the shared guest of development mode: a board that one guest makes is then everybody's to edit who has
 * its link. Names and colours are each session's own. Fails with 404 where tokens are issued by somebody else.
 */
export async function guestToken(): Promise<string> {
  const { token } = await post<{ token: string }>("/v1/dev/token", undefined, { user: "guest" });
  return token;
}

/** Makes a board; its id. */
export async function createBoard(token: string, name: string): Promise<string> {
  const { id } = await post<{ id: string }>("/v1/documents", token, { name, type: "whiteboard" });
  return id;
}

async function post<Answer>(path: string, token: string | undefined, body: unknown): Promise<Answer> {
  const response = await fetch(path, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json().catch(() => ({}));
  if (response.ok) return answer as Answer;
  const { detail } = answer as { detail?: unknown };
  throw new CallError(
    response.status,
    typeof detail === "string" ? detail : `the server said ${response.status}`,
  );
}
