import type { LockRequest, LockResult, LockSelection, LockStore } from "../store.ts";
import {
  endLocks,
  lockList,
  lockRecord,
  type MemoryLock,
  type MemoryState,
  standingLocks,
  timeOf,
} from "./state.ts";

/** Leases in memory. */
export function createLocks(state: MemoryState): LockStore {
  const take = (
    request: Omit<LockRequest, "maxPerAuthor">,
    maxPerAuthor: number,
    renewOnly: boolean,
  ): LockResult | { readonly outcome: "not_held" } => {
    const document = state.documents.get(request.docId);
    const { metadataVersion } = request;
    if (metadataVersion !== undefined && metadataVersion !== document?.record.metadataVersion)
      return { outcome: "changed" };
    if (document === undefined) return { outcome: "missing" };
    const { record } = document;
    if (record.state !== "active") return { outcome: "not_active" };
    const nowMs = state.nowMs();
    endLocks(document, (lock) => lock.expiresAtMs <= nowMs);
    const { element, user, client, session, ttlMs } = request;
    const standing = standingLocks(document, nowMs);
    const isOwn = (lock: MemoryLock) => lock.user === user && lock.client === client;
    const own = standing.find((lock) => isOwn(lock) && lock.element === element);
    if (own !== undefined) {
      own.expiresAtMs = nowMs + ttlMs;
      own.session = session;
      record.revision++;
      const { revision, version } = record;
      return { outcome: "granted", lock: lockRecord(own, nowMs), revision, version, renewed: true };
    }
    if (renewOnly) return { outcome: "not_held" };
    const other = standing.find(
      (lock) => !isOwn(lock) && (element === null || lock.element === null || lock.element === element),
    );
    if (other !== undefined) return { outcome: "held", lock: lockRecord(other, nowMs) };
    if (maxPerAuthor > 0 && standing.filter(isOwn).length >= maxPerAuthor) return { outcome: "too_many" };
    record.revision++;
    const lock: MemoryLock = {
      id: state.newId(),
      docId: request.docId,
      element,
      user,
      client,
      session,
      token: ++document.lockToken,
      version: record.version,
      acquiredAt: timeOf(nowMs),
      expiresAtMs: nowMs + ttlMs,
      active: true,
    };
    document.locks.set(lock.id, lock);
    const { revision, version } = record;
    return { outcome: "granted", lock: lockRecord(lock, nowMs), revision, version, renewed: false };
  };
  return {
    async acquire(request) {
      const result = take(request, request.maxPerAuthor, false);
      if (result.outcome === "not_held") throw new Error("not_held answers a renewal only");
      return result;
    },
    async renew(request) {
      return take(request, 0, true);
    },
    async release(docId, lockId) {
      const document = state.documents.get(docId);
      if (document === undefined) return { released: false, revision: 0, version: 0 };
      const nowMs = state.nowMs();
      const released = standingLocks(document, nowMs).some((lock) => lock.id === lockId);
      endLocks(document, (lock) => lock.id === lockId);
      const { revision, version } = document.record;
      return { released, revision, version };
    },
    async releaseAll(docId, user, client) {
      const document = state.documents.get(docId);
      if (document === undefined) return 0;
      const isOwn = (lock: MemoryLock) => lock.user === user && lock.client === client;
      const released = standingLocks(document, state.nowMs()).filter(isOwn).length;
      endLocks(document, isOwn);
      return released;
    },
    async end(docId, which, { metadataVersion, unlessOpen }) {
      const document = state.documents.get(docId);
      if (document === undefined) return undefined;
      if (metadataVersion !== undefined && metadataVersion !== document.record.metadataVersion)
        return undefined;
      if (unlessOpen !== undefined) {
        const { user, client, butSession } = unlessOpen;
        for (const session of state.sessions.values()) {
          const isAuthor = session.user.id === user && session.client === client;
          if (isAuthor && session.docId === docId && session.id !== butSession) return undefined;
        }
      }
      const stood = standingLocks(document, state.nowMs()).filter((lock) => isSelected(lock, which)).length;
      endLocks(document, (lock) => isSelected(lock, which));
      return stood;
    },
    async get(docId, lockId) {
      const document = state.documents.get(docId);
      if (document === undefined) return undefined;
      const nowMs = state.nowMs();
      const lock = standingLocks(document, nowMs).find(({ id }) => id === lockId);
      return lock && lockRecord(lock, nowMs);
    },
    async list(docId) {
      const document = state.documents.get(docId);
      if (document === undefined) return { revision: 0, version: 0, locks: [], hasExpired: false };
      return lockList(document, state.nowMs());
    },
    async isLocked(docId, element, user, client) {
      const document = state.documents.get(docId);
      if (document === undefined) return undefined;
      const nowMs = state.nowMs();
      const lock = standingLocks(document, nowMs).find(
        (one) =>
          (element === null || one.element === null || one.element === element) &&
          (one.user !== user || one.client !== client),
      );
      return lock && lockRecord(lock, nowMs);
    },
    async cleanExpired(docIds) {
      let ended = 0;
      const nowMs = state.nowMs();
      for (const docId of docIds ?? state.documents.keys()) {
        const document = state.documents.get(docId);
        if (document !== undefined) ended += endLocks(document, (lock) => lock.expiresAtMs <= nowMs);
      }
      return ended;
    },
  };
}

function isSelected(lock: MemoryLock, which: LockSelection): boolean {
  if (which === "all") return true;
  if ("lockId" in which) return lock.id === which.lockId;
  if ("users" in which) return which.users.includes(lock.user);
  return lock.user === which.author.user && lock.client === which.author.client;
}
