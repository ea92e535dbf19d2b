/**
 * What the data layer offers. Two implementations: postgres/ (the truth that all instances share) and memory/
 * (unit tests and throw-away runs). `test/store/contract.ts` runs over both.
 *
 * Times are RFC 3339 strings in UTC with milliseconds, versions are safe integers. Expected outcomes (a stale
 * version, a held lock, a taken id) are values; an exception means an outage (`StoreUnavailable`) or a bug.
 */
import type { ConflictWrite } from "../../shared/document/conflict-record.ts";
import type { Json } from "../../shared/document/json.ts";
import type { Author, OperationStatus, OperationType } from "../../shared/document/operation.ts";
import type {
  ConflictPolicy,
  DocumentState,
  DocumentType,
  Role,
  UserProfile,
} from "../../shared/protocol/messages.ts";

export type { ConflictWrite } from "../../shared/document/conflict-record.ts";

/** The database did not answer, or answered that it cannot now. What was asked for may have happened. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

/** The database refused a value as such (SQLSTATE class 22 or 23): asking again cannot help. */
export class StoreRefused extends Error {
  override readonly name: string = "StoreRefused";
}

/** A page's cursor is none that this list gave. */
export class UnreadableCursor extends StoreRefused {
  override readonly name = "UnreadableCursor";
}

// ---- documents -------------------------------------------------------------------------------------------

/** Where a document stands: what anti-entropy compares and a refusal is confirmed by. */
export interface Head {
  readonly docId: string;
  readonly state: DocumentState;
  readonly version: number;
  /** Id of the operation at `version`; null at 0 and after a tool moved the version. */
  readonly operationId: string | null;
  readonly metadataVersion: number;
  readonly revision: number;
}

export interface DocumentRecord extends Head {
  readonly name: string;
  readonly type: DocumentType;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly activeUsers: readonly string[];
  readonly tags: readonly string[];
  readonly description: string;
  readonly properties: { readonly [key: string]: Json };
  readonly owner: string;
  readonly editors: readonly string[];
  readonly viewers: readonly string[];
  readonly public: boolean;
  readonly conflictPolicy: ConflictPolicy;
}

export interface NewDocument {
  readonly id: string;
  readonly name: string;
  readonly type: DocumentType;
  readonly createdBy: string;
  readonly tags?: readonly string[];
  readonly description?: string;
  readonly properties?: { readonly [key: string]: Json };
  readonly editors?: readonly string[];
  readonly viewers?: readonly string[];
  readonly public?: boolean;
  readonly conflictPolicy?: ConflictPolicy;
}

/** The newest edit of a document's content. */
export interface DocumentEdit {
  readonly docId: string;
  readonly by: string;
  /** When it was committed, RFC 3339. */
  readonly at: string;
  /** What the metadata was then. */
  readonly metadataVersion: number;
}

/** A change of metadata; absent fields stay. */
export interface DocumentChange {
  readonly name?: string;
  readonly type?: DocumentType;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly properties?: { readonly [key: string]: Json };
  readonly state?: DocumentState;
  readonly owner?: string;
  readonly editors?: readonly string[];
  readonly viewers?: readonly string[];
  readonly public?: boolean;
  readonly conflictPolicy?: ConflictPolicy;
}

/** Who asks for a list of documents. */
export interface Reader {
  readonly user: string;
  /** Readable by their token, whatever the lists say. */
  readonly docIds: readonly string[];
  /** Those of them that they may edit. */
  readonly editable: readonly string[];
}

export interface DocumentFilter {
  readonly type?: DocumentType;
  readonly state?: DocumentState;
  readonly createdBy?: string;
  readonly owner?: string;
  /**
   * Documents on which this user has a role (owner, editors, viewers). With `readableBy`, what the lists of editors and
   * viewers say of somebody else counts only where they are shown: to owners and editors.
   */
  readonly user?: string;
  readonly activeUser?: string;
  readonly tag?: string;
  /** Case-insensitive part of the name or the description. */
  readonly text?: string;
  readonly properties?: { readonly [name: string]: Json };
  readonly public?: boolean;
  /** Only what this user may read: theirs, and others' public ones when `public` is true. */
  readonly readableBy?: Reader;
}

