/** The shapes that REST takes and gives. Limits of text lengths are those of the database's columns. */
import { z } from "zod";
import {
  elementIdExpected,
  isElementId,
  isPropertyName,
  isUuid,
  propertyNameExpected,
  uuidExpected,
} from "../../shared/document/identifier.ts";
import {
  checkJson,
  isJsonObject,
  isText,
  type Json,
  maxJsonDepth,
  type Properties,
} from "../../shared/document/json.ts";
import { operationStatuses, operationTypes } from "../../shared/document/operation.ts";
import { conflictPolicies, documentTypes } from "../../shared/protocol/messages.ts";
import { lockElementSchema, ttlMsSchema } from "../../shared/protocol/read.ts";
import { issuePath, timeExpected } from "../../shared/protocol/shape.ts";
import { userIdSchema } from "../access/tokens.ts";
import { cursorExpected } from "./problem.ts";

const storable = (schema: z.ZodString) =>
  schema.refine(isText, "expected text without \\u0000 and lone surrogates");

export const docIdSchema = z.string().refine(isUuid, uuidExpected).meta({ format: "uuid" });
export const clientIdSchema = storable(z.string().min(1).max(255)).refine(
  (id) => id !== "server",
  "is reserved",
);
export const versionSchema = z.int().min(0);

/** Bounds of metadata, so that a document's row stays small. */
const maxTags = 100;
const maxPeople = 1_000;
const maxDescription = 10_000;
const maxPropertiesBytes = 64 * 1024;

const people = z.array(userIdSchema).max(maxPeople);

// Own checks instead of `z.record`, which drops a `__proto__` in silence where it must be refused.
const propertiesSchema = z
  .custom<{ readonly [key: string]: Json }>(isJsonObject, "expected an object")
  .superRefine((properties, context) => {
    const problem = checkJson(properties, maxJsonDepth);
    if (problem !== undefined)
      context.addIssue({ code: "custom", path: issuePath(problem.path), message: problem.message });
    else if (Buffer.byteLength(JSON.stringify(properties)) > maxPropertiesBytes) {
      context.addIssue({ code: "custom", message: `expected at most ${maxPropertiesBytes} bytes of JSON` });
    }
  })
  .meta({ type: "object" });

/** What editors may change. */
const metadata = {
  name: storable(z.string().min(1).max(255)),
  type: z.enum(documentTypes),
  description: storable(z.string().max(maxDescription)),
  tags: z.array(storable(z.string().min(1).max(255))).max(maxTags),
  properties: propertiesSchema,
};

/** What only an owner may change. */
const permissions = {
  editors: people,
  viewers: people,
  public: z.boolean(),
  conflictPolicy: z.enum(conflictPolicies),
};

/** `{[element id]: properties}`; only its outline is checked here, `elementsProblem` checks the whole. */
export const elementsSchema = z
  .custom<{ readonly [id: string]: Properties }>(isJsonObject, "expected an object of elements")
  .meta({
    type: "object",
    additionalProperties: { type: "object" },
    description: "Element id → properties.",
  });

export const createDocumentSchema = z
  .object({
    id: docIdSchema.optional(),
    name: metadata.name,
    type: metadata.type.default("whiteboard"),
    description: metadata.description.optional(),
    tags: metadata.tags.optional(),
    properties: metadata.properties.optional(),
    editors: permissions.editors.optional(),
    viewers: permissions.viewers.optional(),
    public: permissions.public.optional(),
    conflictPolicy: permissions.conflictPolicy.optional(),
    elements: elementsSchema.optional(),
  })
  .meta({
    examples: [{ name: "Plan", editors: ["bob"], elements: { note: { x: 10, y: 20, text: "hello" } } }],
  });

/** Fields that only an owner may change. */
export const ownerFields = ["state", "owner", "editors", "viewers", "public", "conflictPolicy"] as const;

export const patchDocumentSchema = z
  .strictObject({
    ...metadata,
    ...permissions,
    owner: userIdSchema,
    state: z.enum(["active", "archived"]),
  })
  .partial()
  .meta({ examples: [{ name: "New name", viewers: ["carol"] }] });

/** Of a query: digits and nothing else. What `Number` would make of other texts ("" is 0) nobody meant. */
const queryNumber = (number: z.ZodNumber) =>
  z.preprocess((text) => (typeof text === "string" && /^\d{1,16}$/.test(text) ? Number(text) : text), number);

const limit = queryNumber(z.int().min(1).max(200))
  // As if it were sent: a `default` after a step of reading is left out of the description.
  .prefault(50)
  .meta({ description: "1–200." });
const cursor = z
  .string(cursorExpected)
  .min(1, cursorExpected)
  .max(4_096, cursorExpected)
  .optional()
  .meta({ description: "`nextCursor` of the page before." });
const queryText = storable(z.string().max(255)).optional();

export const pageSchema = z.object({ limit, cursor });

