/** Locks of a document: which there are, take or renew one, release one. */
import { z } from "zod";
import { isUuid } from "../../shared/document/identifier.ts";
import type { Identity } from "../access/identity.ts";
import { roleOf } from "../access/roles.ts";
import type { LockCaller } from "../room/lock-requests.ts";
import { callerOf, documentFor, editRefusal, originOf } from "./caller.ts";
import { notFound, Problem, unreadableCursor } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import { lockSchema, pageOf, pageSchema, postLockSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });
/** Where a page of locks begins: after this token. */
function tokenIn(cursor = "0"): number {
  const token = /^\d{1,16}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(token)) throw unreadableCursor();
  return token;
}

const noLock = () => notFound("there is no such lock, or it has ended");

export function lockRoutes(app: App, services: HttpServices): void {
  const { edits, newId, config } = services;
  const rights = (caller: Identity): Omit<LockCaller, "origin"> => ({
    authorise: (document) => editRefusal(document, caller),
    isOwner: (document) => roleOf(document, caller) === "owner",
  });

  app.get(
    "/documents/:docId/locks",
    {
      schema: {
        summary: "Active locks, the oldest first",
        tags: ["locks"],
        params,
        querystring: pageSchema,
        response: answers({ 200: pageOf(lockSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      // By token, which grows: what ends shifts nothing from one page to another.
      const after = tokenIn(query.cursor);
      const rest = (await edits.locks(docId)).filter(({ token }) => token > after);
      const items = rest.slice(0, query.limit);
      const last = items.at(-1)?.token;
      return reply.send({
        items,
        nextCursor: rest.length > items.length && last !== undefined ? String(last) : null,
      });
    },
  );

  app.post(
    "/documents/:docId/locks",
    {
      config: { needsToken: true },
      schema: {
        summary: "Lock an element or the document, or renew one's own lock",
        description:
          "The holder is the author: the caller and `clientId`. 423 while somebody else's lock stands.",
        tags: ["locks"],
        params,
        body: postLockSchema,
        response: answers({ 200: lockSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { clientId, element = null, ttlMs = config.manager.lockTimeoutMs } = request.body;
      await documentFor(services, docId, caller);
      const answer = await edits.takeLock(docId, {
        ...rights(caller),
        origin: originOf(request, caller, newId(), clientId, false),
        element,
        ttlMs,
        renewOnly: false,
        maxPerAuthor: config.limits.locksPerAuthor,
      });
      if (!answer.ok) throw new Problem({ ...answer, detail: answer.message });
      const { lock } = answer;
      if (lock === undefined) return reply.send(lock);
      // Rooms know names from sessions, and who calls may have none.
      const { name = caller.name } = lock.user;
      return reply.send({ ...lock, user: { id: lock.user.id, ...(name === undefined ? {} : { name }) } });
    },
  );

  app.delete(
    "/documents/:docId/locks/:lockId",
    {
      config: { needsToken: true },
      schema: {
        summary: "Release one's own lock, from whichever client; owners: anybody's",
        tags: ["locks"],
        params: params.extend({ lockId: z.string().meta({ format: "uuid" }) }),
        response: answers({ 204: z.null() }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { lockId } = request.params;
      await documentFor(services, docId, caller);
      if (!isUuid(lockId)) throw noLock();
      const answer = await edits.releaseLock(docId, {
        ...rights(caller),
        origin: originOf(request, caller, newId(), undefined, false),
        which: { lockId },
      });
      if (!answer.ok && answer.code === "not_held") throw noLock();
      if (!answer.ok) throw new Problem({ ...answer, detail: answer.message });
      return reply.code(204).send(null);
    },
  );
}