export interface Page {
  /** 1–200. */
  readonly limit: number;
  /** Opaque, from `nextCursor`. Another is an `UnreadableCursor`. */
  readonly cursor?: string;
}
export interface Paged<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}
export interface DocumentSort {
  readonly by: "updatedAt" | "createdAt" | "name";
  readonly order: "asc" | "desc";
}

export type UpdateDocumentResult =
  | { readonly outcome: "updated"; readonly document: DocumentRecord }
  | { readonly outcome: "mismatch"; readonly document: DocumentRecord }
  | { readonly outcome: "missing" };

export interface DocumentStore {
  /** Creates a document at version 0. */
  create(
    document: NewDocument,
  ): Promise<{ outcome: "created"; document: DocumentRecord } | { outcome: "taken" }>;
  get(docId: string): Promise<DocumentRecord | undefined>;
  /** One query; what is absent is left out. */
  getMany(docIds: readonly string[]): Promise<DocumentRecord[]>;
  /** Changes metadata under the row's lock and moves `metadataVersion`; with `expectedMetadataVersion` only at that one. */
  update(
    docId: string,
    change: DocumentChange,
    by: string,
    expectedMetadataVersion?: number,
  ): Promise<UpdateDocumentResult>;
  /** Removes a document and all that belongs to it, the log in parts. */
  purge(docId: string): Promise<boolean>;
  list(filter: DocumentFilter, sort: DocumentSort, page: Page): Promise<Paged<DocumentRecord>>;
  count(filter: DocumentFilter): Promise<number>;
  /** The heads of many documents, and which of `ids` their logs contain, in one query. Absent documents are left out. */
  heads(queries: readonly HeadQuery[]): Promise<HeadAnswer[]>;
  /** Compare-and-set of version and content, for tools and imports (`atomic_update_document_version`). */
  updateVersion(docId: string, from: number, to: number, content: Uint8Array, by: string): Promise<boolean>;
  /**
   * Moves the materialised `content` forward; false when a newer one is there already, and when the operation at the
   * version is another one (another history; null: not compared).
   */
  writeContent(
    docId: string,
    at: Pick<Head, "version" | "operationId">,
    content: Uint8Array,
  ): Promise<boolean>;
  readContent(docId: string): Promise<{ version: number; content: Uint8Array } | undefined>;
  /**
   * Makes `updatedAt` and `updatedBy` follow edits, each document once; left as they are where the metadata was changed
   * after the edit. Returns the documents whose rows others held: they are not waited for.
   */
  touch(edits: readonly DocumentEdit[]): Promise<string[]>;
  addActiveUser(docId: string, user: string): Promise<void>;
  removeActiveUser(docId: string, user: string): Promise<void>;
  /** Snapshot, the log after it, metadata and locks in one consistent read. */
  load(docId: string): Promise<LoadedDocument | undefined>;
}

export interface HeadQuery {
  readonly docId: string;
  /** Operation ids that may be in the log. */
  readonly ids?: readonly string[];
}
export interface HeadAnswer {
  readonly head: Head;
  readonly known: readonly KnownOperation[];
  /** The lowest version that is still in the live log; `head.version + 1` when none is. */
  readonly retainedFrom: number;
}
/** An operation id that a document has already, archived ones included. */
export interface KnownOperation {
  readonly id: string;
  readonly version: number;
  readonly user: string;
  readonly client: string;
}

