/** Counts over everything, for people who run the server. */
import { type App, answers } from "./route.ts";
import { statsSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

export function statsRoutes(app: App, { store }: Pick<HttpServices, "store">): void {
  app.get(
    "/stats",
    {
      config: { needsToken: true },
      schema: {
        summary: "Counts over all documents",
        tags: ["server"],
        response: answers({ 200: statsSchema }),
      },
    },
    async (_request, reply) => reply.send(await store.stats()),
  );
}
