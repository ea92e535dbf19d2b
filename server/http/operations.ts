/** The log of a document: read by filters, and written to by servers, scripts and agents. */
import { z } from "zod";
import { readOperations } from "../../shared/protocol/read.ts";
import { encodeSequenced } from "../room/wire.ts";
import type { OperationFilter } from "../store/store.ts";
import { callerOf, documentFor, editRefusal, originOf } from "./caller.ts";
import { editAnswer } from "./edit-answer.ts";
import { Problem } from "./problem.ts";
import { type App, answers, docIdOf } from "./route.ts";
import {
  editResultSchema,
  listOperationsSchema,
  operationSchema,
  pageOf,
  postOperationsSchema,
} from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const params = z.object({ docId: z.string().meta({ format: "uuid" }) });

export function operationRoutes(app: App, services: HttpServices): void {
  const { store, edits, newId, config } = services;

  app.get(
    "/documents/:docId/operations",
    {
      schema: {
        summary: "The log; bounds are inclusive",
        tags: ["operations"],
        params,
        querystring: listOperationsSchema,
        response: answers({ 200: pageOf(operationSchema) }),
      },
    },
    async (request, reply) => {
      const { identity, query } = request;
      const docId = docIdOf(request.params, identity);
      await documentFor(services, docId, identity);
      const { limit, cursor, order } = query;
      const page = await store.operations.list(filterOf(docId, query), order, {
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      // Their own texts, placed into the answer: nothing is parsed to be written again.
      const items = page.items.map(encodeSequenced).join(",");
      return reply
        .type("application/json; charset=utf-8")
        .serializer((text: unknown) => String(text))
        .send(`{"items":[${items}],"nextCursor":${JSON.stringify(page.nextCursor)}}`);
    },
  );

  app.post(
    "/documents/:docId/operations",
    {
      config: { needsToken: true },
      schema: {
        summary: "Submit operations, accepted or refused together",
        description:
          "Without `base` they are made against the current version. Repeating known ids is harmless.",
        tags: ["operations"],
        params,
        body: postOperationsSchema,
        response: answers({ 200: editResultSchema }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const docId = docIdOf(request.params, caller);
      const { base, onConflict, clientId } = request.body;
      await documentFor(services, docId, caller);
      const read = readOperations(request.body.ops, config.limits.maxOpsPerSubmit);
      if (!read.ok) throw new Problem({ code: read.code, detail: read.message, details: read.details });
      const result = await edits.submit(docId, {
        origin: originOf(request, caller, newId(), clientId, false),
        authorise: (document) => editRefusal(document, caller),
        ops: read.ops,
        ...(base === undefined ? {} : { base }),
        ...(onConflict === undefined ? {} : { onConflict }),
      });
      return reply.send(editAnswer(result));
    },
  );
}

function filterOf(docId: string, query: z.output<typeof listOperationsSchema>): OperationFilter {
  const { from, to, user, type, status, element, fromTime, toTime } = query;
  return {
    docId,
    ...(from === undefined ? {} : { fromVersion: from }),
    ...(to === undefined ? {} : { toVersion: to }),
    ...(user === undefined ? {} : { user }),
    ...(type === undefined ? {} : { type }),
    ...(status === undefined ? {} : { status }),
    ...(element === undefined ? {} : { element }),
    ...(fromTime === undefined ? {} : { fromTime }),
    ...(toTime === undefined ? {} : { toTime }),
  };
}
