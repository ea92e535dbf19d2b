/**
 * What an error of PostgreSQL, or of the way to it, means for whoever asked. One table decides; nothing else in the
 * server looks at SQLSTATE to retry.
 */
import { SchemaOutdated, StoreUnavailable } from "../store/store.ts";

interface Meaning {
  readonly name: string;
  /** `again`: repeat on any connection. `fresh`: repeat on a new connection, this one's session is stale. */
  readonly retry: "again" | "fresh";
  /** Base of the back-off before the next attempt. Races end soon; a full disk or a restart takes a while. */
  readonly backoffMs: number;
}

const retryable: Readonly<Record<string, Meaning>> = {
  "40001": { name: "serialization_failure", retry: "again", backoffMs: 20 },
  "40P01": { name: "deadlock_detected", retry: "again", backoffMs: 20 },
  "55P03": { name: "lock_not_available", retry: "again", backoffMs: 100 },
  "57014": { name: "query_canceled", retry: "again", backoffMs: 200 },
  "53100": { name: "disk_full", retry: "again", backoffMs: 1_000 },
  "53200": { name: "out_of_memory", retry: "again", backoffMs: 1_000 },
  "53300": { name: "too_many_connections", retry: "fresh", backoffMs: 300 },
  "57P01": { name: "admin_shutdown", retry: "fresh", backoffMs: 300 },
  "57P02": { name: "crash_shutdown", retry: "fresh", backoffMs: 300 },
  "57P03": { name: "starting up or shutting down", retry: "fresh", backoffMs: 300 },
  // The server ends the session, and with it the transaction: nothing of it happened.
  "25P03": { name: "idle_in_transaction_session_timeout", retry: "fresh", backoffMs: 100 },
  "25P04": { name: "transaction_timeout", retry: "fresh", backoffMs: 100 },
  // Refused at the door: a password that is being changed, a role or database that is closed for a moment.
  "28000": { name: "invalid_authorization_specification", retry: "fresh", backoffMs: 1_000 },
  "28P01": { name: "invalid_password", retry: "fresh", backoffMs: 1_000 },
  "55000": { name: "object_not_in_prerequisite_state", retry: "fresh", backoffMs: 1_000 },
  // A migration or a failover beneath a session with named statements.
  "0A000": {
    name: "feature_not_supported (cached plan must not change result type)",
    retry: "fresh",
    backoffMs: 0,
  },
  "26000": { name: "invalid_sql_statement_name", retry: "fresh", backoffMs: 0 },
  "25006": { name: "read_only_sql_transaction (connected to a standby)", retry: "fresh", backoffMs: 300 },
};

/** undefined_table, undefined_column, undefined_function: what a migration that has not run yet would bring. */
const unknownNames = new Set(["42P01", "42703", "42883"]);

/** Connection exceptions: the session is gone, and whether the last statement happened is unknown. */
const lostConnection: Meaning = { name: "connection lost", retry: "fresh", backoffMs: 100 };
const noConnection: Meaning = { ...lostConnection, name: "cannot connect" };

const socketCodes = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"],
  ...["ENETDOWN", "EHOSTDOWN", "ENOTFOUND", "EAI_AGAIN", "EADDRNOTAVAIL", "EMFILE", "ENFILE"],
]);

/** pg reports a broken or silent connection as a plain Error; only its text tells (pg 8.23, pg-pool 3.14). */
const driverTexts = [
  "Connection terminated",
  "timeout exceeded when trying to connect",
  "timeout expired",
  "Query read timeout",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "Client was closed",
];

/** The five-character SQLSTATE of an error, if PostgreSQL sent it. */
export function sqlstateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** How to go on after an error: undefined when asking again cannot help. */
export function retryMeaning(error: unknown): Meaning | undefined {
  const code = sqlstateOf(error);
  if (code !== undefined && code in retryable) return retryable[code];
  if (isConnectionLoss(error)) return isFailedConnect(error) ? noConnection : lostConnection;
  return undefined;
}

/** True when the session is gone: what was in flight may have happened or not. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return error.cause === undefined || isConnectionLoss(error.cause);
  if (error instanceof AggregateError) return error.errors.some(isConnectionLoss); // localhost: ::1 and 127.0.0.1
  const code = sqlstateOf(error);
  if (code !== undefined && (code.startsWith("08") || code.startsWith("57P"))) return true;
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && socketCodes.has(error.code)) return true;
  return driverTexts.some((text) => error.message.startsWith(text));
}

/** PostgreSQL ends a connection with one of these before it begins; 57P01 and others come later. */
const refusals = /^(28|3D000$|53300$|57P03$|55000$|42501$|08)/;

/** True when there never was a connection. */
export function isFailedConnect(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isFailedConnect); // localhost: ::1 and 127.0.0.1
  if (!(error instanceof Error)) return false;
  if ("syscall" in error && (error.syscall === "connect" || error.syscall === "getaddrinfo")) return true;
  if ("severity" in error && error.severity === "FATAL") return refusals.test(sqlstateOf(error) ?? "");
  const code = "code" in error ? String(error.code) : "";
  return (
    /CERT|SIGNATURE|^ERR_TLS|^ERR_SSL/.test(code) ||
    error.message === "The server does not support SSL connections" ||
    /^timeout expired|due to connection timeout$/.test(error.message) ||
    error.message.startsWith("SASL: ")
  );
}

/** True when nothing came back in time: the connection may be one of many that a firewall forgot. */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Query read timeout");
}

/** True when a connection must not be used again after this error. */
export function needsNewConnection(error: unknown): boolean {
  return retryMeaning(error)?.retry === "fresh";
}

/**
 * The error as the store's callers know it: an outage as `StoreUnavailable` with its cause, anything else unchanged.
 * Its message carries no connection string and no value.
 */
export function asStoreError(error: unknown): unknown {
  if (error instanceof StoreUnavailable) return error;
  if (unknownNames.has(sqlstateOf(error) ?? "")) {
    const message = "the database's schema is not up to date; run npx aetherflow migrate up";
    return new SchemaOutdated(message, { cause: error });
  }
  const meaning = retryMeaning(error);
  if (meaning === undefined) return error;
  return new StoreUnavailable(`the database is unavailable: ${meaning.name}`, { cause: error });
}
