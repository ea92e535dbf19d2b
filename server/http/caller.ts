/** Who calls: every route under `/v1` knows, before it looks at anything else of the request. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Role } from "../../shared/protocol/messages.ts";
import type { Identity } from "../access/identity.ts";
import { includesRole, roleOf } from "../access/roles.ts";
import type { Refusal } from "../room/submission.ts";
import type { DocumentRecord, Origin } from "../store/store.ts";
import { notFound, Problem, unauthenticated } from "./problem.ts";
import type { CallerServices, HttpServices } from "./services.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Undefined: no token came with the request. */
    identity: Identity | undefined;
  }
  interface FastifyContextConfig {
    /** Whether a token must come; otherwise the route decides by what is asked for. */
    needsToken?: boolean;
  }
}

/** Verifies tokens and counts requests, in this order: a user's requests count together from wherever they come. */
export function identifyCallers(app: FastifyInstance, { tokens, requests }: CallerServices): void {
  app.decorateRequest("identity", undefined);
  app.addHook("onRequest", async (request) => {
    const header = request.headers.authorization;
    const verified = header === undefined ? undefined : await tokens.verify(tokenOf(header));
    if (verified?.ok) request.identity = verified.identity;
    const userId = request.identity?.userId;
    const taken = requests.take(userId === undefined ? `address ${request.ip}` : `user ${userId}`);
    if (!taken.ok) {
      const details = { limit: "requestsPerSecond", retryAfterMs: taken.retryAfterMs };
      throw new Problem({ code: "rate_limited", detail: "too many requests", details });
    }
    if (verified !== undefined && !verified.ok) {
      if (verified.reason === "unavailable")
        throw new Problem({ code: "unavailable", detail: verified.message });
      throw unauthenticated(verified.message);
    }
    if (request.routeOptions.config.needsToken === true && request.identity === undefined)
      throw unauthenticated();
  });
}

function tokenOf(header: string): string {
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  if (token === undefined) throw unauthenticated("expected Authorization: Bearer …");
  return token;
}

/** The caller of a route that needs a token. */
export function callerOf(request: FastifyRequest): Identity {
  if (request.identity === undefined) throw unauthenticated();
  return request.identity;
}

/** What somebody may not know of is answered like what does not exist. */
export const absentFor = (identity: Identity | undefined): Problem =>
  identity === undefined ? unauthenticated() : notFound();

/** A document that the caller may at least read, with the caller's role. `deleted`: also one that is deleted, for its owner. */
export async function documentFor(
  services: Pick<HttpServices, "store">,
  docId: string,
  identity: Identity | undefined,
  options: { readonly deleted?: boolean } = {},
): Promise<{ readonly document: DocumentRecord; readonly role: Role }> {
  const document = await services.store.documents.get(docId);
  const role = document === undefined ? undefined : roleOf(document, identity);
  if (document === undefined || role === undefined) throw absentFor(identity);
  if (document.state === "deleted" && !(options.deleted === true && role === "owner"))
    throw absentFor(identity);
  return { document, role };
}

/** Refuses a caller whose role does not include the needed one. */
export function requireRole(role: Role, needed: Role): void {
  if (!includesRole(role, needed))
    throw new Problem({ code: "forbidden", detail: `this needs the role ${needed}` });
}

/** Why an identity may not edit a document as it is now: its role first, then the document's state. */
export function editRefusal(document: DocumentRecord, identity: Identity): Refusal | undefined {
  const role = roleOf(document, identity);
  if (role === undefined || (document.state === "deleted" && role !== "owner")) {
    return { code: "not_found", message: "there is no such document, or you may not read it" };
  }
  if (!includesRole(role, "editor")) return { code: "forbidden", message: "this needs the role editor" };
  if (document.state !== "active")
    return { code: "not_active", message: `the document is ${document.state}` };
  return undefined;
}

const maxUserAgent = 1_000;

/**
 * The author of a REST edit: the caller and `clientId` (or `rest`), in a session of its own for this request.
 * `composed`: the server makes the operations, so it is their client; the caller's locks still count.
 */
export function originOf(
  request: FastifyRequest,
  identity: Identity,
  session: string,
  clientId: string | undefined,
  composed: boolean,
): Origin {
  const client = clientId ?? "rest";
  const userAgent = request.headers["user-agent"];
  return {
    user: identity.userId,
    session,
    ...(composed ? { client: "server", lockClient: client } : { client }),
    ip: request.ip,
    ...(userAgent === undefined ? {} : { userAgent: userAgent.slice(0, maxUserAgent) }),
  };
}
