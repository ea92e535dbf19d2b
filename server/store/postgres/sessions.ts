/**
 * Sessions and instances: presence by lease, and where the log is to be searched for a user's or session's operations.
 *
 * A session's row outlives it. `last_version` is settled a minute after it left, when no commit of it can be under way
 * any more (statements are bounded by less); a later one reopens the row (commit_batch_v1). Rows of sessions that
 * wrote nothing are then deleted.
 *
 * The store remembers which sessions it recorded and believes it for as long as the lease was renewed lately, so that
 * the commit need not look: see `isRecorded`.
 */
import type { SessionRecord, SessionStore } from "../store.ts";
import { type Database, promptMs } from "./database.ts";

/** Shorter than the minute after which a dead instance's sessions are settled. */
const believedMs = 30_000;

const register = {
  name: "instance_register",
  answerWithinMs: promptMs,
  text: `INSERT INTO instances (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
    RETURNING heartbeat_at AS at`,
};
const renew = {
  name: "instance_renew",
  answerWithinMs: promptMs,
  text: "UPDATE instances SET heartbeat_at = clock_timestamp() WHERE id = $1 RETURNING heartbeat_at AS at",
};
/** Leases that ran out with their sessions, and sessions whose instance is not there at all. */
const reap = {
  name: "instance_reap",
  answerWithinMs: promptMs,
  text: `WITH dead AS (
      DELETE FROM instances WHERE heartbeat_at < clock_timestamp() - $1 * interval '1 millisecond' RETURNING id
    )
    UPDATE sessions s SET left_at = clock_timestamp()
    WHERE s.left_at IS NULL AND (
      s.instance_id IN (SELECT id FROM dead)
      OR (s.joined_at < clock_timestamp() - $1 * interval '1 millisecond'
        AND NOT EXISTS (SELECT FROM instances i WHERE i.id = s.instance_id)))
    RETURNING s.doc_id AS "docId"`,
};
/** Few at a time: their rows are held meanwhile. A range beyond 500 operations is not read, its session kept. */
const settle = {
  name: "session_settle",
  answerWithinMs: promptMs,
  text: `WITH due AS (
      SELECT s.id, s.doc_id, s.first_version, d.version FROM sessions s JOIN documents d ON d.id = s.doc_id
      WHERE s.left_at IS NOT NULL AND s.last_version IS NULL AND s.left_at < clock_timestamp() - interval '60 seconds'
      ORDER BY s.left_at LIMIT 100 FOR UPDATE OF s SKIP LOCKED
    ), judged AS (
      SELECT due.id, due.version, CASE WHEN due.version - due.first_version > 500 THEN true ELSE EXISTS (
        SELECT FROM operations o WHERE o.doc_id = due.doc_id
          AND o.version >= due.first_version AND o.version <= due.version AND o.session_id = due.id
      ) END AS wrote FROM due
    ), silent AS (
      DELETE FROM sessions s USING judged j WHERE s.id = j.id AND NOT j.wrote
    )
    UPDATE sessions s SET last_version = j.version FROM judged j WHERE s.id = j.id AND j.wrote`,
};
const stop = {
  name: "instance_stop",
  text: `WITH gone AS (DELETE FROM instances WHERE id = $1)
    UPDATE sessions SET left_at = clock_timestamp() WHERE left_at IS NULL AND instance_id = $1 RETURNING id`,
};
/**
 * A session that comes again has a new role or name. Those of absent documents are left out, and so are those of documents
 * whose rows are held (by more than a commit), which are named: the foreign key would wait for them, and everybody else
 * with it. In the order of their ids, as in the commit: two calls that record the same ones would wait for each other.
 */