export const listDocumentsSchema = z.looseObject({
  limit,
  cursor,
  type: z.enum(documentTypes).optional(),
  state: z.enum(["active", "archived", "deleted"]).default("active"),
  createdBy: queryText,
  owner: queryText,
  user: queryText.meta({ description: "Documents on which this user has a role." }),
  activeUser: queryText,
  tag: queryText,
  q: queryText.meta({ description: "Part of the name or the description." }),
  public: z.enum(["true", "false"]).optional(),
  sort: z.enum(["updatedAt", "createdAt", "name"]).default("updatedAt"),
  order: z
    .enum(["asc", "desc"])
    .optional()
    .meta({ description: "Default: `desc` for times, `asc` for names." }),
});

const time = z.iso
  .datetime({ offset: true })
  .transform((text, context) => {
    const utc = new Date(text).toISOString();
    // An offset may lead out of the years that four digits can say, and the database knows no year 0.
    if (!/^\d{4}-/.test(utc) || utc.startsWith("0000")) context.addIssue(timeExpected);
    return utc;
  })
  .optional();
const queryVersion = queryNumber(z.int().min(0).max(Number.MAX_SAFE_INTEGER)).optional();

const elementId = z.string().refine(isElementId, elementIdExpected);

export const listOperationsSchema = z.object({
  limit,
  cursor,
  from: queryVersion,
  to: queryVersion,
  user: queryText,
  type: z.enum(operationTypes).optional(),
  status: z.enum(operationStatuses).optional(),
  element: elementId.optional(),
  fromTime: time,
  toTime: time,
  order: z.enum(["asc", "desc"]).default("asc"),
});

export const postOperationsSchema = z
  .object({
    base: versionSchema.optional(),
    ops: z.array(z.unknown()).min(1),
    onConflict: z.literal("reject").optional(),
    clientId: clientIdSchema.optional(),
  })
  .meta({
    examples: [
      {
        ops: [
          {
            id: "0198c0de-0000-7000-8000-00000000000a",
            type: "update",
            element: "note",
            set: { text: "hello" },
          },
        ],
      },
    ],
  });

export const putContentSchema = z
  .object({ elements: elementsSchema, clientId: clientIdSchema.optional() })
  .meta({ examples: [{ elements: { note: { x: 10, y: 20, text: "hello" } } }] });

export const postLockSchema = z
  .object({
    clientId: clientIdSchema,
    element: lockElementSchema.optional().meta({ description: "Absent or null: the whole document." }),
    ttlMs: ttlMsSchema.optional().meta({ description: "Default: the configured `lockTimeout`." }),
  })
  .meta({ examples: [{ clientId: "script", element: "note", ttlMs: 30_000 }] });

export const contentQuerySchema = z.object({
  version: queryVersion.meta({ description: "An earlier version; default: the current one." }),
});

/** No path can end in these two: clients and proxies take them for a folder, and DELETE would mean the document. */
const isPathName = (name: string): boolean => name !== "." && name !== "..";

export const nameVersionSchema = z
  .object({
    name: storable(z.string().min(1).max(255))
      .refine(isPathName, 'expected a name other than "." and ".."')
      .meta({ not: { enum: [".", ".."] } }),
    version: versionSchema.optional(),
  })
  .meta({ examples: [{ name: "before the review" }] });

export const restoreSchema = z
  .object({ version: versionSchema, clientId: clientIdSchema.optional() })
  .meta({ examples: [{ version: 1 }] });

export const revertSchema = z
  .object({
    from: z.int().min(1),
    to: z.int().min(1),
    user: storable(z.string().max(255)).optional(),
    client: storable(z.string().max(255)).optional(),
    clientId: clientIdSchema.optional(),
  })
  .meta({ examples: [{ from: 2, to: 3, user: "bob" }] });

export const blameQuerySchema = z.object({ element: elementId.optional() });

export const devTokenSchema = z
  .object({
    user: userIdSchema,
    name: storable(z.string().max(255)).optional(),
  })
  .meta({ examples: [{ user: "ada", name: "Ada" }] });

/** Where elements are not acceptable, and why; undefined when they are. */
export function elementsProblem(elements: {
  readonly [id: string]: unknown;
}): { readonly path: string; readonly message: string } | undefined {
  for (const id of Object.keys(elements)) {
    const element = elements[id];
    if (!isElementId(id)) return { path: `elements.${id}`, message: elementIdExpected };
    if (!isJsonObject(element))
      return { path: `elements.${id}`, message: "expected an object of properties" };
    for (const name of Object.keys(element)) {
      const path = `elements.${id}.${name}`;
      if (!isPropertyName(name)) return { path, message: propertyNameExpected };
      const problem = checkJson(element[name], maxJsonDepth);
      if (problem !== undefined) {
        return { path: problem.path === "" ? path : `${path}.${problem.path}`, message: problem.message };
      }
    }
  }
  return undefined;
}

/** Raw bytes; only described, never checked. */
export const binarySchema = z.unknown().meta({ type: "string", format: "binary" });

