/** Development mode only: a token for anybody who asks. */
import { notFound } from "./problem.ts";
import { type App, answers } from "./route.ts";
import { devTokenSchema, tokenSchema } from "./schemas.ts";
import type { HttpServices } from "./services.ts";

const dayMs = 24 * 60 * 60 * 1_000;

export function devTokenRoutes(app: App, { tokens }: Pick<HttpServices, "tokens">): void {
  app.post(
    "/dev/token",
    {
      schema: {
        summary: "A token for any user, valid for a day (development mode only)",
        tags: ["server"],
        security: [],
        body: devTokenSchema,
        response: answers({ 200: tokenSchema }),
      },
    },
    async (request, reply) => {
      const { user, name } = request.body;
      return reply.send(await tokens.sign({ user, ...(name === undefined ? {} : { name }), ttlMs: dayMs }));
    },
  );
}

/** In every other mode: says why there is none, whatever the body. */
export function noDevTokenRoute(app: App): void {
  app.post("/dev/token", { schema: { hide: true }, onRequest: refuse }, refuse);
}

async function refuse(): Promise<never> {
  throw notFound("only in development mode; see docs/authentication.md");
}
