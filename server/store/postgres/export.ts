/** Writes one document as JSON, in one snapshot of the database and never more than a page of rows at a time. */
import type pg from "pg";
import type { DatabasePool } from "../../database/pool.ts";
import {
  documentFields,
  needsContent,
  type TransferSection,
  transferFormat,
  transferSections,
} from "./transfer.ts";

/**
 * The texts of the file, one row a line. Nothing at all for an absent document. `onRows`: how many operations were
 * written, for progress.
 */
export async function* exportDocument(
  pool: DatabasePool,
  docId: string,
  onRows: (operations: number) => void = () => {},
): AsyncGenerator<string> {
  const client = await pool.connect();
  // Between two pages the connection is nobody's, and a break of it would end the process.
  let broken: Error | undefined;
  client.on("error", (error) => {
    broken = error;
  });
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    // Whoever reads the output may be slow.
    await client.query("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL enable_seqscan = off");
    const columns = Object.keys(documentFields).map((name) => `d.${name}`);
    const { rows } = await client.query<{ text: string }>(
      `SELECT row_to_json(x)::text AS text FROM (
        SELECT d.id, ${columns.join(", ")},
          CASE WHEN ${needsContent} THEN convert_from(d.content, 'UTF8') END AS content FROM documents d WHERE d.id = $1) x`,
      [docId],
    );
    const document = rows[0];
    if (document === undefined) return;
    yield `{"format":"${transferFormat}",\n"document":${document.text}`;
    for (const section of transferSections) yield* sectionTexts(client, docId, section, onRows);
    yield "}\n";
  } finally {
    // A reader that stopped leaves the transaction open: the connection goes with it.
    client.release(broken ?? true);
  }
}

async function* sectionTexts(
  client: pg.PoolClient,
  docId: string,
  section: TransferSection,
  onRows: (operations: number) => void,
): AsyncGenerator<string> {
  const { key, table, fields, read = {}, orderedBy, where = "true", page } = section;
  const columns = Object.keys(fields).map((name) => `${read[name] ?? `t."${name}"`} AS "${name}"`);
  const place = orderedBy.map((name) => `t."${name}"`).join(", ");
  const after = orderedBy.map((name, at) => `$${at + 2}::${fields[name]}`).join(", ");
  const places = orderedBy.map((name) => `x."${name}"::text AS "after_${name}"`).join(", ");
  const text = (isFirst: boolean) => `SELECT row_to_json(x)::text AS text, ${places} FROM (
    SELECT ${columns.join(", ")} FROM ${table} t
    WHERE t.doc_id = $1 AND ${where} ${isFirst ? "" : `AND (${place}) > (${after})`}
    ORDER BY ${place} LIMIT ${page}) x`;
  yield `,\n"${key}":[`;
  let written = 0;
  for (let last: string[] | undefined; ; ) {
    const { rows } = await client.query<{ text: string } & { [place: string]: string }>(
      text(last === undefined),
      [docId, ...(last ?? [])],
    );
    for (const row of rows) yield `${written++ === 0 ? "\n" : ",\n"}${row.text}`;
    if (key === "operations") onRows(written);
    const end = rows.at(-1);
    if (end === undefined || rows.length < page) break;
    last = orderedBy.map((name) => end[`after_${name}`] ?? "");
  }
  yield "]";
}