export interface LoadedDocument {
  readonly document: DocumentRecord;
  readonly locks: LockList;
  readonly snapshot: StoredSnapshot | undefined;
  /** The log after the snapshot, in order, up to `document.version`. */
  readonly tail: readonly StoredOperation[];
  /** Conflict records that a collision may join: the last was at most 10 s ago, or they are unresolved. */
  readonly recentConflicts: readonly ConflictRecord[];
  /** Operations that wait in unresolved records, in order. */
  readonly heldBack: readonly StoredOperation[];
  /** The lowest version that is still in the live log; `document.version + 1` when none is. */
  readonly retainedFrom: number;
  readonly now: string;
}

// ---- operations ------------------------------------------------------------------------------------------

/** One row of the log. */
export interface StoredOperation {
  readonly docId: string;
  readonly version: number;
  readonly id: string;
  readonly type: OperationType;
  readonly element: string;
  readonly base: number;
  readonly status: OperationStatus;
  readonly conflict: string | null;
  readonly session: string;
  readonly user: string;
  readonly client: string;
  readonly at: string;
  /** JSON text of the effect: an object with those of `props set unset append splice` that the operation has. */
  readonly data: string;
  /** JSON text of an object. */
  readonly extra: string | null;
}

export interface OperationFilter {
  readonly docId?: string;
  readonly user?: string;
  readonly session?: string;
  readonly type?: OperationType;
  readonly status?: OperationStatus;
  readonly element?: string;
  readonly fromTime?: string;
  readonly toTime?: string;
  readonly fromVersion?: number;
  readonly toVersion?: number;
}

export type LogRange =
  /** `operations` follow on `after` without a gap; `complete` when they reach the document's version at the time of the read. */
  | {
      readonly outcome: "range";
      readonly operations: readonly StoredOperation[];
      readonly complete: boolean;
      readonly head: Head;
    }
  /** `after` is older than the retained log. */
  | { readonly outcome: "archived"; readonly head: Head }
  /** The operation at `after.version` is another one, or the version was never reached: another history. */
  | { readonly outcome: "history"; readonly head: Head }
  | { readonly outcome: "missing" };

export interface OperationStore {
  get(docId: string, operationId: string): Promise<StoredOperation | undefined>;
  list(filter: OperationFilter, order: "asc" | "desc", page: Page): Promise<Paged<StoredOperation>>;
  /** The newest `count` operations of a document, oldest first. */
  latest(docId: string, count: number): Promise<StoredOperation[]>;
  /** Versions `from`…`to`, bounds inclusive, in order. */
  byVersion(docId: string, from: number, to: number): Promise<StoredOperation[]>;
  /** The author's among them: as many rows are read as there are versions, and only these are answered. */
  byAuthor(docId: string, author: Author, from: number, to: number): Promise<StoredOperation[]>;
  /** What became of the operations at these versions; those that are not in the live log are left out. */
  statuses(
    docId: string,
    versions: readonly number[],
  ): Promise<Pick<StoredOperation, "version" | "status">[]>;
  /** What follows a version that the caller has, up to `maxBytes` of data (at least one operation). `id` null: not compared. */
  after(docId: string, after: { version: number; id: string | null }, maxBytes: number): Promise<LogRange>;
  /** Operations with status `pending` (reserved) or `conflict`, in order; of each only where it waits, since they may be thousands. */
  pending(docId: string): Promise<Pick<StoredOperation, "id" | "version" | "conflict">[]>;
  updateStatus(docId: string, operationId: string, status: OperationStatus): Promise<boolean>;
}

// ---- commit ----------------------------------------------------------------------------------------------

/** Who an operation came from, shared by the operations of one submit. */
export interface Origin {
  readonly user: string;
  readonly client: string;
  readonly session: string;
  /** The client whose locks count, where the server composed the operation for somebody (`client` is `server` then). */
  readonly lockClient?: string;
  readonly ip?: string;
  readonly userAgent?: string;
  readonly platform?: string;
}

export interface CommitOperation {
  readonly id: string;
  readonly type: OperationType;
  readonly element: string;
  readonly base: number;
  readonly status: "applied" | "conflict";
  readonly conflict?: string;
  /** JSON text, as `StoredOperation.data`. */
  readonly data: string;
  /** JSON text of an object. */
  readonly extra?: string;
  readonly origin: Origin;
}

/** An unresolved conflict record to resolve. */
export interface ConflictResolve {
  readonly conflictId: string;
  readonly resolvedBy: string;
  /** Held-back operations that become `resolved`. */
  readonly operations: readonly string[];
}

export interface DocumentBatch {
  readonly docId: string;
  readonly expectedVersion: number;
  /** Id of the operation at `expectedVersion`; null at 0. */
  readonly expectedId: string | null;
  readonly metadataVersion: number;
  /** Accept at `expectedVersion` only: at any later one the answer is `stale` (replacing a whole content). */
  readonly exact?: boolean;
  readonly operations: readonly CommitOperation[];
  readonly conflicts?: readonly ConflictWrite[];
  readonly resolves?: readonly ConflictResolve[];
}

/**
 * Operations that the proposer lacks: those after `expectedVersion` (and before its own). `complete: false`: there
 * are more than ride in an answer (128 KiB); read them with `operations.after`.
 */
export interface Missed {
  readonly operations: readonly StoredOperation[];
  readonly complete: boolean;
}

export type CommitResult =
  /** Stored as `firstVersion`… in order. */
  | {
      readonly outcome: "committed";
      readonly firstVersion: number;
      readonly at: string;
      readonly revision: number;
      readonly missed: Missed;
    }
  /** An operation since `expectedVersion` touches an element of the batch: compare again, propose again. */
  | { readonly outcome: "stale"; readonly head: Head; readonly missed: Missed }
  /** Some ids are in the log already. Judged before anything else. */
  | { readonly outcome: "repeat"; readonly head: Head; readonly known: readonly KnownOperation[] }
  | { readonly outcome: "locked"; readonly head: Head; readonly lock: LockRecord }
  /** The document is not active, or its metadata moved. */
  | { readonly outcome: "changed"; readonly head: Head }
  /** A conflict record that the batch joins or resolves is resolved already. */
  | { readonly outcome: "resolved"; readonly head: Head; readonly conflictId: string }
  /** `expectedId` is not the operation at `expectedVersion`: the proposer lives in another history. */
  | { readonly outcome: "history"; readonly head: Head }
  | { readonly outcome: "missing" }
  /** Somebody else holds the document's row, or (with `wait`) one of the call's rows. Nothing is written. */
  | { readonly outcome: "busy" };

// ---- conflicts -------------------------------------------------------------------------------------------

export interface ConflictRecord {
  readonly id: string;
  readonly docId: string;
  readonly element: string;
  readonly properties: readonly string[];
  readonly resolution: "lww" | "merge" | "manual";
  readonly resolvedBy: string | null;
  readonly resolvedAt: string | null;
  readonly description: string;
  readonly createdAt: string;
  readonly lastAt: string;
  readonly authors: readonly string[];
  /** Operation ids in version order, the newest 100. */
  readonly operations: readonly string[];
}

export interface ConflictStore {
  /** For tools: the server makes records within the commit. */
  create(docId: string, conflict: ConflictWrite): Promise<ConflictRecord>;
  get(
    docId: string,
    conflictId: string,
  ): Promise<{ conflict: ConflictRecord; operations: StoredOperation[] } | undefined>;
  list(
    docId: string,
    state: "unresolved" | "resolved" | undefined,
    page: Page,
  ): Promise<Paged<ConflictRecord>>;
  /** All that are unresolved, as far as it takes to see which of them are new or were joined since. */
  unresolved(docId: string): Promise<Pick<ConflictRecord, "id" | "lastAt">[]>;
  /** Records made, joined or resolved lately: by id, in one query. */
  getMany(docId: string, conflictIds: readonly string[]): Promise<ConflictRecord[]>;
  /** False when it is resolved already or absent. */
  resolve(docId: string, resolve: ConflictResolve): Promise<boolean>;
}

