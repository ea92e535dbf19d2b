/** Leases. Taking, renewing and releasing are stored functions: document row first, then the database's clock. */
import { rfc3339 } from "../../../drizzle/columns.ts";
import type {
  EndCondition,
  LockList,
  LockRecord,
  LockRequest,
  LockResult,
  LockSelection,
  LockStore,
} from "../store.ts";
import { type Database, promptMs } from "./database.ts";

/** A lock as the stored functions print it. */
export type LockJson = Omit<LockRecord, "docId">;

/** A lock from a stored function, times in the store's form. */
export function lockFromJson(docId: string, lock: LockJson): LockRecord {
  return { ...lock, docId, acquiredAt: rfc3339(lock.acquiredAt), expiresAt: rfc3339(lock.expiresAt) };
}

/** An active lock, and whether it stands by the database's clock. */
export type LockRow = LockRecord & { readonly unexpired: boolean };

/** The active locks of a document as a `LockList` has them. */
export function splitLocks(rows: readonly LockRow[]): Pick<LockList, "locks" | "hasExpired"> {
  const locks = rows.flatMap(({ unexpired, ...lock }) => (unexpired ? [lock] : []));
  return { locks: locks.sort((a, b) => a.token - b.token), hasExpired: locks.length < rows.length };
}

const columns = `l.id, l.doc_id AS "docId", l.element, l.user_id AS "user", l.client_id AS client,
  l.session_id AS session, l.token, l.version, l.acquired_at AS "acquiredAt", l.expires_at AS "expiresAt",
  greatest(0, floor(extract(epoch FROM l.expires_at - clock_timestamp()) * 1000))::int8 AS "expiresInMs"`;
const unexpired = "l.expires_at > clock_timestamp()";

/** Each partial unique index by its own arm: one arm over both would read the document's whole history of locks. */
function activeLocks(selected: string, condition: string): string {
  return `SELECT ${selected} FROM locks l
    WHERE l.doc_id = $1 AND l.active AND l.element IS NULL AND ${condition}
    UNION ALL SELECT ${selected} FROM locks l
    WHERE l.doc_id = $1 AND l.active AND l.element IS NOT NULL AND ${condition}`;
}

/**
 * The row is taken, and the metadata compared with its newest version, before the function begins: its statements read
 * later snapshots. No row: the metadata moved, or the document is gone.
 */
const acquireLock = {
  name: "acquire_lock_v1",
  text: `SELECT a.*, d.version FROM (
      SELECT d.id, d.version FROM documents d
      WHERE d.id = $1 AND ($10::bigint IS NULL OR d.metadata_version = $10) FOR NO KEY UPDATE
    ) d CROSS JOIN LATERAL acquire_lock_v1(d.id, $2, $3, $4, $5, $6, $7, $8, $9) a`,
};
const releaseLocks = {
  name: "release_locks_v1",
  text: `SELECT r.*, d.version FROM (SELECT d.id, d.version FROM documents d WHERE d.id = $1 FOR NO KEY UPDATE) d
    CROSS JOIN LATERAL release_locks_v1(d.id, $2, $3, $4) r`,
};
/** The active locks of a document, from a query that has `$1` for it: `LockRow`s. */
export const activeLocksOfDocument = activeLocks(`${columns}, ${unexpired} AS unexpired`, "true");
const getLock = {
  name: "lock_get",
  text: `SELECT ${columns} FROM locks l WHERE l.doc_id = $1 AND l.id = $2 AND l.active AND l.expires_at > clock_timestamp()`,
};
const listLocks = {
  name: "lock_list",
  answerWithinMs: promptMs,
  text: `SELECT d.revision, d.version, coalesce((SELECT json_agg(x) FROM (${activeLocksOfDocument}) x), '[]') AS rows
    FROM documents d WHERE d.id = $1`,
};
const standingLock = {
  name: "lock_standing",
  text: `SELECT x.* FROM (${activeLocks(
    columns,
    `${unexpired} AND ($2::text IS NULL OR l.element IS NULL OR l.element = $2)
    AND (l.user_id <> $3 OR l.client_id <> $4)`,
  )}) x ORDER BY x.token LIMIT 1`,
};
const cleanExpired = {
  name: "lock_clean_expired",
  answerWithinMs: promptMs,
  text: "SELECT clean_expired_locks($1::uuid[]) AS count",
};

