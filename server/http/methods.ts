/** A method that an address does not take: 405 with those that it does, where Fastify knows only that there is no such route. */
import type { FastifyInstance } from "fastify";
import { sendProblem } from "./errors.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** Watches the routes of a scope. Call the result when they are all there: it answers the methods that are left. */
export function refuseOtherMethods(scope: FastifyInstance): () => void {
  const taken = new Map<string, Set<string>>();
  scope.addHook("onRoute", ({ routePath, method }) => {
    const known = taken.get(routePath) ?? new Set();
    taken.set(routePath, known);
    for (const one of [method].flat()) known.add(one);
  });
  return () => {
    for (const [url, known] of [...taken]) {
      const allowed = [...known].join(", ");
      scope.route({
        url,
        method: methods.filter((method) => !known.has(method)),
        exposeHeadRoute: false,
        schema: { hide: true },
        // Before a body is looked at.
        onRequest: async (_request, reply) =>
          sendProblem(reply.header("allow", allowed), {
            code: "invalid",
            status: 405,
            detail: `this address takes ${allowed} only`,
          }),
        handler: async () => undefined,
      });
    }
  };
}
