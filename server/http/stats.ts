/** Counts over everything, for people who run the server. */
import type { Store, StoreStats } from "../store/store.ts";
import { type App, answers } from "./route.ts";
import { statsSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

export function statsRoutes(app: App, { store }: Pick<HttpServices, "store">): void {
  const stats = sharedStats(store);
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
    async (_request, reply) => reply.send(await stats()),
  );
}

/**
 * Counting reads whole tables, and any caller may ask: one count runs at a time, and who asks meanwhile shares the
 * next, which begins after the question and so misses nothing that the caller did before.
 */
function sharedStats(store: Pick<Store, "stats">): () => Promise<StoreStats> {
  let running: Promise<unknown> | undefined;
  let next: Promise<StoreStats> | undefined;
  return () => {
    next ??= (async () => {
      await running;
      next = undefined;
      const counting = store.stats();
      running = counting.catch(() => undefined);
      return counting;
    })();
    return next;
  };
}
