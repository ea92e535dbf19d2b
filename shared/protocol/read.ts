/**
 * Reads what a client sends. Small messages by zod; a submit's operations by the hand-written `readOperation`, whose
 * oracle is a zod schema: validation is done once an operation, and is on the hot path.
 */
import { z } from "zod";
import {
  elementIdExpected,
  isElementId,
  isUuid,
  namePattern,
  uuidExpected,
  uuidPattern,
} from "../document/identifier.ts";
import { checkJson, isText, maxJsonDepth, type Properties } from "../document/json.ts";
import type { Operation } from "../document/operation.ts";
import { readOperation } from "../document/operation.ts";
import type { Auth, Hello, LockCommand, Ping, PresenceUpdate, ResolveCommand, Submit } from "./messages.ts";
import { issuePath, problemText, readShape } from "./shape.ts";

/** Operation ids of `hello.pending`. */
export const maxPending = 1_000;

const text = (max: number) =>
  z.string().min(1).max(max).refine(isText, "expected text without \\u0000 and lone surrogates");
const version = z.int().nonnegative();
const uuid = z.string().refine(isUuid, uuidExpected).meta({ pattern: uuidPattern });

const presenceState = z
  .record(z.string(), z.unknown(), "expected an object or null")
  .nullable()
  .superRefine((state, context) => {
    const problem = checkJson(state, maxJsonDepth);
    // Without the path inside: what is wrong with a hello is logged, and keys are the user's.
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem.message });
  });

export const clientIdSchema = text(255)
  .refine((id) => id !== "server", "is reserved")
  .meta({ not: { const: "server" } });
export const requestIdSchema = text(64);
const lockElementExpected = `${elementIdExpected}; or null, the document`;
/** What may be locked: an element, or (null) the document. */
export const lockElementSchema = z
  .string(lockElementExpected)
  .refine(isElementId, lockElementExpected)
  .meta({ pattern: namePattern })
  .nullable();
/** How long a lease may be asked for. */
export const ttlMsSchema = z.int().min(1_000).max(300_000);

const hello = z.object({
  type: z.literal("hello"),
  token: z.string().optional(),
  clientId: clientIdSchema,
  since: version.optional(),
  sinceId: uuid.optional(),
  pending: z.array(uuid).max(maxPending).optional(),
  presence: presenceState.optional(),
  profile: z.object({ name: text(255).optional(), color: text(64).optional() }).optional(),
});
const presence = z.object({ type: z.literal("presence"), state: presenceState });
const ping = z.object({
  type: z.literal("ping"),
  t: z.unknown().superRefine((value, context) => {
    const problem =
      value === undefined
        ? { path: "", message: "is missing, expected any JSON" }
        : checkJson(value, maxJsonDepth);
    if (problem !== undefined)
      context.addIssue({ code: "custom", path: issuePath(problem.path), message: problem.message });
  }),
});
const auth = z.object({ type: z.literal("auth"), requestId: requestIdSchema, token: z.string() });
const lock = z.object({
  type: z.literal("lock"),
  requestId: requestIdSchema,
  action: z.enum(["acquire", "renew", "release"]),
  element: lockElementSchema.optional(),
  ttlMs: ttlMsSchema.optional(),
});

const nothing = "00000000-0000-7000-8000-000000000000";
/** What a conflict is resolved to: names and values as an operation's. */
export const resolveChoiceSchema = z.union(
  [
    z.enum(["current", "incoming"]),
    z
      .looseObject({
        set: z
          .unknown()
          .optional()
          .meta({ type: "object", propertyNames: { pattern: namePattern } }),
        unset: z
          .unknown()
          .optional()
          .meta({ type: "array", items: { type: "string", pattern: namePattern } }),
      })
      .superRefine(({ set, unset }, context) => {
        const read = readOperation({ id: nothing, type: "update", element: "x", set, unset });
        if (!read.ok) context.addIssue({ code: "custom", path: issuePath(read.path), message: read.message });
      })
      .transform(({ set, unset }) => ({
        ...(set === undefined ? {} : { set: set as Properties }),
        ...(unset === undefined ? {} : { unset: unset as string[] }),
      })),
  ],
  'expected "current", "incoming" or {set?, unset?}',
);
const resolve = z.object({
  type: z.literal("resolve"),
  requestId: requestIdSchema,
  conflictId: uuid,
  choose: resolveChoiceSchema,
  base: version.optional(),
});

/** Every message of a client by its type, but `submit`. */
export const smallMessages = { hello, presence, ping, auth, lock, resolve };
type Small = Hello | PresenceUpdate | Ping | Auth | LockCommand | ResolveCommand;

