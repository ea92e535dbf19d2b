/** Builds the HTTP side of an instance: hooks, routes, errors, the demo client. */
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import swagger from "@fastify/swagger";
import { fastify } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { z } from "zod";
import { subprotocol } from "../../shared/protocol/messages.ts";
import { readShape } from "../../shared/protocol/shape.ts";
import { createRateLimit } from "../access/rate.ts";
import { assetRoutes } from "./assets.ts";
import { identifyCallers } from "./caller.ts";
import { conflictRoutes } from "./conflicts.ts";
import { contentRoutes } from "./content.ts";
import { devTokenRoutes, noDevTokenRoute } from "./dev-token.ts";
import { docsPage } from "./docs-page.ts";
import { documentRoutes } from "./documents.ts";
import { handleErrors, problemOf, sendProblem } from "./errors.ts";
import { historyRoutes } from "./history.ts";
import { lockRoutes } from "./locks.ts";
import { refuseOtherMethods } from "./methods.ts";
import { openApi } from "./openapi.ts";
import { operationRoutes } from "./operations.ts";
import { invalid } from "./problem.ts";
import type { App } from "./route.ts";
import type { HttpServices } from "./services.ts";
import { sessionRoutes } from "./sessions.ts";
import { statsRoutes } from "./stats.ts";
import { statusRoutes } from "./status.ts";
import { webhookRoutes } from "./webhooks.ts";

export type { HttpServices } from "./services.ts";

/**
 * Makes the application, not yet listening. Its `server` takes the WebSocket upgrades of others. `close()` stops
 * accepting, waits for requests that are under way and cuts idle connections.
 */
export async function createHttp(services: HttpServices): Promise<App> {
  const { config, metrics, log } = services;
  const app = fastify({
    trustProxy: (_address, hop) => hop < config.server.trustedProxies,
    bodyLimit: config.limits.maxMessageBytes || Number.MAX_SAFE_INTEGER,
    forceCloseConnections: "idle",
    // Whoever has a connection when the server closes gets a last answer on it, like any other, and then its end.
    return503OnClosing: false,
    // The name of a version, each character as the escapes of four bytes.
    routerOptions: { maxParamLength: 255 * 12 },
    // Names that reach a prototype are found, and named, by the checks of what they stand in.
    onProtoPoisoning: "ignore",
    onConstructorPoisoning: "ignore",
    // Named here, they keep Fastify from loading its compilers of JSON schemas (30 ms of the start). Set below.
    schemaController: { compilersFactory: { buildValidator: notUsed, buildSerializer: notUsed } },
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, problemOf(error));
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.removeContentTypeParser("text/plain");
  const parseJson = app.getDefaultJsonParser("ignore", "ignore");
  // An empty body is none: many clients send a `Content-Type` with every request. What is required is missed by name.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  app.setValidatorCompiler(({ schema, httpPart }) => (data: unknown) => {
    const read = readShape(schema as z.ZodType, httpPart === "body" ? (data ?? {}) : data);
    return read.ok ? { value: read.value } : { error: invalid(read.problems) };
  });
  // The schemas of answers describe; what is sent is made by this server and needs no check.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  handleErrors(app, log);

  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    metrics.requestSeconds.observe(labels, reply.elapsedTime / 1_000);
    log.debug({ ...labels, ms: Math.round(reply.elapsedTime) }, "request");
  });

  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: contentSecurityPolicy },
    // Whether names are reached by TLS alone is for the proxy to say that ends it.
    strictTransportSecurity: false,
  });
  await app.register(cors, {
    origin: [...config.auth.allowedOrigins],
    methods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    allowedHeaders: ["authorization", "content-type", "if-match", "if-none-match"],
    exposedHeaders: ["etag", "location", "retry-after"],
    maxAge: 600,
  });
  await app.register(swagger, openApi(services.version));
  if (config.server.docs) await app.register(docsPage);

  await app.register(async (root) => statusRoutes(root.withTypeProvider<ZodTypeProvider>(), services));
  await app.register(
    async (scope) => {
      const v1 = scope.withTypeProvider<ZodTypeProvider>();
      const { requestsPerSecond } = config.limits;
      const requests = createRateLimit({ perSecond: requestsPerSecond, now: () => performance.now() });
      identifyCallers(scope, { tokens: services.tokens, requests });
      const refuseOthers = refuseOtherMethods(scope);
      v1.addHook("onSend", async (_request, reply) => {
        if (!reply.hasHeader("cache-control")) reply.header("cache-control", "private, no-cache");
      });
      documentRoutes(v1, services);
      contentRoutes(v1, services);
      operationRoutes(v1, services);
      lockRoutes(v1, services);
      conflictRoutes(v1, services);
      historyRoutes(v1, services);
      sessionRoutes(v1, services);
      await v1.register(async (scope) => assetRoutes(scope.withTypeProvider<ZodTypeProvider>(), services));
      if (services.store.webhooks !== undefined) webhookRoutes(v1, services, services.store.webhooks);
      statsRoutes(v1, services);
      if (config.auth.mode === "dev") devTokenRoutes(v1, services);
      else noDevTokenRoute(v1);
      v1.get("/documents/:docId/ws", { schema: { hide: true } }, async (_request, reply) =>
        sendProblem(reply.header("upgrade", "websocket"), {
          code: "invalid",
          status: 426,
          detail: `this address takes WebSocket connections only, of the subprotocol ${subprotocol}`,
        }),
      );
      v1.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) =>
        reply.send(app.swagger()),
      );
      refuseOthers();
    },
    { prefix: "/v1" },
  );

  if (services.demoDir !== undefined) {
    await app.register(fastifyStatic, {
      root: services.demoDir,
      cacheControl: false,
      // The build wrote `.br` and `.gz` beside what they make smaller.
      preCompressed: true,
      setHeaders(response, path) {
        // The names of assets carry a hash of their content; the page does not.
        const immutable = path.includes("/assets/");
        response.setHeader("cache-control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
      },
    });
  }
  await app.ready();
  return app;
}

function notUsed(): never {
  throw new Error("compilers of schemas are set when the application is made");
}

/** What the demo client needs, and nothing from elsewhere. */
const contentSecurityPolicy = {
  "default-src": ["'self'"],
  "script-src": ["'self'", "'wasm-unsafe-eval'"],
  "style-src": ["'self'", "'unsafe-inline'"],
  "img-src": ["'self'", "data:", "blob:"],
  "font-src": ["'self'", "data:"],
  "connect-src": ["'self'", "data:", "blob:"],
  "worker-src": ["'self'", "blob:"],
  "frame-src": ["'none'"],
  "object-src": ["'none'"],
  "base-uri": ["'self'"],
  "frame-ancestors": ["'self'"],
};
