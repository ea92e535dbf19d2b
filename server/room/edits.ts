/** Edits and questions that come without a socket (REST, tools): the same rules, log and fan-out as for sessions. */
import type { Properties } from "../../shared/document/json.ts";
import type { Operation, OperationStatus } from "../../shared/document/operation.ts";
import type { LockInfo, SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentRecord, Origin } from "../store/store.ts";
import type { LockAnswer, ReleaseRequest, TakeRequest } from "./lock-requests.ts";
import type { ResolveRequest, ResolveResult } from "./resolving.ts";
import type { Refusal } from "./submission.ts";

export interface EditRequest {
  /**
   * Who edits; `session` is made for this request alone. `client` is `server` (and `lockClient` the caller's) for
   * operations that the server composed: those are not bound by `maxOpsPerSubmit`.
   */
  readonly origin: Origin;
  /** Why this may not be done under the document's present lists and state; asked again whenever they change. */
  readonly authorise: (document: DocumentRecord) => Refusal | undefined;
}

export interface SubmitRequest extends EditRequest {
  /** Undefined: the current version. */
  readonly base?: number;
  readonly ops: readonly Operation[];
  readonly onConflict?: "reject";
}

export interface ReplaceRequest extends EditRequest {
  /** The version whose content is replaced; `version_mismatch` when it is not the current one. */
  readonly version: number;
  /** The whole content that is wanted, valid element ids and properties. */
  readonly elements: ReadonlyMap<string, Properties>;
}

export type EditResult =
  | {
      readonly ok: true;
      /** The version that the document has with the edit. */
      readonly version: number;
      /** Of each operation, in order; empty when nothing had to change. */
      readonly versions: readonly number[];
      readonly statuses: readonly OperationStatus[];
      /** The operations were in the log already. */
      readonly duplicate: boolean;
    }
  /** `unavailable`: nobody knows whether it is stored. `not_found`: the document is gone. */
  | ({ readonly ok: false; readonly version?: number } & Refusal);

/** A document's content as texts, so that 64 MiB need not stand in memory twice. */
export interface EncodedContent {
  readonly version: number;
  /** The inside of a JSON object `"id":{…},"id2":{…}` in parts, without commas between the parts. */
  readonly encoded: Iterable<string>;
}

export interface DocumentEdits {
  /** Submits operations; resolves when they are durably committed or refused. */
  submit(docId: string, request: SubmitRequest): Promise<EditResult>;
  /** Replaces the whole content by one atomic batch. */
  replaceContent(docId: string, request: ReplaceRequest): Promise<EditResult>;
  /** Resolves a conflict record; resolves when that is durably committed or refused. */
  resolve(docId: string, request: ResolveRequest): Promise<ResolveResult>;
  /** The content at, or after, the version that was committed when this was called. Undefined: no such document. */
  content(docId: string): Promise<EncodedContent | undefined>;
  /** The document is new or purged: tells the rooms of all instances. */
  documentChanged(docId: string): void;
  /** Metadata, permissions or state changed: tells the rooms, and ends the locks of who may not edit any more. */
  metadataChanged(before: DocumentRecord, after: DocumentRecord): Promise<void>;
  /** Active locks, the oldest first. */
  locks(docId: string): Promise<LockInfo[]>;
  takeLock(docId: string, request: TakeRequest): Promise<LockAnswer>;
  releaseLock(docId: string, request: ReleaseRequest): Promise<LockAnswer>;
  /** Live sessions on all instances. */
  sessions(docId: string): Promise<SessionInfo[]>;
}
