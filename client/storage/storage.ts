import type { Properties } from "../../shared/document/json.ts";
import type { Operation } from "../../shared/document/operation.ts";
import type { DocumentMetadata, Role, UserProfile } from "../../shared/protocol/messages.ts";

/** What waits to be sent, of one element. */
export interface StoredEntry {
  readonly element: string;
  readonly operations: readonly Operation[];
  readonly typing?: Operation;
  readonly low: number;
  readonly high?: number;
}

/** A submit whose fate is not known. */
export interface StoredSubmit {
  readonly base: number;
  /** As sent. */
  readonly operations: readonly Operation[];
  /** What is left of them, as they apply to the confirmed state. */
  readonly left: readonly Operation[];
  readonly attempt: number;
}

/** A replica without its elements. All of it is JSON. */
export interface StoredHead {
  readonly version: number;
  readonly operationId?: string;
  readonly inFlight?: StoredSubmit;
  readonly unsent: readonly StoredEntry[];
  /** Who and what it was when the server said so last. */
  readonly user?: UserProfile;
  readonly role?: Role;
  readonly document?: DocumentMetadata;
}

/** A replica as it is stored. */
export interface StoredReplica {
  readonly head: StoredHead;
  /** The confirmed elements. */
  readonly elements: ReadonlyMap<string, Properties>;
}

/** What makes a stored replica what it is now. */
export interface StoredChange {
  readonly head: StoredHead;
  /** Confirmed elements that are others than before; null: absent. */
  readonly elements: ReadonlyMap<string, Properties | null>;
  /** `elements` are all there are. */
  readonly whole: boolean;
}

/** Ends a claim. */
export type Release = () => void;

/**
 * Where replicas outlive their page or process. A scope is one document of one user; in it, each replica is stored under
 * its client id. Every method may reject: the replica goes on and tells an `error`.
 */
export interface ReplicaStorage {
  /** The client ids under a scope, the one saved last first. */
  list(scope: string): Promise<readonly string[]>;
  load(scope: string, clientId: string): Promise<StoredReplica | undefined>;
  /**
   * Stores a change, all of it or nothing. One at a time for each replica.
   * @returns `stored`; `compact`: stored, and the next change should be whole; `missing`: there is nothing that the change
   *   continues (somebody removed it), so nothing was stored.
   */
  save(scope: string, clientId: string, change: StoredChange): Promise<"stored" | "compact" | "missing">;
  remove(scope: string, clientId: string): Promise<void>;
  /**
   * Makes sure that no other live replica, in whatever tab or process, has that client id until `Release` or the end of
   * this page or process; undefined when one has, or when that cannot be known.
   */
  claim(scope: string, clientId: string): Promise<Release | undefined>;
}
