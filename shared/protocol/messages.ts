import type { Json, Properties } from "../document/json.ts";
import type { Operation, SequencedOperation } from "../document/operation.ts";
import type { ErrorCode } from "./codes.ts";

/** The WebSocket subprotocol that a client must offer. A change of the wire format changes this name. */
export const subprotocol = "aetherflow.v1";

export type Role = "owner" | "editor" | "viewer";
export const documentTypes = ["whiteboard", "text", "canvas", "sheet"] as const;
export type DocumentType = (typeof documentTypes)[number];
export const documentStates = ["active", "archived", "deleted"] as const;
export type DocumentState = (typeof documentStates)[number];
export const conflictPolicies = ["lww", "merge", "manual", "strict"] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];

/** Metadata of a document as REST and `welcome` show it. `editors` and `viewers` go to owners and editors only. */
export interface DocumentMetadata {
  readonly id: string;
  readonly name: string;
  readonly type: DocumentType;
  readonly state: DocumentState;
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly activeUsers: readonly string[];
  readonly tags: readonly string[];
  readonly description: string;
  readonly properties: { readonly [key: string]: Json };
  readonly owner: string;
  readonly editors?: readonly string[];
  readonly viewers?: readonly string[];
  readonly public: boolean;
  readonly conflictPolicy: ConflictPolicy;
  readonly metadataVersion: number;
}

export interface UserProfile {
  readonly id: string;
  readonly name?: string;
  readonly color?: string;
}

export type PresenceState = { readonly [key: string]: Json } | null;

/** Somebody's session in the document. */
export interface SessionInfo {
  readonly sessionId: string;
  readonly clientId: string;
  readonly user: UserProfile;
  readonly role: Role;
  readonly presence: PresenceState;
  readonly joinedAt: string;
}

export interface LockInfo {
  readonly id: string;
  /** null: the whole document. */
  readonly element: string | null;
  readonly sessionId: string;
  readonly clientId: string;
  readonly user: { readonly id: string; readonly name?: string };
  readonly acquiredAt: string;
  readonly expiresAt: string;
  readonly expiresInMs: number;
  /** Fencing token: grows with every acquisition in the document. */
  readonly token: number;
  /** The document's version at the grant. */
  readonly version: number;
}

export interface LocksState {
  readonly revision: number;
  readonly locks: readonly LockInfo[];
}

export interface ConflictInfo {
  readonly id: string;
  readonly element: string;
  /** Empty: the whole element. */
  readonly properties: readonly string[];
  /** Operation ids, the newest 100. */
  readonly operations: readonly string[];
  readonly resolution: "lww" | "merge" | "manual";
  readonly createdAt: string;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string | null;
  readonly description: string;
}

/** What the server accepts; 0: no limit. */
export interface SessionLimits {
  readonly maxMessageBytes: number;
  readonly maxServerMessageBytes: number;
  readonly maxOpsPerSubmit: number;
  readonly maxInFlight: number;
  readonly maxPresenceBytes: number;
  readonly opsPerSecond: number;
  readonly presencePerSecond: number;
}

// ---- client → server -------------------------------------------------------------------------------------

export interface Hello {
  readonly type: "hello";
  readonly token?: string;
  readonly clientId: string;
  readonly since?: number;
  readonly sinceId?: string;
  readonly pending?: readonly string[];
  readonly presence?: PresenceState;
  readonly profile?: { readonly name?: string; readonly color?: string };
}

export interface Submit {
  readonly type: "submit";
  readonly seq: number;
  readonly base: number;
  readonly ops: readonly Operation[];
  readonly onConflict?: "reject";
}

export interface PresenceUpdate {
  readonly type: "presence";
  readonly state: PresenceState;
}

export interface Ping {
  readonly type: "ping";
  readonly t: Json;
}

export interface Auth {
  readonly type: "auth";
  readonly requestId: string;
  readonly token: string;
}

