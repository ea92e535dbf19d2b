/** A document's past: named versions, bringing back, undoing, and who wrote what. */
import { Readable } from "node:stream";
import { z } from "zod";
import { beyondCurrent } from "../room/beyond.ts";
import { callerOf, documentFor, editRefusal, originOf, requireRole } from "./caller.ts";
import { editAnswer } from "./edit-answer.ts";
import { objectTexts } from "./elements-body.ts";
import { invalid, notFound, Problem, refused } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import {
  blameQuerySchema,
  blameSchema,
  editResultSchema,
  namedVersionSchema,
  nameVersionSchema,
  pageOf,
  pageSchema,
  restoreSchema,
  revertSchema,
} from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });
const tags = ["history"];

export function historyRoutes(app: App, services: HttpServices): void {
  const { store, history, newId } = services;

  app.get(
    "/documents/:docId/versions",
    {
      schema: {
        summary: "Named versions, the oldest first",
        tags,
        params,
        querystring: pageSchema,
        response: answers({ 200: pageOf(namedVersionSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const { limit, cursor } = query;
      return reply.send(
        await store.versions.list(docId, { limit, ...(cursor === undefined ? {} : { cursor }) }),
      );
    },
  );

  app.post(
    "/documents/:docId/versions",
    {
      config: { needsToken: true },
      schema: {
        summary: "Name a version; without one, the current",
        tags,
        params,
        body: nameVersionSchema,
        response: answers({ 201: namedVersionSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { role } = await documentFor(services, docId, caller);
      requireRole(role, "editor");
      const { name, version } = request.body;
      const result = await store.versions.create(docId, {
        name,
        createdBy: caller.userId,
        ...(version === undefined ? {} : { version }),
      });
      switch (result.outcome) {
        case "created":
          return reply
            .code(201)
            .header("location", `/v1/documents/${docId}/versions/${encodeURIComponent(name)}`)
            .send(result.named);
        case "taken":
          throw new Problem({ code: "taken", detail: "a version with this name exists" });
        case "beyond":
          throw refused(beyondCurrent("version", result.version));
        case "archived":
          throw new Problem({ code: "base_too_old", detail: "older than the retained log" });
        case "missing":
          throw notFound();
      }
    },
  );

  app.delete(
    "/documents/:docId/versions/:name",
    {
      config: { needsToken: true },
      schema: {
        summary: "Take a name away; the version stays",
        tags,
        params: params.extend({ name: z.string() }),
        response: answers({ 204: z.null() }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { role } = await documentFor(services, docId, caller);
      requireRole(role, "editor");
      // A text that cannot be stored names nothing.
      const { success, data: name } = nameVersionSchema.shape.name.safeParse(request.params.name);
      if (!success || !(await store.versions.remove(docId, name)))
        throw notFound("there is no version of this name");
      return reply.code(204).send(null);
    },
  );

  app.post(
    "/documents/:docId/restore",
    {
      config: { needsToken: true },
      schema: {
        summary: "Bring the content of an earlier version back, as one batch of new operations",
        tags,
        params,
        body: restoreSchema,
        response: answers({ 200: editResultSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { version, clientId } = request.body;
      await documentFor(services, docId, caller);
      const result = await history.restore(docId, {
        origin: originOf(request, caller, newId(), clientId, true),
        authorise: (document) => editRefusal(document, caller),
        version,
      });
      return reply.send(editAnswer(result));
    },
  );

  app.post(
    "/documents/:docId/revert",
    {
      config: { needsToken: true },
      schema: {
        summary: "Undo operations wherever nobody else wrote since, as one batch of new operations",
        description:
          "Those of the versions `from`…`to`, of one `user` or one `client` where named. Property by property; " +
          "creations and deletions element by element.",
        tags,
        params,
        body: revertSchema,
        response: answers({ 200: editResultSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { from, to, user, client, clientId } = request.body;
      await documentFor(services, docId, caller);
      if (from > to) throw invalid([{ path: "to", message: `expected at least ${from}, as from` }]);
      const result = await history.revert(docId, {
        origin: originOf(request, caller, newId(), clientId, true),
        authorise: (document) => editRefusal(document, caller),
        selection: {
          from,
          to,
          ...(user === undefined ? {} : { user }),
          ...(client === undefined ? {} : { client }),
        },
      });
      return reply.send(editAnswer(result));
    },
  );

  app.get(
    "/documents/:docId/blame",
    {
      schema: {
        summary: "For each property that is there: version, author and time of its last write",
        tags,
        params,
        querystring: blameQuerySchema,
        response: answers({ 200: blameSchema }),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const blame = await history.blame(docId, request.query.element);
      if (blame === undefined) throw notFound();
      return reply
        .type("application/json; charset=utf-8")
        .send(Readable.from(objectTexts(blame.version, blame.encoded)));
    },
  );
}
