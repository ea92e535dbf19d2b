import { z } from "zod";
import { isElementId, isPropertyName, isUuid, namePattern, uuidPattern } from "./identifier.ts";
import { checkJson, isJsonObject, isText, maxJsonDepth } from "./json.ts";
import { maxExtraBytes, operationTypes } from "./operation.ts";
import { utf8Bytes } from "./utf8.ts";

// A JSON Schema cannot look into a function: `meta` says what it can of what the function checks.
const json = z
  .custom<unknown>((value) => checkJson(value, maxJsonDepth) === undefined, "a JSON value")
  .meta({ description: `Any JSON of depth ${maxJsonDepth} at most (a scalar is 0, [] is 1)` });
const propertyName = z
  .custom<string>(isPropertyName, "a property's name")
  .meta({ type: "string", pattern: namePattern });
/** zod's own `record` drops a key `__proto__`; here it is refused. */
const byProperty = <T extends z.ZodType>(value: T) =>
  z
    .custom<{ [name: string]: unknown }>(
      (object) =>
        isJsonObject(object) &&
        Object.keys(object).every((name) => isPropertyName(name) && value.safeParse(object[name]).success),
      "an object by property",
    )
    .meta({
      type: "object",
      propertyNames: { pattern: namePattern },
      additionalProperties: withoutDialect(z.toJSONSchema(value, { unrepresentable: "any", io: "input" })),
    });
const edit = z.tuple([
  z.int().nonnegative(),
  z.int().nonnegative(),
  z.string().refine(isText, "text without \\u0000 and lone surrogates"),
]);
const edits = z
  .array(edit)
  .refine(
    (list) => list.every(([position], index) => position >= endOf(list[index - 1])),
    "each at or after the end of the one before",
  );
const extra = z
  .custom<{ [key: string]: unknown }>(
    (value) => isJsonObject(value) && checkJson(value, maxJsonDepth) === undefined,
  )
  .refine(
    (value) => utf8Bytes(JSON.stringify(value)) <= maxExtraBytes,
    `at most ${maxExtraBytes} bytes of JSON`,
  )
  .meta({ type: "object", description: `At most ${maxExtraBytes} bytes of JSON` });

const common = {
  id: z.custom<string>(isUuid, "a UUID in lower case").meta({ type: "string", pattern: uuidPattern }),
  element: z.custom<string>(isElementId, "an element id").meta({ type: "string", pattern: namePattern }),
  extra: extra.optional(),
};
const absent = z.undefined().meta({ not: {} }).optional();

/**
 * The shape of an operation (protocol section 2), for descriptions of the API and as the oracle of the hand-written
 * `readOperation`, which runs instead of it on every operation.
 */
export const operationSchema = z.discriminatedUnion("type", [
  z.object({
    ...common,
    type: z.literal("create"),
    props: byProperty(json).default({}),
    set: absent,
    unset: absent,
    append: absent,
    splice: absent,
  }),
  z.object({
    ...common,
    type: z.literal("delete"),
    props: absent,
    set: absent,
    unset: absent,
    append: absent,
    splice: absent,
  }),
  z
    .object({
      ...common,
      type: z.enum(operationTypes).exclude(["create", "delete"]),
      props: absent,
      set: byProperty(json).optional(),
      unset: z.array(propertyName).optional(),
      append: byProperty(z.array(z.unknown()).and(json)).optional(),
      splice: byProperty(edits).optional(),
    })
    .refine((op) => {
      const fields = [op.set, op.append, op.splice].map((field) => Object.keys(field ?? {}));
      const names = [...fields.flat(), ...new Set(op.unset ?? [])];
      return new Set(names).size === names.length;
    }, "a property may stand in only one of set, unset, append, splice"),
]);

/** A schema within another one. */
function withoutDialect({
  $schema,
  "~standard": standard,
  ...schema
}: Record<string, unknown>): Record<string, unknown> {
  return schema;
}

function endOf(before: readonly [number, number, string] | undefined): number {
  return before === undefined ? 0 : before[0] + before[1];
}
