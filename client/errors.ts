import type { ErrorCode } from "../shared/protocol/codes.ts";
import type { ConflictInfo, LockInfo } from "../shared/protocol/messages.ts";

/** Why a change was refused on this side, before anything was shown or sent. */
export type ChangeErrorCode = Extract<
  ErrorCode,
  "invalid" | "invalid_operation" | "element_not_found" | "too_large" | "forbidden" | "not_active"
>;

/**
 * Thrown inside `transact` when a change does not fit the document: nothing of the transaction is kept. Also for a
 * presence that cannot be shown (`invalid`, `too_large`).
 */
export class ChangeError extends Error {
  readonly code: ChangeErrorCode;
  /** The place within the operation, as in `set.x`; empty for the operation itself. */
  readonly path: string;

  constructor(code: ChangeErrorCode, message: string, path = "") {
    super(path === "" ? message : `${message} (at ${path})`);
    this.name = "ChangeError";
    this.code = code;
    this.path = path;
  }
}

/** The connection ended for good; `code` is the WebSocket close code where the server gave one. */
export class ConnectionClosedError extends Error {
  readonly code: number | undefined;

  constructor(reason: string, code?: number) {
    super(code === undefined ? reason : `${reason} (${code})`);
    this.name = "ConnectionClosedError";
    this.code = code;
  }
}

/** Why a request failed: the server's code, or one of this side. */
export type RequestErrorCode = ErrorCode | "timeout" | "disconnected" | "closed";

/** A request (a lock, a resolution) was refused, or not answered. */
export class RequestError extends Error {
  readonly code: RequestErrorCode;
  readonly details: { readonly [key: string]: unknown } | undefined;
  /** It was sent more than once, so an earlier copy may have been carried out. */
  readonly repeated: boolean;

  constructor(
    code: RequestErrorCode,
    message: string,
    details?: { readonly [key: string]: unknown },
    repeated = false,
  ) {
    super(message);
    this.name = "RequestError";
    this.code = code;
    this.details = details;
    this.repeated = repeated;
  }
}

/** Another author holds a lock that stands in the way. */
export class LockHeldError extends RequestError {
  readonly lock: LockInfo;

  constructor(message: string, lock: LockInfo) {
    super("locked", message, { lock });
    this.name = "LockHeldError";
    this.lock = lock;
  }
}

/** Somebody else was faster; `conflict` is the record as it was resolved, where the server told it. */
export class AlreadyResolvedError extends RequestError {
  readonly conflict: ConflictInfo | undefined;

  constructor(message: string, conflict: ConflictInfo | undefined) {
    super("already_resolved", message, conflict === undefined ? undefined : { conflict });
    this.name = "AlreadyResolvedError";
    this.conflict = conflict;
  }
}

/** Whatever was thrown, as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
