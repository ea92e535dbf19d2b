/** The commit in memory: the same order of judgements as `commit_batch_v1`; nobody ever holds a row. */
import type {
  CommitOperation,
  CommitResult,
  ConflictWrite,
  DocumentBatch,
  KnownOperation,
  Missed,
  StoredOperation,
} from "../store.ts";
import { StoreRefused } from "../store.ts";
import {
  endLocks,
  headOf,
  lockRecord,
  type MemoryDocument,
  type MemoryState,
  operationsBetween,
  standingLocks,
  timeOf,
} from "./state.ts";

const missedBytes = 128 * 1024;

/** Commits batches of different documents; see `Store.commit`. */
export function commit(state: MemoryState, batches: readonly DocumentBatch[]): CommitResult[] {
  const budget = { bytes: missedBytes };
  return batches.map((batch) => commitOne(state, batch, budget));
}

function commitOne(state: MemoryState, batch: DocumentBatch, budget: { bytes: number }): CommitResult {
  const document = state.documents.get(batch.docId);
  if (document === undefined) return { outcome: "missing" };
  const nowMs = state.nowMs();
  const at = timeOf(nowMs);
  const known = batch.operations.flatMap(({ id }) => knownOperation(document, id) ?? []);
  const head = headOf(document);
  if (known.length > 0)
    return { outcome: "repeat", head, known: known.sort((a, b) => a.version - b.version) };
  if (!sharesHistory(document, batch)) return { outcome: "history", head };
  if (head.state !== "active" || head.metadataVersion !== batch.metadataVersion)
    return { outcome: "changed", head };
  for (const lock of standingLocks(document, nowMs)) {
    if (batch.operations.some((operation) => stands(lock, operation))) {
      return { outcome: "locked", head, lock: lockRecord(lock, nowMs) };
    }
  }
  const conflictId = resolvedAlready(document, batch);
  if (conflictId !== undefined) return { outcome: "resolved", head, conflictId };

  const elements = new Set(batch.operations.map((operation) => operation.element));
  const between = operationsBetween(document, batch.expectedVersion + 1, head.version);
  const missed = fitting(between, head.version - batch.expectedVersion, budget);
  const isBehind = batch.expectedVersion < head.version;
  const touched =
    elements.size > 0 &&
    (between.length < head.version - batch.expectedVersion ||
      between.some(({ element }) => elements.has(element)));
  if (isBehind && (touched || batch.exact === true)) return { outcome: "stale", head, missed };
  if (new Set(batch.operations.map(({ id }) => id)).size < batch.operations.length) {
    throw new StoreRefused("an operation id twice in one batch");
  }

  batch.operations.forEach((operation, i) => {
    const stored = storedOperation(batch.docId, head.version + 1 + i, operation, at);
    document.log.set(stored.version, stored);
    document.versions.set(stored.id, stored.version);
  });
  if (elements.size > 0) {
    endLocks(
      document,
      (lock) => lock.expiresAtMs <= nowMs && (lock.element === null || elements.has(lock.element)),
    );
  }
  const { record } = document;
  record.version += batch.operations.length;
  record.operationId = batch.operations.at(-1)?.id ?? record.operationId;
  const resolvedIds = new Set<string>();
  for (const resolve of batch.resolves ?? []) {
    resolvedIds.add(resolve.conflictId);
    const conflict = document.conflicts.get(resolve.conflictId);
    if (conflict !== undefined) Object.assign(conflict, { resolvedBy: resolve.resolvedBy, resolvedAt: at });
    for (const id of resolve.operations) markResolved(document, id);
  }
  for (const write of batch.conflicts ?? []) {
    writeConflict(document, write, at);
    for (const id of write.operations) moveHeldBack(document, id, resolvedIds, write.id);
  }
  record.revision += (batch.resolves?.length ?? 0) + (batch.conflicts?.length ?? 0);
  return { outcome: "committed", firstVersion: head.version + 1, at, revision: record.revision, missed };
}

