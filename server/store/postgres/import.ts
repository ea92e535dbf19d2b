/**
 * Reads what export wrote into the tables, in one transaction: the document is there whole, and sound as `verify`
 * says, or nothing is. Rows go in as they come, a bounded number at a time.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import { readOperation } from "../../../shared/document/operation.ts";
import type { DatabasePool } from "../../database/pool.ts";
import { checkDocument, loggedStatuses } from "../verify.ts";
import { documentFields, type TransferSection, transferFormat, transferSections } from "./transfer.ts";

/** The file is not what it has to be, or the document cannot be taken in. For people. */
export class ImportProblem extends Error {
  override readonly name = "ImportProblem";
}

export interface ImportOptions {
  /** Top-level fields of the file in its order; items of arrays one by one. */
  readonly items: AsyncIterable<{ readonly key: string; readonly value: unknown }>;
  /** Another id than the file's. */
  readonly as?: string;
  readonly onRows?: (operations: number) => void;
}

export interface Imported {
  readonly docId: string;
  readonly version: number;
  /** In the live log. */
  readonly operations: number;
  readonly archivedOperations: number;
}

/** One statement takes rows up to these bounds. */
const batchRows = 500;
const batchLength = 2 * 1024 * 1024;

type Row = { readonly [column: string]: unknown };

/** @throws ImportProblem, and what the database refuses. Nothing is left of it then. */
export function importDocument(pool: DatabasePool, options: ImportOptions): Promise<Imported> {
  return pool.withClient(async (client) => {
    await client.query("BEGIN");
    try {
      // Whoever writes the input may be slow.
      await client.query("SET LOCAL idle_in_transaction_session_timeout = 0");
      const imported = await new Import(client, options).run();
      await client.query("COMMIT");
      return imported;
    } catch (error) {
      await client.query("ROLLBACK").catch(() => undefined);
      throw error;
    }
  });
}

class Import {
  readonly #client: pg.PoolClient;
  readonly #options: ImportOptions;
  #docId: string | undefined;
  #isRenamed = false;
  #version = 0;
  #operations = 0;
  #archivedOperations = 0;
  #section: TransferSection | undefined;
  #rows: Row[] = [];
  #length = 0;

  constructor(client: pg.PoolClient, options: ImportOptions) {
    this.#client = client;
    this.#options = options;
  }

  async run(): Promise<Imported> {
    let format: unknown;
    for await (const { key, value } of this.#options.items) {
      if (key === "format") format = value;
      if (format !== transferFormat) throw new ImportProblem(`not a file of the format ${transferFormat}`);
      if (key === "document") await this.#document(value);
      const section = transferSections.find((each) => each.key === key);
      if (section !== undefined) await this.#row(section, value);
    }
    await this.#flush();
    if (this.#docId === undefined) throw new ImportProblem("there is no document in the file");
    await this.#recordSessions(this.#docId);
    const findings = await checkDocument(this.#client, this.#docId);
    if (findings.length > 0) {
      throw new ImportProblem(findings.map(({ problem, message }) => `${problem}: ${message}`).join("\n"));
    }
    return {
      docId: this.#docId,
      version: this.#version,
      operations: this.#operations,
      archivedOperations: this.#archivedOperations,
    };
  }

  async #document(value: unknown): Promise<void> {
    const { as } = this.#options;
    const { id, version, name, owner } = rowOf("document", value);
    if (typeof id !== "string" || typeof version !== "number")
      throw new ImportProblem("document: no id or version");
    for (const [field, text] of Object.entries({ name, owner }))
      if (typeof text !== "string" || text === "")
        throw new ImportProblem(`document: ${field} must not be empty`);
    this.#isRenamed = as !== undefined && as !== id;
    const docId = as ?? id;
    const names = Object.keys(documentFields);
    const types = Object.entries(documentFields).map(([name, type]) => `"${name}" ${type}`);
    const { rowCount } = await this.#client.query(
      `INSERT INTO documents (id, content, content_version, ${names.join(", ")})
        SELECT $1, convert_to(x.content, 'UTF8'), CASE WHEN x.content IS NULL THEN 0 ELSE x.retained_from - 1 END, ${names.map((name) => `x."${name}"`).join(", ")}
        FROM json_to_record($2::json) AS x(content text, ${types.join(", ")}) ON CONFLICT DO NOTHING`,
      [docId, JSON.stringify(value)],
    );
    if (rowCount === 0)
      throw new ImportProblem(`a document with the id ${docId} exists; give another by --as`);
    this.#docId = docId;
    this.#version = version;
  }

