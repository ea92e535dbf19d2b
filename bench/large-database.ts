/** A database of the size that the store's latencies and plans are promised for. */
import type { DatabasePool } from "../server/database/pool.ts";

export const largeDocuments = 100_000;
export const largeOperations = 1_000_000;
/** One document has a tenth of all operations, the others share the rest evenly. */
export const hotOperations = 100_000;

/** When its first document was made. Version v of a document is ten days younger than the one before, of the hot one a second. */
export const largeFrom = "2026-01-01T00:00:00Z";

/** Id of the n-th document (0: the hot one), of the operation at a version of it, of its n-th session. */
export const documentId = (n: number): string => numbered("01900000-0000-7000-8000", n);
export const operationId = (n: number, version: number): string =>
  numbered(
    `0190${version.toString(16).padStart(4, "0").slice(-4)}-${(version >> 16).toString(16).padStart(4, "0")}-7001-8000`,
    n,
  );
export const sessionId = (n: number, part: number): string =>
  numbered(`0190000${part.toString(16)}-0000-7002-8000`, n);

function numbered(head: string, n: number): string {
  return `${head}-${n.toString(16).padStart(12, "0")}`;
}

const docSql = (n: string) => `('01900000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const operationSql = (n: string, v: string) =>
  `('0190' || lpad(to_hex(${v} & 65535), 4, '0') || '-' || lpad(to_hex(${v} >> 16), 4, '0') || '-7001-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const sessionSql = (n: string, part: string) =>
  `('0190000' || to_hex(${part}) || '-0000-7002-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/**
 * Fills the empty tables, in the order of time as a server would: 100,000 documents, 1,000,000 operations over a
 * hundred days, two sessions a document (its first versions and the rest), a conflict record for every hundredth
 * document with a held-back operation, a snapshot and changes of every tenth, some active locks. Takes 20–60 s. Statistics are left as they are.
 */
export async function fillLargeDatabase(pool: DatabasePool): Promise<void> {
  const each = Math.floor((largeOperations - hotOperations) / (largeDocuments - 1)); // 9
  const others = largeDocuments - 1;
  await pool.withClient(async (client) => {
    await client.query("SET statement_timeout = 0; SET synchronous_commit = off");
    await client.query(`INSERT INTO documents (id, name, type, created_by, updated_by, owner, tags, editors, viewers, properties,
        active_users, created_at, updated_at, version, last_operation_id)
      SELECT ${docSql("n")}, 'Document ' || n, (ARRAY['whiteboard','text','canvas','sheet'])[1 + n % 4],
        'user-' || n % 5000, 'user-' || n % 5000, 'user-' || n % 5000, ARRAY['tag-' || n % 1000],
        ARRAY['user-' || (n + 1) % 5000], ARRAY['user-' || (n + 2) % 5000], jsonb_build_object('team', n % 2000),
        CASE WHEN n % 1000 = 0 THEN ARRAY['user-' || n % 5000] ELSE '{}' END,
        timestamptz '${largeFrom}' + n * interval '1 second', timestamptz '${largeFrom}' + n * interval '80 seconds',
        CASE n WHEN 0 THEN ${hotOperations} ELSE ${each} END,
        ${operationSql("n", `CASE n WHEN 0 THEN ${hotOperations} ELSE ${each} END`)}
      FROM generate_series(0, ${others}) n`);
    const operations = (
      of: string,
      from: string,
    ) => `INSERT INTO operations (doc_id, id, session_id, version, prev_version,
        "timestamp", type, status, element, user_id, client_id, data)
      SELECT ${docSql("n")}, ${operationSql("n", "v")}, ${sessionSql("n", of)}, v, v - 1,
        timestamptz '${largeFrom}' + v * interval '${from}' + n * interval '1 millisecond', 'update',
        CASE WHEN n % 100 = 7 AND v = 5 THEN 'conflict' ELSE 'applied' END, 'element-' || v % 50,
        'user-' || (n + v / 5) % 5000, 'client-' || v % 3, convert_to('{"set":{"x":' || v || ',"note":"${"n".repeat(150)}"}}', 'UTF8')`;
    await client.query(
      `${operations("0", "1 second")} FROM generate_series(1, ${hotOperations}) v, generate_series(0, 0) n`,
    );
    await client.query(`${operations(`(v / 5)::int`, "10 days")}
      FROM generate_series(1, ${each}) v, generate_series(1, ${others}) n ORDER BY v, n`);
    await client.query(`INSERT INTO sessions (id, doc_id, user_id, client_id, role, left_at, first_version, last_version)
      SELECT ${sessionSql("n", "part")}, ${docSql("n")}, 'user-' || (n + part) % 5000, 'client-0', 'editor', now() - interval '1 day',
        CASE part WHEN 0 THEN 1 ELSE 5 END, CASE WHEN n = 0 THEN ${hotOperations} WHEN part = 0 THEN 4 ELSE ${each} END
      FROM generate_series(0, 1) part, generate_series(0, ${others}) n WHERE n > 0 OR part = 0`);
    await client.query(`INSERT INTO conflicts (doc_id, id, element, resolution, resolved_by, resolved_at, created_at)
      SELECT ${docSql("n")}, ${docSql("n")}, 'element-5', 'manual', CASE WHEN n % 200 = 7 THEN 'user-' || n % 5000 END,
        CASE WHEN n % 200 = 7 THEN now() END, timestamptz '${largeFrom}' + n * interval '1 second'
      FROM generate_series(7, ${others}, 100) n`);
    await client.query(`INSERT INTO conflict_operations (doc_id, conflict_id, operation_id)
      SELECT ${docSql("n")}, ${docSql("n")}, ${operationSql("n", "v")}
      FROM generate_series(7, ${others}, 100) n, generate_series(4, 5) v`);
    await client.query(`INSERT INTO locks (doc_id, id, user_id, session_id, client_id, element, token, version, expires_at)
      SELECT ${docSql("n")}, ${docSql("n")}, 'locker', ${docSql("n")}, 'locker-tab', 'locked', 1, 1, now() + interval '1 hour'
      FROM generate_series(9, ${others}, 1000) n`);
    const snapshotted = `FROM generate_series(2, ${others}, 10) n`;
    await client.query(`INSERT INTO snapshots (doc_id, version, id, operation_id, bytes)
      SELECT ${docSql("n")}, 2, ${docSql("n")}, ${operationSql("n", "2")}, 6 ${snapshotted}`);
    await client.query(`INSERT INTO snapshot_parts (doc_id, snapshot_id, kind, part, body)
      SELECT ${docSql("n")}, ${docSql("n")}, 'elements', 0, '"e":{}' ${snapshotted}`);
    await client.query(`INSERT INTO snapshot_changes (doc_id, version, base, operation_id, elements, memory)
      SELECT ${docSql("n")}, 3, 2, ${operationSql("n", "3")}, '"e":null', '' ${snapshotted}`);
    await client.query("UPDATE documents SET lock_token = 1 WHERE id IN (SELECT doc_id FROM locks)");
    // What autovacuum does by itself while rows arrive.
    await client.query("SELECT brin_summarize_new_values('operations_timestamp_idx')");
    await client.query("RESET statement_timeout; RESET synchronous_commit");
  });
}
