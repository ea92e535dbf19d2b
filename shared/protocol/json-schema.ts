/** The wire as one JSON Schema (draft 2020-12), made from the schemas that the code has anyway. */
import { z } from "zod";
import { operationSchema } from "../document/operation-schema.ts";
import { subprotocol } from "./messages.ts";
import { smallMessages } from "./read.ts";
import { serverMessages, serverParts } from "./server-schema.ts";

/** What `readSubmit` reads; `ops` is bounded by `limits.maxOpsPerSubmit`, which the server tells in `welcome`. */
const submit = z.object({
  type: z.literal("submit"),
  seq: z.int().min(1),
  base: z.int().nonnegative(),
  ops: z.array(operationSchema).min(1),
  onConflict: z.literal("reject").optional(),
});
const clientMessages = { ...smallMessages, submit };

type JsonSchema = { readonly [key: string]: unknown };

/**
 * The schema of `docs/protocol.schema.json`: `$defs.ClientMessage` and `$defs.ServerMessage` are what either side
 * may send. What a pattern cannot say (sizes, depth, order of edits) is in docs/protocol.md alone.
 */
export function protocolJsonSchema(): JsonSchema {
  const client = definitions(titled("Client", clientMessages), { Operation: operationSchema }, "input");
  const server = definitions(titled("Server", serverMessages), serverParts, "output");
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: subprotocol,
    description:
      "Every message of the wire protocol. Server messages are described as they are sent; a reader ignores fields that it does not know.",
    anyOf: [{ $ref: "#/$defs/ClientMessage" }, { $ref: "#/$defs/ServerMessage" }],
    $defs: {
      ClientMessage: { oneOf: references(titled("Client", clientMessages)) },
      ServerMessage: { oneOf: references(titled("Server", serverMessages)) },
      ...client,
      ...server,
    },
  };
}

type Schemas = { readonly [name: string]: z.ZodType };

/** `lock` of the client → `ClientLock`. */
function titled(side: "Client" | "Server", messages: Schemas): Schemas {
  return Object.fromEntries(
    Object.entries(messages).map(([type, schema]) => [
      `${side}${type.charAt(0).toUpperCase()}${type.slice(1)}`,
      schema,
    ]),
  );
}

const references = (schemas: Schemas) => Object.keys(schemas).map((name) => ({ $ref: `#/$defs/${name}` }));

function definitions(messages: Schemas, parts: Schemas, io: "input" | "output"): Schemas | JsonSchema {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries({ ...messages, ...parts })) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io,
    unrepresentable: "any",
    uri: (id) => `#/$defs/${id}`,
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema, $id, ...schema }]) => [name, schema]),
  );
}
