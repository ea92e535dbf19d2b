/** The one table with the one key of the bare baselines, and its insert. */
import type pg from "pg";

export const bareTable = `CREATE TABLE IF NOT EXISTS bare_log (
  doc uuid NOT NULL, version bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (doc, version))`;

/** Payloads travel as one binary parameter, cut by offset and length: no escaping, no array literal of texts. */
const insert = {
  name: "bare-insert",
  text: `INSERT INTO bare_log (doc, version, data)
    SELECT doc, version, substring($5::bytea FROM start FOR length)
    FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::int[]) AS t (doc, version, start, length)`,
};

export interface BareBatch {
  readonly doc: string;
  readonly first: number;
  readonly ops: readonly Buffer[];
}

/**
 * Inserts all batches in one statement. The key is the version check: when another instance was first, the whole
 * statement fails with SQLSTATE 23505.
 */
export async function insertBare(client: pg.Pool | pg.Client, batches: readonly BareBatch[]): Promise<void> {
  const docs: string[] = [];
  const versions: number[] = [];
  const starts: number[] = [];
  const lengths: number[] = [];
  const data: Buffer[] = [];
  let start = 1;
  for (const { doc, first, ops } of batches) {
    for (const [index, op] of ops.entries()) {
      docs.push(doc);
      versions.push(first + index);
      starts.push(start);
      lengths.push(op.length);
      data.push(op);
      start += op.length;
    }
  }
  const list = (values: readonly (string | number)[]): string => `{${values.join(",")}}`;
  await client.query(insert, [list(docs), list(versions), list(starts), list(lengths), Buffer.concat(data)]);
}
