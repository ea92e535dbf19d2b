/** A log of a given length, written by PostgreSQL itself: millions of operations in a minute or two. */
import pg from "pg";

/** Versions of one document: long drawings, so that 10,000,000 operations are 1,000 of them. */
const perDocument = 10_000;
/** Rows of one statement, between which progress is told. */
const perStatement = 500_000;
/** Elements of a document; its first operations create them, the others move them. */
const elements = 50;

const docSql = (n: string) => `('01900000-0000-7000-9000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
/** Version-7-shaped, growing with the version as a client's ids do. */
const operationSql = (n: string, v: string) =>
  `(lpad(to_hex(26214400 + (${v} >> 16)), 8, '0') || '-' || lpad(to_hex(${v} & 65535), 4, '0') || '-7003-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/**
 * Fills the migrated, otherwise empty database. Documents, versions, ids and elements fit together (`aetherflow verify`
 * finds nothing); keys and indexes are all there, and autovacuum has nothing left to do that would meet a measurement.
 */
export async function fillLog(
  url: string,
  operations: number,
  progress: (what: string) => void,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: "-c synchronous_commit=off" });
  await client.connect();
  try {
    const documents = Math.ceil(operations / perDocument);
    const each = Math.ceil(operations / documents);
    await client.query(`INSERT INTO documents (id, name, created_by, updated_by, owner, version, last_operation_id)
      SELECT ${docSql("n")}, 'Drawing ' || n, 'filler', 'filler', 'filler', ${each}, ${operationSql("n", `${each}`)}
      FROM generate_series(1, ${documents}) n`);
    await client.query(`INSERT INTO sessions (id, doc_id, user_id, client_id, role, left_at, first_version, last_version)
      SELECT ${docSql("n")}, ${docSql("n")}, 'filler', 'filler', 'owner', now(), 1, ${each}
      FROM generate_series(1, ${documents}) n`);
    const step = Math.max(1, Math.floor(perStatement / each));
    for (let from = 1; from <= documents; from += step) {
      progress(
        `storing ${operations.toLocaleString("en-US")} operations, ${Math.floor((100 * (from - 1)) / documents)} %`,
      );
      await client.query(`INSERT INTO operations (doc_id, id, session_id, version, prev_version, type, element, user_id, client_id, data)
        SELECT ${docSql("n")}, ${operationSql("n", "v")}, ${docSql("n")}, v, v - 1,
          CASE WHEN v <= ${elements} THEN 'create' ELSE 'move' END, 'element-' || v % ${elements}, 'filler', 'filler',
          convert_to(CASE WHEN v <= ${elements} THEN '{"props":{"type":"rectangle","x":0,"y":0,"width":120.75,"height":64.5}}'
            ELSE '{"set":{"x":' || v || '.25,"y":' || v % 1000 || '.5,"width":120.75,"height":64.5,"updated":' || 1795540049814 + v || '}}' END, 'UTF8')
        FROM generate_series(${from}, ${Math.min(documents, from + step - 1)}) n, generate_series(1, ${each}) v`);
    }
    progress("vacuum and checkpoint");
    await client.query("VACUUM (ANALYZE) operations, documents, sessions");
    // Not everybody who names a DATABASE_URL may ask for one; the next one comes by itself.
    await client.query("CHECKPOINT").catch(() => {});
  } finally {
    await client.end();
  }
}
