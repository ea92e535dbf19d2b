/**
 * What the data layer offers. Two implementations: postgres/ (the truth that all instances share) and memory/
 * (unit tests and throw-away runs), each with the files of contract/. `test/store/contract.ts` runs over both.
 *
 * Times are RFC 3339 strings in UTC with milliseconds, versions are safe integers. Expected outcomes (a stale
 * version, a held lock, a taken id) are values; an exception means an outage (`StoreUnavailable`) or a bug.
 */
import type { AssetStore } from "./contract/assets.ts";
import type { CommitResult, DocumentBatch } from "./contract/commit.ts";
import type { ConflictStore } from "./contract/conflicts.ts";
import type { DocumentStore } from "./contract/documents.ts";
import type { LockStore } from "./contract/locks.ts";
import type { OperationStore } from "./contract/operations.ts";
import type { SessionStore } from "./contract/sessions.ts";
import type { SnapshotStore } from "./contract/snapshots.ts";
import type { VersionStore } from "./contract/versions.ts";
import type { WebhookStore } from "./contract/webhooks.ts";

export type { ConflictWrite } from "../../shared/document/conflict-record.ts";
export type * from "./contract/assets.ts";
export type * from "./contract/commit.ts";
export type * from "./contract/conflicts.ts";
export type * from "./contract/documents.ts";
export * from "./contract/errors.ts";
export type * from "./contract/heads.ts";
export type * from "./contract/locks.ts";
export type * from "./contract/operations.ts";
export type * from "./contract/page.ts";
export type * from "./contract/sessions.ts";
export type * from "./contract/snapshots.ts";
export type * from "./contract/versions.ts";
export * from "./contract/webhooks.ts";

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