/** An answer without a body. */
export const emptySchema = z.null().meta({ description: "Done." });

// ---- answers (for the OpenAPI document) --------------------------------------------------------------------

const roleSchema = z.enum(["owner", "editor", "viewer"]);
const dateTime = z.string().meta({ format: "date-time", examples: ["2026-01-31T12:00:00.000Z"] });

export const documentSchema = z
  .object({
    id: docIdSchema,
    ...metadata,
    state: z.enum(["active", "archived", "deleted"]),
    version: versionSchema,
    createdBy: z.string(),
    createdAt: dateTime,
    updatedAt: dateTime,
    updatedBy: z.string(),
    activeUsers: z.array(z.string()),
    owner: z.string(),
    editors: people.optional(),
    viewers: people.optional(),
    public: z.boolean(),
    conflictPolicy: z.enum(conflictPolicies),
    metadataVersion: versionSchema,
  })
  .meta({
    id: "Document",
    description: "A document's metadata; `editors` and `viewers` for owners and editors only.",
  });

export const operationSchema = z
  .looseObject({
    id: z.string(),
    type: z.enum(operationTypes),
    element: z.string(),
    version: versionSchema,
    base: versionSchema,
    status: z.enum(operationStatuses),
    session: z.string(),
    user: z.string(),
    client: z.string(),
    at: dateTime,
    conflict: z.string().optional(),
  })
  .meta({
    id: "SequencedOperation",
    description: "A sequenced operation, with those of `props set unset append splice extra` that it has.",
  });

export const conflictSchema = z
  .object({
    id: docIdSchema,
    element: z.string(),
    properties: z.array(z.string()).meta({ description: "Empty: the whole element." }),
    operations: z.array(z.string()).meta({ description: "Ids, the newest 100." }),
    resolution: z.enum(["lww", "merge", "manual"]),
    createdAt: dateTime,
    resolvedAt: dateTime.nullable(),
    resolvedBy: z.string().nullable(),
    description: z.string(),
  })
  .meta({ description: "A conflict record; unresolved: `resolvedAt` and `resolvedBy` are null." });

export const conflictWithOperationsSchema = conflictSchema
  .extend({ operations: z.array(operationSchema) })
  .meta({ description: "A conflict record with its operations, in order." });

export const sessionSchema = z
  .object({
    sessionId: z.string(),
    clientId: z.string(),
    user: z.object({ id: z.string(), name: z.string().optional(), color: z.string().optional() }),
    role: roleSchema,
    presence: z.record(z.string(), z.unknown()).nullable(),
    joinedAt: dateTime,
  })
  .meta({ id: "Session", description: "A live session; `presence` is what its client last said." });

export const lockSchema = z
  .object({
    id: z.string().meta({ format: "uuid" }),
    element: z.string().nullable(),
    sessionId: z.string(),
    clientId: z.string(),
    user: z.object({ id: z.string(), name: z.string().optional() }),
    acquiredAt: dateTime,
    expiresAt: dateTime,
    expiresInMs: z.int().min(0),
    token: z.int().min(1),
    version: versionSchema,
  })
  .meta({
    id: "Lock",
    description:
      "A lease on an element, or (`element` null) on the document. `token` is a fencing token that grows with every acquisition; `version` is the document's at the grant.",
  });

export const editResultSchema = z
  .object({
    version: versionSchema,
    versions: z.array(versionSchema),
    statuses: z.array(z.enum(operationStatuses)),
    duplicate: z.boolean(),
  })
  .meta({
    id: "EditResult",
    description: "Where the operations stand now. `duplicate`: they were in the log already.",
  });

export const contentSchema = z.object({ version: versionSchema, elements: elementsSchema });

export const namedVersionSchema = z.object({
  name: z.string(),
  version: versionSchema,
  createdAt: dateTime,
  createdBy: z.string(),
});

const writeSchema = z.object({
  version: versionSchema,
  user: z.string(),
  client: z.string(),
  at: dateTime,
});

export const blameSchema = z.object({
  version: versionSchema,
  elements: z
    .record(z.string(), z.record(z.string(), writeSchema))
    .meta({ description: "Element id → property → its last write." }),
});

export const statsSchema = z.object({
  documents: z.object({ total: z.int(), active: z.int(), archived: z.int() }),
  operations: z.int(),
  conflicts: z.object({ total: z.int(), resolved: z.int() }),
  locks: z.object({ active: z.int() }),
  sessions: z.int(),
  instances: z.int(),
});

export const tokenSchema = z.object({ token: z.string(), expiresAt: dateTime });

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    version: versionSchema.optional(),
  })
  .meta({
    id: "Problem",
    description: "A problem document (RFC 9457).",
    examples: [
      {
        type: "urn:aetherflow:problem:forbidden",
        title: "Not allowed",
        status: 403,
        detail: "this needs the role editor",
        code: "forbidden",
      },
    ],
  });

/** A page of something. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });
