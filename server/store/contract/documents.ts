/** Documents and their metadata. */
import type { Json } from "../../../shared/document/json.ts";
import type { ConflictPolicy, DocumentState, DocumentType } from "../../../shared/protocol/messages.ts";
import type { ConflictRecord } from "./conflicts.ts";
import type { Head, HeadAnswer, HeadQuery } from "./heads.ts";
import type { LockList } from "./locks.ts";
import type { StoredOperation } from "./operations.ts";
import type { Page, Paged } from "./page.ts";
import type { StoredSnapshot } from "./snapshots.ts";

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
  /**
   * Changes metadata under the row's lock and moves `metadataVersion`; with `expectedMetadataVersion` only at that one.
   * `missing` also where a purge has begun: there is no way back from one.
   */
  update(
    docId: string,
    change: DocumentChange,
    by: string,
    expectedMetadataVersion?: number,
  ): Promise<UpdateDocumentResult>;
  /**
   * Removes a document and all that belongs to it, the log in parts; with `onlyAtVersion` only a document at that version
   * (false where it is at another). One that broke off is taken up again by the next.
   */
  purge(docId: string, options?: { readonly onlyAtVersion?: number }): Promise<boolean>;
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
