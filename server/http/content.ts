/** A document's whole content: read, or replaced as one batch of operations. */
import { Readable } from "node:stream";
import { z } from "zod";
import type { Past } from "../room/history-edits.ts";
import { absentFor, callerOf, documentFor, editRefusal, originOf } from "./caller.ts";
import { invalidElements } from "./documents.ts";
import { editAnswer } from "./edit-answer.ts";
import { objectTexts } from "./elements-body.ts";
import { invalid, Problem, refused } from "./problem.ts";
import { type App, answers, docIdOf, ifMatch } from "./route.ts";
import {
  contentQuerySchema,
  contentSchema,
  editResultSchema,
  elementsProblem,
  putContentSchema,
} from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });

export function contentRoutes(app: App, services: HttpServices): void {
  const { edits, history, newId, config } = services;

  app.get(
    "/documents/:docId/content",
    {
      schema: {
        summary: "The content, now or at an earlier version",
        tags: ["content"],
        params,
        querystring: contentQuerySchema,
        response: answers({ 200: contentSchema }),
      },
    },
    async (request, reply) => {
      const { identity } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const { version } = request.query;
      const content =
        version === undefined ? await edits.content(docId) : pastOf(await history.contentAt(docId, version));
      if (content === undefined) throw absentFor(identity);
      const etag = `"${content.version}"`;
      reply.header("etag", etag);
      if (request.headers["if-none-match"] === etag) return reply.code(304).send();
      return reply
        .type("application/json; charset=utf-8")
        .send(Readable.from(objectTexts(content.version, content.encoded)));
    },
  );

  app.put(
    "/documents/:docId/content",
    {
      config: { needsToken: true, bodyLimitKey: "maxBodyBytes" },
      bodyLimit: config.limits.maxBodyBytes || Number.MAX_SAFE_INTEGER,
      schema: {
        summary: "Replace the whole content, as one batch of operations",
        tags: ["content"],
        params,
        headers: z.looseObject({
          "if-match": z
            .string()
            .optional()
            .meta({ description: 'Required: the version that is replaced, such as `"17"`.' }),
        }),
        body: putContentSchema,
        response: answers({ 200: editResultSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { elements, clientId } = request.body;
      const version = ifMatch(request.headers["if-match"]);
      if (version === undefined) {
        throw new Problem({ code: "precondition_required", detail: 'If-Match: "VERSION" is required' });
      }
      if (version === "invalid") {
        throw invalid([{ path: "If-Match", message: 'expected one version in quotes, such as "17"' }]);
      }
      await documentFor(services, docId, caller);
      const problem = elementsProblem(elements);
      if (problem !== undefined) throw invalidElements(problem);
      const result = await edits.replaceContent(docId, {
        origin: originOf(request, caller, newId(), clientId, true),
        authorise: (document) => editRefusal(document, caller),
        version,
        elements: new Map(Object.entries(elements)),
      });
      const edit = editAnswer(result);
      // Of the content that this request made, also where others have written since: for the next `If-Match`.
      return reply.header("etag", `"${edit.versions.at(-1) ?? edit.version}"`).send(edit);
    },
  );
}

/** What was found of the past. Throws the problem of what cannot be: a version beyond, or older than the retained log. */
function pastOf<T>(past: Past<T>): T {
  if (past.ok) return past;
  throw refused(past);
}
