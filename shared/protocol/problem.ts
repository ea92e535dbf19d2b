/** Problem documents (RFC 9457): the one shape of every error answer of HTTP, of a refused upgrade too. */
import { type ErrorCode, errorCodes } from "./codes.ts";
import type { FieldProblem } from "./shape.ts";

/** What is said of a refusal; the rest of the document follows from the code. */
export interface ProblemParts {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly details?: { readonly [key: string]: unknown } | undefined;
  /** What is wrong with which field of the request. */
  readonly errors?: readonly FieldProblem[];
  /** Where the code's own status does not fit (405, 415, 426). */
  readonly status?: number;
  /** The document's current version. */
  readonly version?: number | undefined;
}

const titles: { readonly [status: number]: string } = {
  400: "The request is not valid",
  401: "A valid token is needed",
  403: "Not allowed",
  404: "Not found",
  405: "Not a method of this address",
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