/** One statement each, so that what the row lock had to wait for is seen by those after it. */
const takeDocument = {
  name: "lock_take_document",
  text: `SELECT d.metadata_version AS "metadataVersion" FROM documents d WHERE d.id = $1 FOR NO KEY UPDATE`,
};
const isOpenElsewhere = {
  name: "lock_open_elsewhere",
  text: `SELECT FROM sessions s
    WHERE s.doc_id = $1 AND s.left_at IS NULL AND s.user_id = $2 AND s.client_id = $3 AND s.id <> $4 LIMIT 1`,
};
const selection = `($2::uuid IS NULL OR l.id = $2) AND ($3::text[] IS NULL OR l.user_id = ANY ($3))
  AND ($4::text IS NULL OR l.client_id = $4)`;
const endLocks = {
  name: "lock_end",
  text: `UPDATE locks e SET active = false
    WHERE e.doc_id = $1 AND e.id = ANY (ARRAY(
      SELECT l.id FROM locks l WHERE l.doc_id = $1 AND l.active AND l.element IS NULL AND ${selection}
      UNION ALL SELECT l.id FROM locks l WHERE l.doc_id = $1 AND l.active AND l.element IS NOT NULL AND ${selection}))
    RETURNING e.expires_at > clock_timestamp() AS stood`,
};
const growRevision = {
  name: "lock_grow_revision",
  text: "UPDATE documents SET revision = revision + $2 WHERE id = $1",
};

interface AcquireRow {
  o_outcome: "granted" | "renewed" | "held" | "too_many" | "not_active" | "missing" | "not_held" | "changed";
  o_revision: number;
  o_lock: LockJson | null;
  /** Of the document. */
  version: number;
}

/** Locks in PostgreSQL. `newId` makes ids of new locks. */
export function createLocks(database: Database, newId: () => string): LockStore {
  const take = async (
    request: Omit<LockRequest, "maxPerAuthor">,
    maxPerAuthor: number,
    renewOnly: boolean,
  ) => {
    const { docId, element, user, client, session, ttlMs, metadataVersion } = request;
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
      metadataVersion ?? null,
    ]);
    const absent = metadataVersion === undefined ? "missing" : "changed";
    const row = rows[0] ?? { o_outcome: absent, o_revision: 0, o_lock: null, version: 0 };
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
      const { o_revision: revision, version } = row;
      return { outcome: "granted", lock, revision, version, renewed: outcome === "renewed" };
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
      const [row] = await database.rows<{ o_released: number; o_revision: number; version: number }>(
        releaseLocks,
        [docId, lockId, null, null],
      );
      if (row === undefined) return { released: false, revision: 0, version: 0 };
      return { released: row.o_released > 0, revision: row.o_revision, version: row.version };
    },
    async releaseAll(docId, user, client) {
      const [row] = await database.rows<{ o_released: number }>(releaseLocks, [docId, null, user, client]);
      return row?.o_released ?? 0;
    },
    end(docId, which, condition) {
      return endSelected(database, docId, which, condition);
    },
    async get(docId, lockId) {
      return (await database.rows<LockRecord>(getLock, [docId, lockId]))[0];
    },
    async list(docId) {
      const [row] = await database.rows<{ revision: number; version: number; rows: LockRow[] }>(listLocks, [
        docId,
      ]);
      const { revision, version, rows } = row ?? { revision: 0, version: 0, rows: [] };
      const { locks, hasExpired } = splitLocks(rows);
      return { revision, version, locks: locks.map((lock) => lockFromJson(docId, lock)), hasExpired };
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

/** Repeated after a lost connection as well: ending what is ended changes nothing. */
function endSelected(
  database: Database,
  docId: string,
  which: LockSelection,
  { metadataVersion, unlessOpen }: EndCondition,
): Promise<number | undefined> {
  return database.transaction(
    async (query) => {
      const [document] = (await query<{ metadataVersion: number }>(takeDocument, [docId])).rows;
      if (document === undefined) return undefined;
      if (metadataVersion !== undefined && metadataVersion !== document.metadataVersion) return undefined;
      if (unlessOpen !== undefined) {
        const { user, client, butSession } = unlessOpen;
        const open = await query(isOpenElsewhere, [docId, user, client, butSession]);
        if (open.rows.length > 0) return undefined;
      }
      const { rows } = await query<{ stood: boolean }>(endLocks, [docId, ...selectionValues(which)]);
      if (rows.length > 0) await query(growRevision, [docId, rows.length]);
      return rows.filter(({ stood }) => stood).length;
    },
    { idempotent: true },
  );
}

/** Lock id, users, client. */
function selectionValues(which: LockSelection): [string | null, readonly string[] | null, string | null] {
  if (which === "all") return [null, null, null];
  if ("lockId" in which) return [which.lockId, null, null];
  if ("users" in which) return [null, which.users, null];
  return [null, [which.author.user], which.author.client];
}