/** An operation of the log by id. */
export function knownOperation(document: MemoryDocument, id: string): KnownOperation | undefined {
  const version = document.versions.get(id);
  const operation = version === undefined ? undefined : document.log.get(version);
  if (operation === undefined) return undefined;
  return { id, version: operation.version, user: operation.user, client: operation.client };
}

function sharesHistory(document: MemoryDocument, { expectedVersion, expectedId }: DocumentBatch): boolean {
  const { version, operationId } = document.record;
  if (expectedVersion > version) return false;
  if (expectedVersion === version) return expectedId === operationId;
  if (expectedVersion === 0) return expectedId === null;
  return expectedId !== null && document.versions.get(expectedId) === expectedVersion;
}

function stands(
  lock: { readonly element: string | null; readonly user: string; readonly client: string },
  { element, origin }: CommitOperation,
): boolean {
  if (lock.element !== null && lock.element !== element) return false;
  return lock.user !== origin.user || lock.client !== (origin.lockClient ?? origin.client);
}

function resolvedAlready(document: MemoryDocument, batch: DocumentBatch): string | undefined {
  const mustBeOpen = [
    ...(batch.conflicts ?? [])
      .filter((write) => write.join && write.resolvedBy === null)
      .map((write) => write.id),
    ...(batch.resolves ?? []).map((resolve) => resolve.conflictId),
  ];
  return mustBeOpen.find((id) => document.conflicts.get(id)?.resolvedAt !== null);
}

function fitting(operations: readonly StoredOperation[], count: number, budget: { bytes: number }): Missed {
  const fits: StoredOperation[] = [];
  for (const operation of operations) {
    const bytes = operation.data.length + (operation.extra?.length ?? 0) + 250;
    if (bytes > budget.bytes) break;
    budget.bytes -= bytes;
    fits.push(operation);
  }
  return { operations: fits, complete: fits.length === count };
}

function storedOperation(
  docId: string,
  version: number,
  operation: CommitOperation,
  at: string,
): StoredOperation {
  const { id, type, element, base, status, data, origin } = operation;
  return {
    docId,
    version,
    id,
    type,
    element,
    base,
    status,
    at,
    data,
    conflict: operation.conflict ?? null,
    session: origin.session,
    user: origin.user,
    client: origin.client,
    extra: operation.extra ?? null,
  };
}

/** A held-back operation becomes resolved. */
export function markResolved(document: MemoryDocument, id: string): void {
  const operation = document.log.get(document.versions.get(id) ?? 0);
  if (operation?.status === "conflict")
    document.log.set(operation.version, { ...operation, status: "resolved" });
}

/** What a resolver had not seen moves from the record just resolved to a new one. */
function moveHeldBack(document: MemoryDocument, id: string, from: ReadonlySet<string>, to: string): void {
  const operation = document.log.get(document.versions.get(id) ?? 0);
  if (operation?.status === "conflict" && operation.conflict !== null && from.has(operation.conflict)) {
    document.log.set(operation.version, { ...operation, conflict: to });
  }
}

/** Makes a conflict record, or joins an existing one: properties and authors are united. */
export function writeConflict(document: MemoryDocument, write: ConflictWrite, at: string): void {
  const { id, element, properties, resolution, resolvedBy, description, authors, operations } = write;
  const known = document.conflicts.get(id);
  if (known === undefined) {
    document.conflicts.set(id, {
      id,
      docId: document.record.docId,
      element,
      resolution,
      resolvedBy,
      description,
      properties: [...properties],
      authors: [...authors],
      resolvedAt: resolvedBy === null ? null : at,
      createdAt: at,
      lastAt: at,
      operationIds: new Set(operations),
    });
    return;
  }
  const whole = known.properties.length === 0 || properties.length === 0;
  known.properties = whole ? [] : [...new Set([...known.properties, ...properties])].sort();
  known.authors = [...new Set([...known.authors, ...authors])].sort();
  if (known.resolution === "lww" && resolution === "merge") known.resolution = "merge";
  known.description = description;
  known.lastAt = at;
  for (const operation of operations) known.operationIds.add(operation);
}
