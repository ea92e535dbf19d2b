/** Leases. Taking, renewing and releasing are stored functions: document row first, then the database's clock. */
import { rfc3339 } from "../../../drizzle/columns.ts";
import type { LockRecord, LockRequest, LockResult, LockStore } from "../store.ts";
import type { Database } from "./database.ts";

/** A lock as the stored functions print it. */
export type LockJson = Omit<LockRecord, "docId">;

/** A lock from a stored function, times in the store's form. */
export function lockFromJson(docId: string, lock: LockJson): LockRecord {
  return { ...lock, docId, acquiredAt: rfc3339(lock.acquiredAt), expiresAt: rfc3339(lock.expiresAt) };
}

const columns = `l.id, l.doc_id AS "docId", l.element, l.user_id AS "user", l.client_id AS client,
  l.session_id AS session, l.token, l.version, l.acquired_at AS "acquiredAt", l.expires_at AS "expiresAt",
  greatest(0, floor(extract(epoch FROM l.expires_at - clock_timestamp()) * 1000))::int8 AS "expiresInMs"`;

/** Each partial unique index by its own arm: one arm over both would read the document's whole history of locks. */
function activeLocks(condition: string): string {
  return `SELECT ${columns} FROM locks l
    WHERE l.doc_id = $1 AND l.active AND l.element IS NULL AND l.expires_at > clock_timestamp() AND ${condition}
    UNION ALL SELECT ${columns} FROM locks l
    WHERE l.doc_id = $1 AND l.active AND l.element IS NOT NULL AND l.expires_at > clock_timestamp() AND ${condition}`;
}

const acquireLock = {
  name: "acquire_lock_v1",
  text: "SELECT * FROM acquire_lock_v1($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};
const releaseLocks = { name: "release_locks_v1", text: "SELECT * FROM release_locks_v1($1, $2, $3, $4)" };
const getLock = {
  name: "lock_get",
  text: `SELECT ${columns} FROM locks l WHERE l.doc_id = $1 AND l.id = $2 AND l.active AND l.expires_at > clock_timestamp()`,
};
const listLocks = {
  name: "lock_list",
  text: `SELECT d.revision, coalesce((SELECT json_agg(x ORDER BY x.token) FROM (${activeLocks("true")}) x), '[]') AS locks
    FROM documents d WHERE d.id = $1`,
};
const standingLock = {
  name: "lock_standing",
  text: `SELECT x.* FROM (${activeLocks(`($2::text IS NULL OR l.element IS NULL OR l.element = $2)
    AND (l.user_id <> $3 OR l.client_id <> $4)`)}) x ORDER BY x.token LIMIT 1`,
};
const cleanExpired = { name: "lock_clean_expired", text: "SELECT clean_expired_locks($1::uuid[]) AS count" };

/** The active locks of a document, from a query that has `$1` for it. */
export const activeLocksOfDocument = activeLocks("true");

interface AcquireRow {
  o_outcome: "granted" | "renewed" | "held" | "too_many" | "not_active" | "missing" | "not_held";
  o_revision: number;
  o_lock: LockJson | null;
}

/** Locks in PostgreSQL. `newId` makes ids of new locks. */
export function createLocks(database: Database, newId: () => string): LockStore {
  const take = async (
    request: Omit<LockRequest, "maxPerAuthor">,
    maxPerAuthor: number,
    renewOnly: boolean,
  ) => {
    const { docId, element, user, client, session, ttlMs } = request;
    const rows = await database.rows<AcquireRow>(acquireLock, [
      docId,
      newId(),
      element,
      user,
      client,
      session,
      ttlMs,
      maxPerAuthor,
      renewOnly,
    ]);
    const row = rows[0];
    if (row === undefined) throw new Error("acquire_lock_v1 returned nothing");
    return { row, lock: row.o_lock === null ? undefined : lockFromJson(docId, row.o_lock) };
  };
  const result = ({
    row,
    lock,
  }: Awaited<ReturnType<typeof take>>): LockResult | { readonly outcome: "not_held" } => {
    const outcome = row.o_outcome;
    if (outcome === "granted" || outcome === "renewed" || outcome === "held") {
      if (lock === undefined) throw new Error(`acquire_lock_v1 answered ${outcome} without a lock`);
      if (outcome === "held") return { outcome, lock };
      return { outcome: "granted", lock, revision: row.o_revision, renewed: outcome === "renewed" };
    }
    return { outcome };
  };

  return {
    async acquire(request) {
      const taken = result(await take(request, request.maxPerAuthor, false));
      if (taken.outcome === "not_held") throw new Error("acquire_lock_v1 answered not_held to an acquire");
      return taken;
    },
    async renew(request) {
      return result(await take(request, 0, true));
    },
    async release(docId, lockId) {
      const [row] = await database.rows<{ o_released: number; o_revision: number }>(releaseLocks, [
        docId,
        lockId,
        null,
        null,
      ]);
      return { released: (row?.o_released ?? 0) > 0, revision: row?.o_revision ?? 0 };
    },
    async releaseAll(docId, user, client) {
      const [row] = await database.rows<{ o_released: number }>(releaseLocks, [docId, null, user, client]);
      return row?.o_released ?? 0;
    },
    async get(docId, lockId) {
      return (await database.rows<LockRecord>(getLock, [docId, lockId]))[0];
    },
    async list(docId) {
      const [row] = await database.rows<{ revision: number; locks: LockRecord[] }>(listLocks, [docId]);
      if (row === undefined) return { revision: 0, locks: [] };
      return { revision: row.revision, locks: row.locks.map((lock) => lockFromJson(docId, lock)) };
    },
    async isLocked(docId, element, user, client) {
      return (await database.rows<LockRecord>(standingLock, [docId, element, user, client]))[0];
    },
    async cleanExpired(docIds) {
      const [row] = await database.rows<{ count: number }>(cleanExpired, [docIds ?? null]);
      return row?.count ?? 0;
    },
  };
}
