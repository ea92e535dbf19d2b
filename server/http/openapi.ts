/** The description of REST that `/v1/openapi.json` gives and `/docs` shows, made from the schemas of the routes. */
import type { SwaggerOptions } from "@fastify/swagger";
import { jsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import type { OpenAPIV3_1 } from "openapi-types";
import { type ErrorCode, errorCodes } from "../../shared/protocol/codes.ts";
import { errorsOf } from "./route-errors.ts";

type Description = Partial<OpenAPIV3_1.Document>;
type Operation = OpenAPIV3_1.OperationObject;
type Parameter = OpenAPIV3_1.ParameterObject;
type Response = OpenAPIV3_1.ResponseObject;

/** In the order in which the page shows them. */
const tags = [
  { name: "documents", description: "Metadata, permissions and state of documents." },
  { name: "content", description: "A document's elements as a whole, now or earlier." },
  { name: "operations", description: "The log: every change, in one order, for ever." },
  { name: "history", description: "Named versions, restoring, undoing, and who wrote what." },
  { name: "conflicts", description: "Edits that collided, and what became of them." },
  { name: "locks", description: "Leases on a document or on one of its elements." },
  { name: "sessions", description: "Who is in a document now." },
  { name: "assets", description: "Images and files by the hash of their content." },
  { name: "webhooks", description: "Calls to a server of yours when something happens." },
  { name: "server", description: "The server itself." },
] as const;

/** What a parameter means wherever it stands in a path. */
const pathParameters: {
  readonly [name: string]: { readonly description: string; readonly example?: string };
} = {
  docId: { description: "The document's id.", example: "0198c0de-0000-7000-8000-000000000001" },
  conflictId: { description: "The conflict record's id." },
  cid: { description: "The conflict record's id." },
  lockId: { description: "The lock's id." },
  name: { description: "The version's name." },
};

const statusTexts: { readonly [status: string]: string } = {
  200: "Done.",
  201: "Created.",
  204: "Done; no body.",
};

const description = `Documents are maps from element id to properties; every change is an operation with a place in one order.
This page describes the REST side. Live editing goes over a WebSocket: \`GET /v1/documents/{docId}/ws\`, subprotocol \`aetherflow.v1\`.

**Token.** \`Authorization: Bearer …\`; in development mode \`POST /v1/dev/token\` gives one, and *Authorize* on this page takes it.
Reading a document that is public needs none, nor does listing those (\`public=true\`).

**Errors** are problem documents (RFC 9457) with a \`code\` for programs. **Lists** have \`?limit=\` (1–200) and an opaque \`?cursor=\`, and answer
\`{items, nextCursor}\`. **Times** are RFC 3339 in UTC. A document that the caller may not read answers like one that does not exist.`;

/** The options of `@fastify/swagger`; `version` is the package's. */
export const openApi = (version: string): SwaggerOptions => ({
  openapi: {
    openapi: "3.1.0",
    info: {
      title: "AetherFlow StateSync",
      version,
      summary: "Documents that many people edit at once.",
      description,
      license: { name: "MIT", identifier: "MIT" },
    } as OpenAPIV3_1.InfoObject,
    tags: [...tags],
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "`sub` is the user id; `exp` is required.",
        },
      },
    },
  },
  transform(document) {
    const { schema } = document;
    // Where one is optional, too: an alternative without it makes the page say that none is taken.
    return jsonSchemaTransform({ ...document, schema: { security: [{ token: [] }], ...schema } });
  },
  transformObject(document) {
    const described = jsonSchemaTransformObject(document) as Description;
    const used = new Set<string>();
    for (const [address, path] of Object.entries(described.paths ?? {})) {
      for (const method of ["get", "put", "post", "patch", "delete"] as const) {
        const operation = path?.[method];
        if (operation === undefined) continue;
        for (const tag of operation.tags ?? []) used.add(tag);
        complete(operation);
        addErrors(operation, errorsOf(`${method} ${address}`) ?? []);
      }
    }
    return {
      ...described,
      components: { ...described.components, schemas: referenced(described) },
      tags: tags.filter(({ name }) => used.has(name)),
    };
  },
});

/** The schemas that something leads to; the plugin gives every one twice, as taken and as given. */
function referenced({ components, paths }: Description): { [name: string]: OpenAPIV3_1.SchemaObject } {
  const all: { readonly [name: string]: OpenAPIV3_1.SchemaObject } = components?.schemas ?? {};
  const kept: { [name: string]: OpenAPIV3_1.SchemaObject } = {};
  const follow = (part: unknown): void => {
    for (const [, name = ""] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      const schema = all[name];
      if (schema === undefined || name in kept) continue;
      kept[name] = schema;
      follow(schema);
    }
  };
  follow(paths);
  return kept;
}

/** Adds what the schemas do not say: meanings of path parameters, the type of problems, answers without a body. */
function complete(operation: Operation): void {
  for (const parameter of (operation.parameters ?? []) as Parameter[]) {
    if (parameter.in === "path")
      Object.assign(parameter, { ...pathParameters[parameter.name], ...parameter });
    // A parameter and its schema say the same; once is enough.
    if (parameter.schema !== undefined && "description" in parameter.schema) {
      parameter.description ??= parameter.schema.description ?? "";
      delete parameter.schema.description;
    }
  }
  for (const [status, answer] of Object.entries(operation.responses ?? {})) {
    const response = answer as Response;
    if (status === "default") {
      const [problem] = Object.values(response.content ?? {});
      response.description = "A problem document, of any other error too.";
      if (problem !== undefined) response.content = { "application/problem+json": problem };
    } else {
      if (response.description === "Default Response") response.description = statusTexts[status] ?? "";
      if (status === "204") delete response.content;
    }
  }
}

/** An answer for each status, which names its codes and has the shape of every problem. */
function addErrors(operation: Operation, codes: readonly ErrorCode[]): void {
  const { default: problem, ...good } = operation.responses ?? {};
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { http } = errorCodes[code];
    byStatus.set(http, [...(byStatus.get(http) ?? []), code]);
  }
  const errors = [...byStatus].map(([status, of]) => [
    status,
    { ...problem, description: of.map((code) => `\`${code}\``).join(", ") },
  ]);
  operation.responses = { ...good, ...Object.fromEntries(errors), ...(problem && { default: problem }) };
}