// ---- locks -----------------------------------------------------------------------------------------------

export interface LockRecord {
  readonly id: string;
  readonly docId: string;
  readonly element: string | null;
  readonly user: string;
  readonly client: string;
  readonly session: string;
  readonly token: number;
  readonly version: number;
  readonly acquiredAt: string;
  readonly expiresAt: string;
  /** By the database's clock at the read. */
  readonly expiresInMs: number;
}

export interface LockRequest {
  readonly docId: string;
  readonly element: string | null;
  readonly user: string;
  readonly client: string;
  readonly session: string;
  readonly ttlMs: number;
  /** Most active locks of this author in the document; 0: no limit. */
  readonly maxPerAuthor: number;
  /** The metadata under which the caller may edit; absent: not compared. */
  readonly metadataVersion?: number;
}

export type LockResult =
  | {
      readonly outcome: "granted";
      readonly lock: LockRecord;
      readonly revision: number;
      /** The document's version then. */
      readonly version: number;
      readonly renewed: boolean;
    }
  | { readonly outcome: "held"; readonly lock: LockRecord }
  | { readonly outcome: "too_many" }
  | { readonly outcome: "not_active" }
  /** The metadata moved, or the document is gone (only with `metadataVersion`): judge anew. */
  | { readonly outcome: "changed" }
  | { readonly outcome: "missing" };

/** Which of a document's locks: one by id, those of an author, those of users, or all. */
export type LockSelection =
  | { readonly lockId: string }
  | { readonly author: { readonly user: string; readonly client: string } }
  | { readonly users: readonly string[] }
  | "all";

/** When locks may be ended; judged under the document's row lock. */
export interface EndCondition {
  /** Only under this metadata. */
  readonly metadataVersion?: number;
  /** Only when no live session of this author but this one is in the document. */
  readonly unlessOpen?: { readonly user: string; readonly client: string; readonly butSession: string };
}

export interface LockList {
  readonly revision: number;
  /** The document's version at the read. */
  readonly version: number;
  /** Active and unexpired ones, by token. */
  readonly locks: readonly LockRecord[];
  /** Leases are over whose end nobody has written yet: they are not in `locks`, and the revision does not count it. */
  readonly hasExpired: boolean;
}

export interface LockStore {
  /** Takes, or renews, under the document's row lock and the database's clock. */
  acquire(request: LockRequest): Promise<LockResult>;
  renew(request: Omit<LockRequest, "maxPerAuthor">): Promise<LockResult | { readonly outcome: "not_held" }>;
  /** With the document's revision and version after it. */
  release(
    docId: string,
    lockId: string,
  ): Promise<{ readonly released: boolean; readonly revision: number; readonly version: number }>;
  /** Releases all of an author's locks in a document; returns how many. */
  releaseAll(docId: string, user: string, client: string): Promise<number>;
  /** Ends locks under a condition; how many stood until then. Undefined: it does not hold, or the document is gone. */
  end(docId: string, which: LockSelection, condition: EndCondition): Promise<number | undefined>;
  get(docId: string, lockId: string): Promise<LockRecord | undefined>;
  /** With the document's revision and version, in one read. */
  list(docId: string): Promise<LockList>;
  /** Whether a lock of somebody else stands in the way of this author's writing the element (null: anything). */
  isLocked(
    docId: string,
    element: string | null,
    user: string,
    client: string,
  ): Promise<LockRecord | undefined>;
  /** Deactivates expired locks (of these documents, or of all); returns how many. */
  cleanExpired(docIds?: readonly string[]): Promise<number>;
}

// ---- snapshots -------------------------------------------------------------------------------------------

