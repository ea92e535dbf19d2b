/** Why a database cannot be used, and what to change: docs/operations.md ("Cannot connect") has the same sentences. */
import { StoreUnavailable } from "../store/store.ts";
import { isConnectionLoss, isFailedConnect, sqlstateOf } from "./sqlstate.ts";

/** The database cannot be used as things are. The message names it, and where its address is set; never a password. */
export class AccessProblem extends Error {
  override readonly name = "AccessProblem";
}

/** What an error of the driver, Node.js or PostgreSQL says, and what is the matter then. The first that fits counts. */
export const accessHints: readonly { readonly says: RegExp; readonly hint: string }[] = [
  {
    says: /ECONNREFUSED/,
    hint: "nothing listens there: wrong host or port, listen_addresses, or a firewall that refuses",
  },
  {
    says: /timeout expired|due to connection timeout|ETIMEDOUT/,
    hint: "a firewall that drops packets, or a wrong address",
  },
  {
    says: /ENOTFOUND|EAI_AGAIN/,
    hint: "the database's host name does not resolve on this machine",
  },
  {
    says: /password authentication failed/,
    hint: "wrong user or password; in a URL, special characters have to be percent-encoded (@ is %40)",
  },
  { says: /client password must be/, hint: "PostgreSQL asks for a password, and none is configured" },
  {
    says: /no pg_hba\.conf entry/,
    hint: "PostgreSQL does not accept this address, user or TLS mode; with no encryption: set sslMode",
  },
  { says: /database ".*" does not exist/, hint: "create it, or correct the name" },
  { says: /permission denied for database/, hint: "the role has no CONNECT on it" },
  {
    says: /permission denied for schema/,
    hint: "the role neither owns the database nor has CREATE on the schema",
  },
  {
    says: /The server does not support SSL connections/,
    hint: "TLS is switched off in PostgreSQL: set sslMode: disable (in a URL sslmode=disable), or switch it on",
  },
  {
    says: /self-signed certificate|unable to verify the first certificate/,
    hint: "Node.js does not know the authority: set NODE_EXTRA_CA_CERTS, or sslrootcert in the URL",
  },
  {
    says: /does not match certificate's altnames/,
    hint: "connect with the name in the certificate",
  },
  {
    says: /too many (clients|connections)|remaining connection slots are reserved/,
    hint: "end some, lower store.postgres.maxOpenConns, or raise the limit (max_connections, or that of the role or database)",
  },
];

/**
 * The error of something that used a database as one for people. An error that is not about the way there, or about
 * rights, is returned unchanged. `place` names the database: `the database at HOST:PORT (SETTING)`.
 */
export function asAccessProblem(error: unknown, place: string): unknown {
  const root = error instanceof StoreUnavailable && error.cause !== undefined ? error.cause : error;
  if (!(root instanceof Error) || root instanceof StoreUnavailable) return error;
  const message = messageOf(root);
  const hint = accessHints.find(({ says }) => says.test(message))?.hint;
  const told = hint === undefined ? message : `${message}; ${hint}`;
  const problem = (text: string) => new AccessProblem(text, { cause: root });
  if (isFailedConnect(root)) return problem(`cannot connect to ${place}: ${told}`);
  if (isConnectionLoss(root)) return problem(`${place} does not answer any more: ${message}`);
  if (sqlstateOf(root) === "42501") return problem(`${place} refuses: ${told}`);
  return error;
}

/** In one line, and of every address of a name. */
function messageOf(error: Error): string {
  const isMany = error instanceof AggregateError && error.message === "";
  const text = isMany ? error.errors.map((each: Error) => each.message).join("; ") : error.message;
  return text.replaceAll("\n", " ");
}
