/** The browsable page at `/docs`: Swagger UI from this server alone, over `/v1/openapi.json`. */
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";

/** Its own scripts and nothing else; Swagger UI sets styles of elements and draws its icons from `data:`. */
const contentSecurityPolicy = {
  "default-src": "'none'",
  "script-src": "'self'",
  "style-src": "'self' 'unsafe-inline'",
  "img-src": "'self' data:",
  "font-src": "'self'",
  "connect-src": "'self'",
  "base-uri": "'none'",
  "form-action": "'none'",
  "frame-ancestors": "'self'",
};

const css = `
body { background: #fff; }
.swagger-ui { font-family: system-ui, sans-serif; }
.swagger-ui .info { margin: 32px 0 16px; }
.swagger-ui .info .title, .swagger-ui .opblock-tag, .swagger-ui .info p, .swagger-ui .opblock .opblock-summary-description,
.swagger-ui .btn, .swagger-ui table thead tr td, .swagger-ui table thead tr th, .swagger-ui .parameter__name,
.swagger-ui .opblock-description-wrapper p, .swagger-ui .tab li, .swagger-ui label, .swagger-ui select
{ font-family: system-ui, sans-serif; }
.swagger-ui .info p { max-width: 90ch; margin: 0.8em 0; }
.swagger-ui .info .description code { color: #24508f; }
.swagger-ui .scheme-container { box-shadow: none; border-bottom: 1px solid #e3e6ea; padding: 12px 0; background: none; }
.swagger-ui .opblock-tag small { font-size: 14px; }
.swagger-ui .opblock .opblock-summary-path { word-break: keep-all; }
`;

export async function docsPage(app: FastifyInstance): Promise<void> {
  // The page shows where its description is. The plugin has one of its own (`/docs/json`, equal) and no option for it.
  app.addHook("onSend", async (request, _reply, payload) =>
    request.routeOptions.url?.endsWith("/swagger-initializer.js") === true
      ? String(payload).replace("'./json'", "'../v1/openapi.json'")
      : payload,
  );
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: contentSecurityPolicy,
    uiConfig: {
      layout: "BaseLayout",
      docExpansion: "list",
      deepLinking: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
      tryItOutEnabled: false,
      // The token stays in the page's memory.
      persistAuthorization: false,
    },
    theme: { title: "AetherFlow REST", css: [{ filename: "page.css", content: css }] },
  });
}