/**
 * A document's state at a version, in parts of about 256 KiB.
 * `elements`: each part the inside of a JSON object (`"id":{…},"id2":{…}`), ready to be placed into a frame.
 * `memory`: the parts that `shared/document/memory.ts` writes.
 */
export interface Snapshot {
  readonly version: number;
  readonly operationId: string | null;
  readonly elements: readonly string[];
  readonly memory: readonly string[];
}

/**
 * What differs from an earlier whole snapshot, its base, of about a megabyte at most: parts to be read after those of the
 * base, whose elements they replace (null: it is gone).
 */
export interface SnapshotChanges extends Snapshot {
  readonly base: number;
}

/** What is read: a whole snapshot and the changes that lead on from it. */
export interface StoredSnapshot {
  readonly whole: Snapshot;
  readonly changes: SnapshotChanges | undefined;
}

export interface SnapshotInfo {
  readonly version: number;
  readonly operationId: string | null;
  /** About: as stored. */
  readonly bytes: number;
  /** Of changes: the version of the whole snapshot that they are read with; null: it is a whole one. */
  readonly base: number | null;
}

/**
 * Snapshots save time only. Writing and removing them is not flushed at once: a crash of the database may lose the
 * last ones, in the order in which they were written, unless something was committed durably since.
 */
export interface SnapshotStore {
  /**
   * Visible as a whole or not at all; no-op at a version that has one. Answers about how many the document keeps;
   * undefined: it has none of this history at this version now (the document is gone, or lives in another one).
   */
  write(docId: string, snapshot: Snapshot): Promise<number | undefined>;
  /** The same for changes; undefined when the base is gone, too. */
  writeChanges(docId: string, changes: SnapshotChanges): Promise<number | undefined>;
  /** The newest at or before a version. */
  nearest(docId: string, atMost: number): Promise<StoredSnapshot | undefined>;
  /** What is kept, whole and changes, oldest first; of one version the whole one. */
  list(docId: string): Promise<SnapshotInfo[]>;
  /** Deletes what is kept of these versions, but for the snapshot that the retained log begins at and bases that are needed. */
  remove(docId: string, versions: readonly number[]): Promise<void>;
}

// ---- named versions --------------------------------------------------------------------------------------

/** A moment of a document that somebody named. */
export interface NamedVersion {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
}

export type NameVersionResult =
  | { readonly outcome: "created"; readonly named: NamedVersion }
  | { readonly outcome: "taken" }
  /** The document was never at this version. */
  | { readonly outcome: "beyond"; readonly version: number }
  /** Older than the retained log: the content there can not be rebuilt. */
  | { readonly outcome: "archived" }
  | { readonly outcome: "missing" };

export interface VersionStore {
  /** Without a version: the current one. */
  create(
    docId: string,
    named: { readonly name: string; readonly version?: number; readonly createdBy: string },
  ): Promise<NameVersionResult>;
  /** By version, then by name. */
  list(docId: string, page: Page): Promise<Paged<NamedVersion>>;
  /** False when there is none of this name. */
  remove(docId: string, name: string): Promise<boolean>;
  /** The versions that have a name, each once. */
  marked(docId: string): Promise<number[]>;
}

// ---- assets ----------------------------------------------------------------------------------------------

