/** Problem documents (RFC 9457): the one shape of every error answer. */
import { type ErrorCode, errorCodes } from "../../shared/protocol/codes.ts";
import { type FieldProblem, problemText } from "../../shared/protocol/shape.ts";
import type { Refusal } from "../room/submission.ts";

export interface ProblemParts {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly details?: { readonly [key: string]: unknown } | undefined;
  /** What is wrong with which field of the request. */
  readonly errors?: readonly FieldProblem[];
  /** Where the code's own status does not fit (415, 426). */
  readonly status?: number;
  /** The document's current version. */
  readonly version?: number | undefined;
}

/** Thrown by handlers to end a request with a problem document. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly parts: ProblemParts;
  constructor(parts: ProblemParts, options?: ErrorOptions) {
    super(parts.detail, options);
    this.parts = parts;
  }
}

const titles: { readonly [status: number]: string } = {
  400: "The request is not valid",
  401: "A valid token is needed",
  403: "Not allowed",
  404: "Not found",
  409: "In conflict with the present state",
  410: "No longer available",
  412: "The precondition does not hold",
  413: "Too large",
  415: "Unsupported media type",
  422: "The operation cannot be applied",
  423: "Locked",
  426: "A WebSocket is needed",
  428: "A precondition is required",
  429: "Too many requests",
  500: "Internal error",
  503: "Temporarily unavailable",
};

/** The body, status and headers of a problem. */
export function problemAnswer(parts: ProblemParts): {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: { readonly [name: string]: unknown };
} {
  const status = parts.status ?? errorCodes[parts.code].http;
  const retryAfterMs = parts.details?.retryAfterMs;
  const headers: Record<string, string> = { "content-type": "application/problem+json; charset=utf-8" };
  if (status === 401) headers["www-authenticate"] = "Bearer";
  if (typeof retryAfterMs === "number")
    headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  else if (status === 503) headers["retry-after"] = "1";
  return {
    status,
    headers,
    body: {
      type: `urn:aetherflow:problem:${parts.code}`,
      title: titles[status] ?? "Error",
      status,
      detail: parts.detail,
      code: parts.code,
      ...(parts.details === undefined ? {} : { details: parts.details }),
      ...(parts.errors === undefined ? {} : { errors: parts.errors }),
      ...(parts.version === undefined ? {} : { version: parts.version }),
    },
  };
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