  async #row(section: TransferSection, value: unknown): Promise<void> {
    if (this.#docId === undefined) throw new ImportProblem(`${section.key} stands before the document`);
    if (section !== this.#section) await this.#flush();
    this.#section = section;
    const row = rowOf(section.key, value);
    if (section.table === "operations") checkOperation(row);
    if (section.table === "assets") checkAsset(row);
    this.#rows.push(row);
    for (const field of Object.values(row)) this.#length += typeof field === "string" ? field.length : 20;
    if (this.#rows.length >= batchRows || this.#length >= batchLength) await this.#flush();
  }

  async #flush(): Promise<void> {
    const section = this.#section;
    const rows = this.#rows;
    this.#rows = [];
    this.#length = 0;
    if (section === undefined || rows.length === 0) return;
    const { table, fields, write = {} } = section;
    const names = Object.keys(fields);
    const values = names.map((name) => {
      // A session's id is one in the whole database: those of a copy get their own.
      if (name === "session_id" && this.#isRenamed) return "md5($1::text || x.session_id::text)::uuid";
      return write[name] ?? `x."${name}"`;
    });
    await this.#client.query(
      `INSERT INTO ${table} (doc_id, ${names.map((name) => `"${name}"`).join(", ")})
        SELECT $1::uuid, ${values.join(", ")}
        FROM json_to_recordset($2::json) AS x(${Object.entries(fields)
          .map(([name, type]) => `"${name}" ${type}`)
          .join(", ")})`,
      [this.#docId, JSON.stringify(rows)],
    );
    if (table === "archived_operations") this.#archivedOperations += rows.length;
    if (table !== "operations") return;
    this.#operations += rows.length;
    this.#options.onRows?.(this.#operations);
  }

  /** By which the log is looked up by user and by session. */
  async #recordSessions(docId: string): Promise<void> {
    await this.#client.query(
      `INSERT INTO sessions (id, doc_id, user_id, client_id, role, joined_at, left_at, first_version, last_version)
        SELECT session_id, doc_id, min(user_id), min(client_id), 'editor', min("timestamp"), max("timestamp"),
          min(version), max(version)
        FROM operations WHERE doc_id = $1 GROUP BY doc_id, session_id ON CONFLICT DO NOTHING`,
      [docId],
    );
  }
}

function rowOf(key: string, value: unknown): Row {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ImportProblem(`${key}: expected objects`);
  return value as Row;
}

/** An asset is addressed by its content. */
function checkAsset({ sha256, bytes, body }: Row): void {
  const content = Buffer.from(String(body), "base64");
  if (createHash("sha256").update(content).digest("hex") !== sha256)
    throw new ImportProblem(`assets: sha256 ${String(sha256)} is not that of its body`);
  if (content.length !== bytes)
    throw new ImportProblem(`assets: bytes of ${sha256} are not those of its body`);
}

/** What stands in a log is trusted by everybody who reads it. */
function checkOperation({ id, type, element, data, extra, version, status }: Row): void {
  if (!loggedStatuses.some((logged) => logged === status))
    throw new ImportProblem(`operations: version ${String(version)}: status is none that a log holds`);
  let effect: unknown;
  try {
    effect = JSON.parse(String(data));
  } catch {
    effect = undefined;
  }
  const reading = readOperation({
    ...(effect as object),
    id,
    type,
    element,
    ...(extra === null ? {} : { extra }),
  });
  if (!reading.ok) {
    throw new ImportProblem(`operations: version ${String(version)}: ${reading.path} ${reading.message}`);
  }
}
