/**
 * What the memory store holds. Every call runs to its end without yielding, so that it is atomic as a transaction is;
 * nothing is copied on the way in but what callers may change, and records go out as new objects.
 */
import type {
  AssetRecord,
  ConflictRecord,
  DocumentRecord,
  Head,
  LockList,
  LockRecord,
  NamedVersion,
  SessionRecord,
  Snapshot,
  SnapshotChanges,
  StoredOperation,
} from "../store.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A lease; `expiresAtMs` is what counts. */
export type MemoryLock = Writable<Omit<LockRecord, "expiresAt" | "expiresInMs">> & {
  expiresAtMs: number;
  active: boolean;
};

export type MemoryConflict = Writable<Omit<ConflictRecord, "operations">> & {
  readonly operationIds: Set<string>;
};

export interface MemoryDocument {
  record: Writable<DocumentRecord>;
  lockToken: number;
  /** Lowest version with an operation; beyond `version` when none is. */
  retainedFrom: number;
  content: { version: number; content: Uint8Array } | undefined;
  readonly log: Map<number, StoredOperation>;
  /** Versions by operation id. */
  readonly versions: Map<string, number>;
  readonly conflicts: Map<string, MemoryConflict>;
  readonly locks: Map<string, MemoryLock>;
  readonly snapshots: Map<number, Snapshot>;
  readonly changes: Map<number, SnapshotChanges>;
  /** By SHA-256. */
  readonly assets: Map<string, AssetRecord>;
  /** By name. */
  readonly named: Map<string, NamedVersion>;
}

export interface MemoryState {
  readonly documents: Map<string, MemoryDocument>;
  readonly sessions: Map<string, SessionRecord>;
  /** The last metadata version of each purged document. */
  readonly purged: Map<string, number>;
  /** Last heartbeat by instance. */
  readonly instances: Map<string, number>;
  readonly secrets: Map<string, string>;
  readonly nowMs: () => number;
  readonly newId: () => string;
}

/** An empty store's state. */
export function emptyState(clock: { nowMs: () => number; newId: () => string }): MemoryState {
  return {
    documents: new Map(),
    sessions: new Map(),
    purged: new Map(),
    instances: new Map(),
    secrets: new Map(),
    ...clock,
  };
}

/** A time in the store's form. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** Where a document stands. */
export function headOf(document: MemoryDocument): Head {
  const { docId, state, version, operationId, metadataVersion, revision } = document.record;
  return { docId, state, version, operationId, metadataVersion, revision };
}

/** Whether a document was at this version, and its operation there is this one (null: not compared). */
export function isOfHistory(
  { record, log }: MemoryDocument,
  { version, operationId }: { readonly version: number; readonly operationId: string | null },
): boolean {
  if (version > record.version) return false;
  if (operationId === null) return true;
  return (version === record.version ? record.operationId : log.get(version)?.id) === operationId;
}

/** A lock as callers see it. */
export function lockRecord(lock: MemoryLock, nowMs: number): LockRecord {
  const { expiresAtMs, active: _, ...rest } = lock;
  return { ...rest, expiresAt: timeOf(expiresAtMs), expiresInMs: Math.max(0, expiresAtMs - nowMs) };
}

/** Active and unexpired locks of a document, oldest first. */
export function standingLocks(document: MemoryDocument, nowMs: number): MemoryLock[] {
  return [...document.locks.values()]
    .filter((lock) => lock.active && lock.expiresAtMs > nowMs)
    .sort((a, b) => a.token - b.token);
}

/** See `LockStore.list`. */
export function lockList(document: MemoryDocument, nowMs: number): LockList {
  const { revision, version } = document.record;
  const locks = standingLocks(document, nowMs).map((lock) => lockRecord(lock, nowMs));
  const hasExpired = [...document.locks.values()].some((lock) => lock.active && lock.expiresAtMs <= nowMs);
  return { revision, version, locks, hasExpired };
}

/** Ends the active locks that `which` picks; the revision grows by as many. */
export function endLocks(document: MemoryDocument, which: (lock: MemoryLock) => boolean): number {
  let ended = 0;
  for (const lock of document.locks.values()) {
    if (!lock.active || !which(lock)) continue;
    lock.active = false;
    ended++;
  }
  document.record.revision += ended;
  return ended;
}

/** A conflict record as callers see it: operations in version order, unknown ones last, the newest 100. */
export function conflictRecord(document: MemoryDocument, conflict: MemoryConflict): ConflictRecord {
  const { operationIds, ...rest } = conflict;
  const place = (id: string) => document.versions.get(id) ?? Number.POSITIVE_INFINITY;
  const operations = [...operationIds].sort((a, b) => {
    const difference = place(a) - place(b);
    return Number.isNaN(difference) || difference === 0 ? (a < b ? -1 : 1) : difference;
  });
  return { ...rest, operations: operations.slice(-100) };
}

/** The operations of versions `from`…`to` that are in the log, in order. */
export function operationsBetween(document: MemoryDocument, from: number, to: number): StoredOperation[] {
  const found: StoredOperation[] = [];
  for (let version = Math.max(1, from); version <= Math.min(to, document.record.version); version++) {
    const operation = document.log.get(version);
    if (operation !== undefined) found.push(operation);
  }
  return found;
}
