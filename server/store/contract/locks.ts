/** Locks. */
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
