/** Batches of operations and what becomes of them. */
import type { ConflictWrite } from "../../../shared/document/conflict-record.ts";
import type { OperationType } from "../../../shared/document/operation.ts";
import type { Head, KnownOperation } from "./heads.ts";
import type { LockRecord } from "./locks.ts";
import type { StoredOperation } from "./operations.ts";

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