/** Acquires, renews or releases the lock of an element, or (without one) of the document. */
export interface LockCommand {
  readonly type: "lock";
  readonly requestId: string;
  readonly action: "acquire" | "renew" | "release";
  readonly element?: string | null;
  /** 1,000–300,000; default: the server's `lockTimeout`. */
  readonly ttlMs?: number;
}

/** What a conflict is resolved to: what stands, what was held back, or own values. */
export type ResolveChoice =
  | "current"
  | "incoming"
  | { readonly set?: Properties; readonly unset?: readonly string[] };

export interface ResolveCommand {
  readonly type: "resolve";
  readonly requestId: string;
  readonly conflictId: string;
  readonly choose: ResolveChoice;
  /** What the resolver has seen; default: the current version. */
  readonly base?: number;
}

export type ClientMessage = Hello | Submit | PresenceUpdate | Ping | Auth | LockCommand | ResolveCommand;

// ---- server → client -------------------------------------------------------------------------------------

export interface Welcome {
  readonly type: "welcome";
  readonly sessionId: string;
  readonly instanceId: string;
  readonly user: UserProfile;
  readonly role: Role;
  readonly document: DocumentMetadata;
  readonly version: number;
  readonly snapshot?: {
    readonly version: number;
    readonly id?: string;
    readonly elements: { readonly [id: string]: Properties };
    readonly more: boolean;
  };
  readonly ops: readonly SequencedOperation[];
  readonly rebase?: true;
  readonly committed: { readonly [operationId: string]: number };
  readonly sessions: readonly SessionInfo[];
  readonly locks: LocksState;
  readonly limits: SessionLimits;
  readonly serverTime: string;
}

export interface SnapshotPart {
  readonly type: "snapshot";
  readonly elements: { readonly [id: string]: Properties };
  readonly more: boolean;
}

export interface Ops {
  readonly type: "ops";
  readonly ops: readonly SequencedOperation[];
}

export interface Ack {
  readonly type: "ack";
  readonly seq: number;
  readonly versions: readonly number[];
  readonly duplicate: true;
}

export interface Reject {
  readonly type: "reject";
  readonly seq: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** The document's current version. */
  readonly version: number;
  readonly details?: { readonly [key: string]: unknown };
}

export interface ConflictMessage {
  readonly type: "conflict";
  readonly conflict: ConflictInfo;
}

/** A conflict record was resolved by somebody. */
export interface ResolvedMessage {
  readonly type: "resolved";
  readonly conflict: ConflictInfo;
}

/** Every active lock of the document, on each grant, release and expiry. */
export interface LocksMessage extends LocksState {
  readonly type: "locks";
}

export interface PresenceBroadcast {
  readonly type: "presence";
  readonly joined?: readonly SessionInfo[];
  readonly left?: readonly string[];
  readonly states?: { readonly [sessionId: string]: PresenceState };
}

export interface RoleMessage {
  readonly type: "role";
  readonly role: Role;
}

export interface DocumentMessage {
  readonly type: "document";
  readonly document: DocumentMetadata;
}

export interface Pong {
  readonly type: "pong";
  readonly t: Json;
  readonly serverTime: string;
}

/** The answer to a message that carries a `requestId`. */
export type Result =
  | {
      readonly type: "result";
      readonly requestId: string;
      readonly ok: true;
      readonly lock?: LockInfo;
      readonly conflict?: ConflictInfo;
    }
  | {
      readonly type: "result";
      readonly requestId: string;
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details?: { readonly [key: string]: unknown };
    };

export interface ErrorMessage {
  readonly type: "error";
  readonly code: "bad_message" | "too_large" | "rate_limited" | "internal";
  readonly message: string;
  readonly requestId?: string;
}

export interface Bye {
  readonly type: "bye";
  readonly reason: "shutdown" | "overloaded";
  readonly retryAfterMs: number;
}

export type ServerMessage =
  | Welcome
  | SnapshotPart
  | Ops
  | Ack
  | Reject
  | ConflictMessage
  | ResolvedMessage
  | LocksMessage
  | PresenceBroadcast
  | RoleMessage
  | DocumentMessage
  | Pong
  | Result
  | ErrorMessage
  | Bye;