const join = {
  name: "session_join",
  answerWithinMs: promptMs,
  text: `WITH free AS (
      SELECT d.id FROM documents d WHERE d.id = ANY ($2::uuid[]) FOR KEY SHARE SKIP LOCKED
    ), stored AS (
      INSERT INTO sessions AS s (id, doc_id, instance_id, user_id, user_name, user_color, client_id, role, first_version,
        ip, user_agent, platform, left_at)
      SELECT u.id, u.doc_id, u.instance_id, u.user_id, u.user_name, u.user_color, u.client_id, u.role, u.version,
        u.ip, u.user_agent, u.platform, CASE WHEN u.instance_id IS NULL THEN clock_timestamp() END
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bigint[], $10::text[], $11::text[], $12::text[]) u(id, doc_id, instance_id, user_id, user_name, user_color,
        client_id, role, version, ip, user_agent, platform)
      WHERE EXISTS (SELECT FROM free WHERE free.id = u.doc_id)
      ORDER BY u.id
      ON CONFLICT (id) DO UPDATE SET role = excluded.role, user_name = excluded.user_name,
        user_color = excluded.user_color, instance_id = excluded.instance_id, left_at = excluded.left_at, last_version = NULL
    )
    SELECT d.id AS "docId" FROM documents d WHERE d.id = ANY ($2::uuid[]) AND NOT EXISTS (
      SELECT FROM free WHERE free.id = d.id)`,
};
const leave = {
  name: "session_leave",
  answerWithinMs: promptMs,
  text: `WITH free AS (
      SELECT s.id FROM sessions s WHERE s.id = ANY ($1::uuid[]) AND s.left_at IS NULL FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
      UPDATE sessions SET left_at = clock_timestamp() WHERE id = ANY (ARRAY(SELECT id FROM free))
    )
    SELECT s.id FROM sessions s WHERE s.id = ANY ($1::uuid[]) AND s.left_at IS NULL AND NOT EXISTS (
      SELECT FROM free WHERE free.id = s.id)`,
};
/**
 * Sessions that an instance has not: whose join was given up and happened after their leave. Those recorded before $3 were
 * known to the instance when it was told of $3; some seconds more are for a database whose clock goes back.
 */
const leaveAbsent = {
  name: "session_leave_absent",
  answerWithinMs: promptMs,
  text: `UPDATE sessions SET left_at = clock_timestamp() WHERE id = ANY (ARRAY(
      SELECT s.id FROM sessions s
      WHERE s.instance_id = $1 AND s.left_at IS NULL AND s.joined_at < $3::timestamptz - interval '3 seconds'
        AND NOT EXISTS (SELECT FROM unnest($2::uuid[]) present(id) WHERE present.id = s.id)
      FOR NO KEY UPDATE OF s SKIP LOCKED))
    RETURNING doc_id AS "docId"`,
};
const live = {
  name: "session_live",
  answerWithinMs: promptMs,
  text: `SELECT s.id, s.doc_id AS "docId", s.instance_id AS "instanceId", s.user_id AS "userId", s.user_name AS name,
      s.user_color AS color, s.client_id AS client, s.role, s.joined_at AS "joinedAt"
    FROM sessions s WHERE s.doc_id = ANY ($1::uuid[]) AND s.left_at IS NULL AND s.instance_id IS DISTINCT FROM $2::text
    ORDER BY s.joined_at, s.id`,
};
/**
 * Rows that others hold are left: waiting for one with the others in hand would stop the commits of a hundred documents.
 * What is written was read before the row was taken, so that whoever came meanwhile, and whose own refresh found nothing
 * to do yet, may be missing. Hence all that differed are named, to be looked at once more.
 */
const users = `ARRAY(SELECT DISTINCT s.user_id::text FROM sessions s WHERE s.doc_id = d.id AND s.left_at IS NULL ORDER BY 1)`;
const refresh = {
  name: "session_refresh_active_users",
  answerWithinMs: promptMs,
  text: `WITH stale AS (
      SELECT d.id FROM documents d WHERE d.id = ANY ($1::uuid[]) AND d.active_users <> ${users}
    ), held AS (
      SELECT d.id FROM documents d WHERE d.id = ANY (ARRAY(SELECT id FROM stale)) FOR NO KEY UPDATE SKIP LOCKED
    ), written AS (
      UPDATE documents d SET active_users = ${users} WHERE d.id = ANY (ARRAY(SELECT id FROM held))
    )
    SELECT id AS "docId" FROM stale`,
};