export type ReadMessage =
  | { readonly ok: true; readonly message: Small }
  | {
      readonly ok: true;
      readonly message: {
        readonly type: "submit";
        readonly seq: number;
        readonly value: Readonly<Record<string, unknown>>;
      };
    }
  /** `requestId` where the message carried a usable one: the answer names it. `isKnown`: its type is one of these. */
  | { readonly ok: false; readonly message: string; readonly isKnown: boolean; readonly requestId?: string };

/** Reads one message of a client from what JSON.parse made of a frame: an object. */
export function readClientMessage(value: Readonly<Record<string, unknown>>): ReadMessage {
  const { type, seq } = value;
  if (type === "submit") {
    if (typeof seq === "number" && Number.isSafeInteger(seq)) {
      return { ok: true, message: { type, seq, value } };
    }
    return malformed(value, "seq: expected a whole number", true);
  }
  if (typeof type !== "string" || !Object.hasOwn(smallMessages, type)) {
    const types = [...Object.keys(smallMessages), "submit"].join(", ");
    return malformed(value, `type: expected one of ${types}`, false);
  }
  const read = readShape<unknown>(smallMessages[type as keyof typeof smallMessages], value);
  if (read.ok) return { ok: true, message: read.value as Small };
  const [problem = { path: "", message: "not a message of its type" }] = read.problems;
  return malformed(value, problemText(problem), true);
}

function malformed(
  { requestId }: Readonly<Record<string, unknown>>,
  message: string,
  isKnown: boolean,
): ReadMessage & { readonly ok: false } {
  const named = requestIdSchema.safeParse(requestId);
  return { ok: false, message, isKnown, ...(named.success ? { requestId: named.data } : {}) };
}

/** The inside of a submit; a field that is always there, since this is made for each. */
interface ReadyToSubmit extends Pick<Submit, "base" | "ops"> {
  readonly onConflict: Submit["onConflict"] | undefined;
}

export type ReadSubmit =
  | { readonly ok: true; readonly submit: ReadyToSubmit }
  | {
      readonly ok: false;
      readonly code: "invalid_operation" | "too_large";
      readonly message: string;
      readonly details: { readonly path?: string; readonly limit?: string };
    };

/** Reads the inside of a submit. `maxOps` 0: no limit. */
export function readSubmit(value: Readonly<Record<string, unknown>>, maxOps: number): ReadSubmit {
  const { base, onConflict } = value;
  if (typeof base !== "number" || !Number.isSafeInteger(base) || base < 0) {
    return invalid("base", "expected a whole number of at least 0");
  }
  if (onConflict !== undefined && onConflict !== "reject")
    return invalid("onConflict", 'expected "reject" or nothing');
  const read = readOperations(value.ops, maxOps);
  if (!read.ok) return read;
  return { ok: true, submit: { base, ops: read.ops, onConflict } };
}

/** Reads a list of operations, of a submit or of a REST body. */
export function readOperations(
  value: unknown,
  maxOps: number,
): { readonly ok: true; readonly ops: readonly Operation[] } | (ReadSubmit & { ok: false }) {
  if (!Array.isArray(value) || value.length === 0)
    return invalid("ops", "expected a list of at least one operation");
  if (maxOps > 0 && value.length > maxOps) {
    return {
      ok: false,
      code: "too_large",
      message: `ops: ${value.length} operations, at most ${maxOps} are accepted`,
      details: { limit: "maxOpsPerSubmit", path: "ops" },
    };
  }
  // Of the right length at once: the first push would make place for seventeen.
  const ops = new Array<Operation>(value.length);
  const ids = value.length > 1 ? new Set<string>() : undefined;
  for (let index = 0; index < value.length; index += 1) {
    const read = readOperation(value[index]);
    if (!read.ok) {
      const path = read.path === "" ? `ops.${index}` : `ops.${index}.${read.path}`;
      const limit = read.limit === undefined ? {} : { limit: read.limit };
      return { ok: false, code: read.code, message: `${path}: ${read.message}`, details: { path, ...limit } };
    }
    if (ids?.has(read.operation.id) === true)
      return invalid(`ops.${index}.id`, "the id stands twice in this submit");
    ids?.add(read.operation.id);
    ops[index] = read.operation;
  }
  return { ok: true, ops };
}

function invalid(path: string, message: string): ReadSubmit & { ok: false } {
  return { ok: false, code: "invalid_operation", message: `${path}: ${message}`, details: { path } };
}
