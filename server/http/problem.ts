/** Why a request is refused; what is sent of it: shared/protocol/problem.ts. */
import type { ProblemParts } from "../../shared/protocol/problem.ts";
import { type FieldProblem, problemText } from "../../shared/protocol/shape.ts";
import type { Refusal } from "../room/submission.ts";

/** Thrown by handlers to end a request with a problem document. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly parts: ProblemParts;
  constructor(parts: ProblemParts, options?: ErrorOptions) {
    super(parts.detail, options);
    this.parts = parts;
  }
}

export const notFound = (detail = "there is no such document, or you may not read it") =>
  new Problem({ code: "not_found", detail });

export const unauthenticated = (detail = "this needs a token: Authorization: Bearer …") =>
  new Problem({ code: "unauthenticated", detail });

/** A request whose shape is wrong. */
export const invalid = (errors: readonly FieldProblem[]) =>
  new Problem({
    code: "invalid",
    detail: errors.map(problemText).join("; "),
    errors,
  });

/** A body of a `Content-Type` that the route does not take; `expected` is what it takes. */
export const unsupportedMediaType = (expected: string) =>
  new Problem({ ...invalid([{ path: "Content-Type", message: `expected ${expected}` }]).parts, status: 415 });

export const cursorExpected = "expected the nextCursor of the page before";
export const unreadableCursor = () => invalid([{ path: "cursor", message: cursorExpected }]);

/** What a room refused. Where it says which field of the request is at fault, `errors` does. */
export function refused({
  code,
  message,
  details,
  version,
}: Refusal & { readonly version?: number }): Problem {
  const path = details?.path;
  if (code !== "invalid" || typeof path !== "string")
    return new Problem({ code, detail: message, details, version });
  return new Problem({ code, detail: problemText({ path, message }), errors: [{ path, message }], version });
}
