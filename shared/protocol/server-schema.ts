/**
 * The shapes of what the server sends, strict: a field that is not named here is an error. For the published JSON
 * Schema and for tests, which hold every frame against them; no client or server runs them.
 */
import { z } from "zod";
import { isElementId, isUuid, namePattern, uuidPattern } from "../document/identifier.ts";
import { operationStatuses, operationTypes } from "../document/operation.ts";
import { type ErrorCode, errorCodes } from "./codes.ts";
import { conflictPolicies, documentStates, documentTypes } from "./messages.ts";

const uuid = z.string().refine(isUuid, "a lower-case UUID").meta({ pattern: uuidPattern });
const version = z.int().min(0);
const time = z.iso.datetime({ precision: 3 });
const elementId = z.string().refine(isElementId, "an element id").meta({ pattern: namePattern });
const role = z.enum(["owner", "editor", "viewer"]);
const anyObject = z.record(z.string(), z.unknown());
const code = z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]);

const user = z.strictObject({ id: z.string(), name: z.string().optional(), color: z.string().optional() });
const presenceState = anyObject.nullable();

const session = z.strictObject({
  sessionId: uuid,
  clientId: z.string(),
  user,
  role,
  presence: presenceState,
  joinedAt: time,
});

const document = z.strictObject({
  id: uuid,
  name: z.string(),
  type: z.enum(documentTypes),
  state: z.enum(documentStates),
  version,
  createdBy: z.string(),
  createdAt: time,
  updatedAt: time,
  updatedBy: z.string(),
  activeUsers: z.array(z.string()),
  tags: z.array(z.string()),
  description: z.string(),
  properties: anyObject,
  owner: z.string(),
  editors: z.array(z.string()).optional(),
  viewers: z.array(z.string()).optional(),
  public: z.boolean(),
  conflictPolicy: z.enum(conflictPolicies),
  metadataVersion: version,
});

const lock = z.strictObject({
  id: uuid,
  element: elementId.nullable(),
  sessionId: uuid,
  clientId: z.string(),
  user: z.strictObject({ id: z.string(), name: z.string().optional() }),
  acquiredAt: time,
  expiresAt: time,
  expiresInMs: z.int().min(0),
  token: z.int().min(1),
  version,
});
const locks = { revision: version, locks: z.array(lock) };

const conflict = z.strictObject({
  id: uuid,
  element: elementId,
  properties: z.array(z.string()),
  operations: z.array(uuid),
  resolution: z.enum(["lww", "merge", "manual"]),
  createdAt: time,
  resolvedAt: time.nullable(),
  resolvedBy: z.string().nullable(),
  description: z.string(),
});

const edit = z.tuple([z.int().min(0), z.int().min(0), z.string()]);
const operation = z.strictObject({
  id: uuid,
  type: z.enum(operationTypes),
  element: elementId,
  props: anyObject.optional(),
  set: anyObject.optional(),
  unset: z.array(z.string()).optional(),
  append: z.record(z.string(), z.array(z.unknown())).optional(),
  splice: z.record(z.string(), z.array(edit)).optional(),
  extra: anyObject.optional(),
  version: z.int().min(1),
  base: version,
  status: z.enum(operationStatuses),
  session: uuid,
  user: z.string(),
  client: z.string(),
  at: time,
  conflict: uuid.optional(),
});

const limit = z.int().min(0);
const limits = z.strictObject({
  maxMessageBytes: limit,
  maxServerMessageBytes: limit,
  maxOpsPerSubmit: limit,
  maxInFlight: limit,
  maxPresenceBytes: limit,
  opsPerSecond: limit,
  presencePerSecond: limit,
});

const elements = z.record(z.string(), anyObject);
const details = anyObject.optional();
const requestId = z.string().min(1).max(64);

/** What stands in several messages, by the name that the published schema gives it. */
export const serverParts = {
  User: user,
  Session: session,
  Document: document,
  Lock: lock,
  Conflict: conflict,
  SequencedOperation: operation,
};

/** Every message of the server by its type. */
export const serverMessages = {
  welcome: z.strictObject({
    type: z.literal("welcome"),
    sessionId: uuid,
    instanceId: z.string(),
    user,
    role,
    document,
    version,
    snapshot: z.strictObject({ version, id: uuid.optional(), elements, more: z.boolean() }).optional(),
    ops: z.array(operation),
    rebase: z.literal(true).optional(),
    committed: z.record(z.string(), z.int().min(1)),
    sessions: z.array(session),
    locks: z.strictObject(locks),
    limits,
    serverTime: time,
  }),
  snapshot: z.strictObject({ type: z.literal("snapshot"), elements, more: z.boolean() }),
  ops: z.strictObject({ type: z.literal("ops"), ops: z.array(operation).min(1) }),
  ack: z.strictObject({
    type: z.literal("ack"),
    seq: z.int(),
    versions: z.array(z.int().min(1)).min(1),
    duplicate: z.literal(true),
  }),
  reject: z.strictObject({
    type: z.literal("reject"),
    seq: z.int(),
    code,
    message: z.string(),
    version,
    details,
  }),
  conflict: z.strictObject({ type: z.literal("conflict"), conflict }),
  resolved: z.strictObject({ type: z.literal("resolved"), conflict }),
  locks: z.strictObject({ type: z.literal("locks"), ...locks }),
  presence: z.strictObject({
    type: z.literal("presence"),
    joined: z.array(session).min(1).optional(),
    left: z.array(uuid).min(1).optional(),
    states: z.record(z.string(), presenceState).optional(),
  }),
  role: z.strictObject({ type: z.literal("role"), role }),
  document: z.strictObject({ type: z.literal("document"), document }),
  pong: z.strictObject({ type: z.literal("pong"), t: z.unknown(), serverTime: time }),
  result: z.union([
    z.strictObject({
      type: z.literal("result"),
      requestId,
      ok: z.literal(true),
      lock: lock.optional(),
      conflict: conflict.optional(),
    }),
    z.strictObject({
      type: z.literal("result"),
      requestId,
      ok: z.literal(false),
      code,
      message: z.string(),
      details,
    }),
  ]),
  error: z.strictObject({
    type: z.literal("error"),
    code: z.enum(["bad_message", "too_large", "rate_limited", "internal"]),
    message: z.string(),
    requestId: requestId.optional(),
  }),
  bye: z.strictObject({
    type: z.literal("bye"),
    reason: z.enum(["shutdown", "overloaded"]),
    retryAfterMs: z.int().min(0),
  }),
};

export const serverMessageSchema = z.union(Object.values(serverMessages));
