/** Notes where in the log each lock ended, for tests of R6: the locks table itself keeps only the grant. */
import type { DatabasePool } from "../../server/database/pool.ts";

/** One ended lock: a row of `lock_ends`. */
export interface LockEnd {
  readonly lockId: string;
  /** The document's version when it ended: whoever ends a lock holds the document's row. */
  readonly version: number;
  /** The document's last fencing token then. */
  readonly token: number;
  readonly atMs: number;
}

/** Call it before anything is locked. */
export async function noteLockEnds(pool: DatabasePool): Promise<void> {
  const run = (text: string) => pool.query(text);
  await run(
    "CREATE TABLE lock_ends (doc_id uuid, lock_id uuid, version bigint, token bigint, at timestamptz)",
  );
  await run(`CREATE FUNCTION note_lock_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO lock_ends SELECT d.id, NEW.id, d.version, d.lock_token, clock_timestamp()
      FROM documents d WHERE d.id = NEW.doc_id;
      RETURN NULL;
    END $$`);
  await run(`CREATE TRIGGER note_lock_end AFTER UPDATE ON locks FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION note_lock_end()`);
  // Dated at the end of its transaction: until then everybody reads the lock as standing.
  await run(`CREATE FUNCTION date_lock_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE lock_ends SET at = clock_timestamp() WHERE lock_id = NEW.id;
      RETURN NULL;
    END $$`);
  await run(`CREATE CONSTRAINT TRIGGER date_lock_end AFTER UPDATE ON locks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION date_lock_end()`);
}

/** Of one document, by lock. */
export async function lockEndsOf(pool: DatabasePool, docId: string): Promise<Map<string, LockEnd>> {
  const { rows } = await pool.query<LockEnd>(
    `SELECT lock_id AS "lockId", version, token, (extract(epoch FROM at) * 1000)::float8 AS "atMs"
     FROM lock_ends WHERE doc_id = $1`,
    [docId],
  );
  return new Map(rows.map((end) => [end.lockId, end]));
}