/** An image or file of a document, named by the hash of its content: written once, never changed. */
export interface AssetRecord {
  readonly docId: string;
  /** SHA-256 of the content, lower-case hexadecimal. */
  readonly sha256: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface NewAsset extends AssetRecord {
  readonly createdBy: string;
  /** The document's `metadataVersion` under which the caller was authorised. */
  readonly metadataVersion: number;
  /** Most bytes of all assets of the document, this one included; 0: no limit. What is put at the same time may overshoot it. */
  readonly maxBytesPerDocument: number;
}

export type PutAssetResult =
  /** `kept`: it was there already; its content type stays. */
  | { readonly outcome: "stored" | "kept" }
  | { readonly outcome: "too_large" }
  /** The document is not active any more, or its metadata moved: authorise again. */
  | { readonly outcome: "changed" }
  | { readonly outcome: "missing" };

export interface AssetStore {
  put(asset: NewAsset): Promise<PutAssetResult>;
  get(docId: string, sha256: string): Promise<AssetRecord | undefined>;
  has(docId: string, sha256: string): Promise<boolean>;
}

// ---- webhooks --------------------------------------------------------------------------------------------

export const webhookEvents = ["operations", "conflicts", "locks", "documents"] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

export interface WebhookRecord {
  readonly id: string;
  /** Whose rights decide what is delivered. */
  readonly owner: string;
  /** Null: every document on which the owner has a role by its lists. */
  readonly docId: string | null;
  readonly url: string;
  readonly secret: string;
  readonly events: readonly WebhookEvent[];
  readonly createdAt: string;
  /** Nothing is written or delivered for it while this is set. */
  readonly disabledAt: string | null;
  readonly failingSince: string | null;
  readonly lastError: string | null;
}

export interface NewWebhook
  extends Pick<WebhookRecord, "id" | "owner" | "docId" | "url" | "secret" | "events"> {
  /** 0: no limit. */
  readonly maxPerOwner: number;
}

export interface WebhookChange {
  readonly url?: string;
  readonly secret?: string;
  readonly events?: readonly WebhookEvent[];
  /** False drops what waits for it; true forgets its failures. */
  readonly active?: boolean;
}

/** An event that is to be delivered, leased to whoever claimed it. */
export interface Delivery {
  /** The event's id, the same in every attempt. */
  readonly id: string;
  readonly webhook: WebhookRecord;
  readonly docId: string;
  readonly event: WebhookEvent;
  /** What is not read at the delivery. */
  readonly body: { readonly [key: string]: Json };
  /** Of an `operations` event. */
  readonly fromVersion: number | null;
  readonly toVersion: number | null;
  /** The conflict record of a `conflicts` event. */
  readonly ref: string | null;
  readonly createdAt: string;
  /** By the database's clock at the claim. */
  readonly ageMs: number;
  /** This one included; also what tells whether the lease is still ours. */
  readonly attempts: number;
}

export interface ClaimRequest {
  readonly limit: number;
  /** Of one webhook, beside what is in flight already. */
  readonly perWebhook: number;
  /** Webhooks of which nothing is to be claimed. */
  readonly except: readonly string[];
  readonly leaseMs: number;
}

export type FailedDelivery = {
  readonly error: string;
} & (
  | { readonly next: "retry"; readonly inMs: number }
  /** Give up this event, or, when nothing arrived for `disableAfterMs`, the webhook. */
  | { readonly next: "give up"; readonly disableAfterMs: number }
  | { readonly next: "disable" }
);

/**
 * Webhooks and their outbox. The database itself writes the outbox, in the transaction of what it tells. Events of
 * one webhook and document are claimed one after the other, in their order.
 */
export interface WebhookStore {
  create(
    webhook: NewWebhook,
  ): Promise<{ outcome: "created"; webhook: WebhookRecord } | { outcome: "too_many" }>;
  get(id: string): Promise<WebhookRecord | undefined>;
  /** Oldest first. */
  list(owner: string, page: Page): Promise<Paged<WebhookRecord>>;
  update(id: string, change: WebhookChange): Promise<WebhookRecord | undefined>;
  remove(id: string): Promise<boolean>;
  /** Leases what is due. A lease that ends (its holder died) is claimed again. */
  claim(request: ClaimRequest): Promise<Delivery[]>;
  /** It arrived, or is not to be told (any more). False: the lease was lost, somebody else delivers it. */
  settle(delivery: Delivery, arrived: boolean): Promise<boolean>;
  /** It did not arrive. True: the webhook is disabled now. */
  fail(delivery: Delivery, failed: FailedDelivery): Promise<boolean>;
  /** Events that wait, over all webhooks. */
  waiting(): Promise<number>;
}

// ---- sessions and instances ------------------------------------------------------------------------------

export interface SessionRecord {
  readonly id: string;
  readonly docId: string;
  /** Null: a REST edit, which is over when it is recorded. */
  readonly instanceId: string | null;
  readonly user: UserProfile;
  readonly client: string;
  readonly role: Role;
  readonly joinedAt: string;
}

export interface SessionStore {
  /** Registers or renews an instance's lease. False: the lease was lost (reaped); its sessions are gone. */
  heartbeat(instanceId: string): Promise<boolean>;
  /** Ends leases older than this and their sessions; returns the documents that lost sessions. */
  reap(olderThanMs: number): Promise<string[]>;
  /** Ends an instance and its sessions. */
  stop(instanceId: string): Promise<void>;
  /**
   * Records sessions, many in one statement. Each row also says from which version on its operations are to be looked for.
   * Returns the documents whose rows others held: their sessions are not recorded.
   */
  join(
    sessions: readonly (Omit<SessionRecord, "joinedAt"> & {
      version: number;
      ip?: string;
      userAgent?: string;
      platform?: string;
    })[],
  ): Promise<string[]>;
  /** Returns the sessions whose rows others held: they have not left yet. */
  leave(sessionIds: readonly string[]): Promise<string[]>;
  /**
   * Ends the instance's sessions but those of `present`, which it has now, and those recorded since its last heartbeat was
   * answered, or some seconds before; returns the documents that lost sessions.
   */
  leaveAbsent(instanceId: string, present: readonly string[]): Promise<string[]>;
  /** Live sessions of these documents, in one query; those of the instance `except` are left out. */
  live(docIds: readonly string[], except?: string): Promise<SessionRecord[]>;
  /**
   * Makes `documents.active_users` what the live sessions say, where it differs and the row is free. Returns the documents
   * where it differed: they are to be asked for again, until none is left.
   */
  refreshActiveUsers(docIds: readonly string[]): Promise<string[]>;
}

// ---- the whole -------------------------------------------------------------------------------------------

export interface StoreStats {
  readonly documents: { readonly total: number; readonly active: number; readonly archived: number };
  readonly operations: number;
  readonly conflicts: { readonly total: number; readonly resolved: number };
  readonly locks: { readonly active: number };
  readonly sessions: number;
  readonly instances: number;
}
export interface DocumentStats {
  readonly docId: string;
  readonly operations: number;
  readonly pendingOperations: number;
  readonly conflicts: number;
  readonly unresolvedConflicts: number;
  readonly activeLocks: number;
  readonly activeUsers: number;
}

export interface Store {
  readonly kind: "postgres" | "memory";
  readonly documents: DocumentStore;
  readonly operations: OperationStore;
  readonly conflicts: ConflictStore;
  readonly locks: LockStore;
  readonly snapshots: SnapshotStore;
  readonly assets: AssetStore;
  /** Undefined in memory: what is to be delivered must outlive the process. */
  readonly webhooks: WebhookStore | undefined;
  readonly versions: VersionStore;
  readonly sessions: SessionStore;
  /**
   * One round trip for many documents (each at most once), results in their order; each document's batch happens
   * whole or not at all. Without `wait`, rows that others hold answer `busy` at once; with it, the call waits
   * for them a tenth of a second, and then answers `busy` for all of its documents.
   */
  commit(batches: readonly DocumentBatch[], options: { readonly wait: boolean }): Promise<CommitResult[]>;
  /** A secret that all instances share: `make()` decides its first value. */
  secret(name: string, make: () => string): Promise<string>;
  stats(): Promise<StoreStats>;
  documentStats(docIds: readonly string[]): Promise<DocumentStats[]>;
  /** Resolves when the store answers; rejects with `StoreUnavailable` otherwise. */
  ping(): Promise<{ readonly now: string }>;
  close(): Promise<void>;
}