type LiveRow = Omit<SessionRecord, "user"> & { userId: string; name: string | null; color: string | null };

export interface Sessions extends SessionStore {
  /** Whether a session surely has its row, and nobody has settled it. */
  isRecorded(sessionId: string): boolean;
}

/** Sessions in PostgreSQL. `monotonicMs`: a clock that never goes back. */
export function createSessions(database: Database, monotonicMs: () => number): Sessions {
  /** Live sessions recorded here, by instance. */
  const recorded = new Map<string, string>();
  /** When an instance's lease was last known to be good, by our clock and by the database's. */
  const renewedAt = new Map<string, { readonly ms: number; readonly at: string }>();

  const forget = (instanceId: string) => {
    renewedAt.delete(instanceId);
    for (const [session, instance] of recorded) if (instance === instanceId) recorded.delete(session);
  };
  return {
    isRecorded(sessionId) {
      const instance = recorded.get(sessionId);
      const renewed = instance === undefined ? undefined : renewedAt.get(instance);
      return renewed !== undefined && monotonicMs() - renewed.ms < believedMs;
    },

    async heartbeat(instanceId) {
      const ms = monotonicMs();
      const statement = renewedAt.has(instanceId) ? renew : register;
      const [row] = await database.rows<{ at: string }>(statement, [instanceId]);
      if (row === undefined) {
        forget(instanceId);
        return false;
      }
      renewedAt.set(instanceId, { ms, at: row.at });
      return true;
    },

    async reap(olderThanMs) {
      const rows = await database.rows<{ docId: string }>(reap, [olderThanMs]);
      await database.count(settle);
      return [...new Set(rows.map((row) => row.docId))];
    },

    async stop(instanceId) {
      forget(instanceId);
      await database.count(stop, [instanceId]);
    },

    async join(sessions) {
      if (sessions.length === 0) return [];
      const rows = await database.rows<{ docId: string }>(join, [
        sessions.map((one) => one.id),
        sessions.map((one) => one.docId),
        sessions.map((one) => one.instanceId),
        sessions.map((one) => one.user.id),
        sessions.map((one) => one.user.name ?? null),
        sessions.map((one) => one.user.color ?? null),
        sessions.map((one) => one.client),
        sessions.map((one) => one.role),
        sessions.map((one) => one.version),
        sessions.map((one) => one.ip ?? null),
        sessions.map((one) => one.userAgent ?? null),
        sessions.map((one) => one.platform ?? null),
      ]);
      const held = new Set(rows.map(({ docId }) => docId));
      for (const { id, docId, instanceId } of sessions)
        if (instanceId !== null && !held.has(docId)) recorded.set(id, instanceId);
      return [...held];
    },

    async leave(sessionIds) {
      for (const id of sessionIds) recorded.delete(id);
      if (sessionIds.length === 0) return [];
      return (await database.rows<{ id: string }>(leave, [sessionIds])).map(({ id }) => id);
    },

    async leaveAbsent(instanceId, present) {
      const renewed = renewedAt.get(instanceId);
      if (renewed === undefined) return [];
      const rows = await database.rows<{ docId: string }>(leaveAbsent, [instanceId, present, renewed.at]);
      return rows.map((row) => row.docId);
    },

    async live(docIds, except) {
      const rows = await database.rows<LiveRow>(live, [docIds, except ?? null]);
      return rows.map(({ userId, name, color, ...session }) => ({
        ...session,
        user: { id: userId, ...(name !== null && { name }), ...(color !== null && { color }) },
      }));
    },

    async refreshActiveUsers(docIds) {
      if (docIds.length === 0) return [];
      return (await database.rows<{ docId: string }>(refresh, [docIds])).map((row) => row.docId);
    },
  };
}
