/** Who is in a document now. */
import { z } from "zod";
import { isUuid } from "../../shared/document/identifier.ts";
import { documentFor } from "./caller.ts";
import { unreadableCursor } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import { pageOf, pageSchema, sessionSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

export function sessionRoutes(app: App, services: HttpServices): void {
  app.get(
    "/documents/:docId/sessions",
    {
      schema: {
        summary: "Live sessions, on all instances",
        tags: ["sessions"],
        params: z.object({ docId: z.string().meta({ format: "uuid" }) }),
        querystring: pageSchema,
        response: answers({ 200: pageOf(sessionSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const { cursor, limit } = query;
      if (cursor !== undefined && !isUuid(cursor)) throw unreadableCursor();
      // By id, which a session keeps: somebody who leaves shifts nobody from one page to another.
      const rest = (await services.edits.sessions(docId))
        .filter(({ sessionId }) => cursor === undefined || sessionId > cursor)
        .sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
      const items = rest.slice(0, limit);
      return reply.send({
        items,
        nextCursor: rest.length > limit ? (items.at(-1)?.sessionId ?? null) : null,
      });
    },
  );
}
