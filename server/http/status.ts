/** For those who watch the process: outside `/v1`, without a token and without a limit. */
import { sendProblem } from "./errors.ts";
import { notFound } from "./problem.ts";
import type { App } from "./route.ts";
import type { HttpServices } from "./services.ts";

export function statusRoutes(
  app: App,
  services: Pick<HttpServices, "readiness" | "metrics" | "config">,
): void {
  const hidden = { schema: { hide: true } };

  app.get("/healthz", hidden, async (_request, reply) => reply.send({ status: "ok" }));

  app.get("/readyz", hidden, async (_request, reply) => {
    const reason = await services.readiness();
    if (reason !== undefined) return sendProblem(reply, { code: "unavailable", detail: reason });
    return reply.send({ status: "ready" });
  });

  app.get("/metrics", hidden, async (_request, reply) => {
    if (!services.config.metrics.enabled)
      return sendProblem(reply, notFound("metrics are switched off").parts);
    const { registry } = services.metrics;
    return reply
      .type(registry.contentType)
      .serializer((text: unknown) => String(text))
      .send(await registry.metrics());
  });
}
