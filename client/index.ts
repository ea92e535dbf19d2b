/** The AetherFlow StateSync SDK, for browsers and Node.js: `openDocument` is where everything begins. */
export type { Json, Properties } from "../shared/document/json.ts";
export { merge } from "../shared/document/merge.ts";
export type { Operation, OperationType, SequencedOperation } from "../shared/document/operation.ts";
export type { ErrorCode } from "../shared/protocol/codes.ts";
export type {
  ConflictInfo,
  DocumentMetadata,
  LockInfo,
  PresenceState,
  ResolveChoice,
  Role,
  SessionInfo,
  SessionLimits,
  UserProfile,
} from "../shared/protocol/messages.ts";
export type { BackoffOptions } from "./backoff.ts";
export type { Conflicts, ResolveOptions } from "./conflicts.ts";
export type { ConnectionState } from "./connection.ts";
export {
  AlreadyResolvedError,
  ChangeError,
  type ChangeErrorCode,
  ConnectionClosedError,
  LockHeldError,
  RequestError,
  type RequestErrorCode,
} from "./errors.ts";
export type { Listener, Unsubscribe } from "./events.ts";
export type { AcquireOptions, LockLostEvent, Locks } from "./locks.ts";
export { DocumentReplica, openDocument } from "./open-document.ts";
export type {
  ChangeEvent,
  DocumentEvents,
  OpenDocumentOptions,
  RejectEvent,
  TransactOptions,
} from "./options.ts";
export type { PresenceEvent } from "./others.ts";
export type { VersionConflictAnswer } from "./outbox.ts";
export type { Presence } from "./presence.ts";
export {
  type Blame,
  type ContentAt,
  type DocumentRest,
  documentRest,
  type EditResult,
  type NamedVersion,
  type OperationFilter,
  type Page,
  type PageOptions,
  RestError,
  type RestOptions,
} from "./rest.ts";
export type { ClientSocket, CreateWebSocket } from "./socket.ts";
export { forgetDocument } from "./storage/forget.ts";
export { indexedDbStorage } from "./storage/indexed-db.ts";
export { memoryStorage } from "./storage/memory.ts";
export type {
  Release,
  ReplicaStorage,
  StoredChange,
  StoredEntry,
  StoredHead,
  StoredReplica,
  StoredSubmit,
} from "./storage/storage.ts";
export type { Timers } from "./timers.ts";
export type { ChangeOptions, PropertiesToSet, Transaction } from "./transaction.ts";
export type { ChangesOf, ItemsOf, NamesOf, RemovableNamesOf } from "./typed.ts";
export type { UndoOptions, UndoState } from "./undo-history.ts";
