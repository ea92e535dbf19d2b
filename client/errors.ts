import type { ErrorCode } from "../shared/protocol/codes.ts";

/** Why a change was refused on this side, before anything was shown or sent. */
export type ChangeErrorCode = Extract<
  ErrorCode,
  "invalid_operation" | "element_not_found" | "too_large" | "forbidden" | "not_active"
>;

/** Thrown inside `transact` when a change does not fit the document: nothing of the transaction is kept. */
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
