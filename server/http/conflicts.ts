/** Conflict records: list, read with their operations, resolve. */
import { z } from "zod";
import { resolveChoiceSchema } from "../../shared/protocol/read.ts";
import { conflictInfo } from "../room/conflicts.ts";
import { decodeSequenced } from "../room/wire.ts";
import { callerOf, documentFor, editRefusal, originOf } from "./caller.ts";
import { notFound, refused } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import {
  clientIdSchema,
  conflictSchema,
  conflictWithOperationsSchema,
  docIdSchema,
  pageOf,
  pageSchema,
  versionSchema,
} from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });
const conflictParams = params.extend({ conflictId: z.string().meta({ format: "uuid" }) });

export function conflictRoutes(app: App, services: HttpServices): void {
  const { store, edits, newId } = services;

  app.get(
    "/documents/:docId/conflicts",
    {
      schema: {
        summary: "Conflict records, oldest first",
        tags: ["conflicts"],
        params,
        querystring: pageSchema.extend({ state: z.enum(["unresolved", "resolved"]).optional() }),
        response: answers({ 200: pageOf(conflictSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const { limit, cursor, state } = query;
      const page = await store.conflicts.list(docId, state, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      return reply.send({ items: page.items.map(conflictInfo), nextCursor: page.nextCursor });
    },
  );

  app.get(
    "/documents/:docId/conflicts/:conflictId",
    {
      schema: {
        summary: "A conflict record with its operations",
        tags: ["conflicts"],
        params: conflictParams,
        response: answers({ 200: conflictWithOperationsSchema }),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const found = await store.conflicts.get(docId, conflictIdOf(request.params));
      if (found === undefined) throw noConflict();
      const { conflict, operations } = found;
      return reply.send({ ...conflictInfo(conflict), operations: operations.map(decodeSequenced) });
    },
  );

  app.post(
    "/documents/:docId/conflicts/:conflictId/resolve",
    {
      config: { needsToken: true },
      schema: {
        summary: "Choose what a conflict comes to (editors)",
        description:
          "`current`: what stands; `incoming`: what was held back; an object: these values. " +
          "What was held back after `base` moves to a new record.",
        tags: ["conflicts"],
        params: conflictParams,
        body: z.object({
          choose: resolveChoiceSchema.meta({
            description: '`"current"`, `"incoming"` or `{set?, unset?}`.',
          }),
          base: versionSchema.optional(),
          clientId: clientIdSchema.optional(),
        }),
        response: answers({ 200: conflictSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { choose, base, clientId } = request.body;
      await documentFor(services, docId, caller);
      const result = await edits.resolve(docId, {
        conflictId: conflictIdOf(request.params),
        choose,
        ...(base === undefined ? {} : { base }),
        origin: originOf(request, caller, newId(), clientId, true),
        authorise: (document) => editRefusal(document, caller),
      });
      if (!result.ok) throw refused(result.refusal);
      return reply.send(conflictInfo(result.conflict));
    },
  );
}

const noConflict = () => notFound("there is no such conflict in this document");

function conflictIdOf({ conflictId }: { readonly conflictId: string }): string {
  if (!docIdSchema.safeParse(conflictId).success) throw noConflict();
  return conflictId;
}
