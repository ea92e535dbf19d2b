/**
 * Checks stored data: what `aetherflow verify` reports. Each document is read in one snapshot of the database, its
 * log streamed in version order and replayed, so that memory is bounded by one document's state and a running server
 * disturbs nothing.
 */
import type pg from "pg";
import { applyOperation } from "../../shared/document/apply.ts";
import { type Elements, type Json, jsonEqual, type Properties } from "../../shared/document/json.ts";
import { decodeEffect, type OperationStatus, type OperationType } from "../../shared/document/operation.ts";
import type { DatabasePool } from "../database/pool.ts";

/** Something that stored data must never show. */
export interface Finding {
  /** Null: not of one document. */
  readonly docId: string | null;
  readonly problem: "gap" | "version" | "history" | "replay" | "snapshot" | "orphan" | "repeat" | "data";
  /** For people; names ids and versions, never content. */
  readonly message: string;
}

/** Operations read at once. */
const chunk = 1_000;
/** Parts of a snapshot are written before it; what a crashed writer left is swept after this (postgres/snapshots.ts). */
const partsWithin = "1 hour";
/** What a log holds; the table's other statuses are reserved. */
export const loggedStatuses: readonly OperationStatus[] = ["applied", "conflict", "resolved"];
/** Findings of one document that are told; a broken log would fill the screen. */
const maxFindings = 20;

interface DocumentRow {
  version: number;
  last_operation_id: string | null;
  retained_from: number;
  content_version: number;
}
interface OperationRow {
  version: number;
  id: string;
  type: OperationType;
  element: string;
  status: OperationStatus;
  conflict: string | null;
  data: string;
}
interface SnapshotRow {
  version: number;
  id: string;
  operation_id: string | null;
  bytes: number;
}
interface ChangesRow {
  version: number;
  base: number;
  operation_id: string | null;
}

/** Checks one document. One that is absent, or being purged, has no findings. */
export function verifyDocument(pool: DatabasePool, docId: string): Promise<Finding[]> {
  return pool.withClient(async (client) => {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    try {
      return await check(client, docId, partsWithin);
    } finally {
      await client.query("ROLLBACK");
    }
  });
}

/** The same in a transaction of the caller's, in which nobody else writes to the document. */
export function checkDocument(client: pg.PoolClient, docId: string): Promise<Finding[]> {
  return check(client, docId, "0 hours");
}

async function check(client: pg.PoolClient, docId: string, within: string): Promise<Finding[]> {
  return (await new DocumentCheck(client, docId, within).run()).slice(0, maxFindings);
}

/** Checks every document and what belongs to none. `onDocument` is called before each, for progress. */
export async function* verifyAll(
  pool: DatabasePool,
  onDocument: (checked: number) => void = () => {},
): AsyncGenerator<Finding> {
  let last = "00000000-0000-0000-0000-000000000000";
  for (let checked = 0; ; ) {
    const { rows } = await pool.run<{ id: string }>({
      text: "SELECT id FROM documents WHERE id > $1 ORDER BY id LIMIT 1000",
      values: [last],
    });
    for (const { id } of rows) {
      onDocument(checked++);
      yield* await verifyDocument(pool, id);
      last = id;
    }
    if (rows.length < 1000) break;
  }
  for (const table of ["operations", "archived_operations", "snapshot_parts", "archive_parts"])
    yield* orphansOf(pool, table);
}

/** Rows of documents that are not there, by hopping from document to document through the primary key. */
async function* orphansOf(pool: DatabasePool, table: string): AsyncGenerator<Finding> {
  let last = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const { rows } = await pool.run<{ doc_id: string; present: boolean }>({
      text: `WITH RECURSIVE hop(doc_id, n) AS (
          (SELECT doc_id, 1 FROM ${table} WHERE doc_id > $1 ORDER BY doc_id LIMIT 1)
          UNION ALL
          SELECT (SELECT t.doc_id FROM ${table} t WHERE t.doc_id > hop.doc_id ORDER BY t.doc_id LIMIT 1), n + 1
          FROM hop WHERE hop.doc_id IS NOT NULL AND n < 1000
        )
        SELECT doc_id, EXISTS (SELECT FROM documents d WHERE d.id = doc_id) AS present FROM hop WHERE doc_id IS NOT NULL`,
      values: [last],
    });
    for (const { doc_id: docId, present } of rows) {
      last = docId;
      if (!present)
        yield { docId, problem: "orphan", message: `${table} has rows of a document that does not exist` };
    }
    if (rows.length < 1000) return;
  }
}

/** One pass over one document's log. */
class DocumentCheck {
  readonly #client: pg.PoolClient;
  readonly #docId: string;
  readonly #findings: Finding[] = [];
  readonly #partsWithin: string;
  /** Of the retained log: conflict → the first version that names it. */
  readonly #conflicts = new Map<string, number>();
  /** The version at which each element was last written to, of those replayed. */
  readonly #written = new Map<string, number>();

  constructor(client: pg.PoolClient, docId: string, partsWithin: string) {
    this.#client = client;
    this.#docId = docId;
    this.#partsWithin = partsWithin;
  }

  async run(): Promise<Finding[]> {
    const document = (
      await this.#rows<DocumentRow>(
        "SELECT version, last_operation_id, retained_from, content_version FROM documents WHERE id = $1 AND NOT purging",
      )
    )[0];
    if (document === undefined) return [];
    const snapshots = await this.#upTo<SnapshotRow>(
      document,
      "a snapshot",
      "SELECT version, id, operation_id, bytes FROM snapshots WHERE doc_id = $1 ORDER BY version",
    );
    const changes = await this.#upTo<ChangesRow>(
      document,
      "a snapshot's changes",
      "SELECT version, base, operation_id FROM snapshot_changes WHERE doc_id = $1 ORDER BY version",
    );
    await this.#checkLog(document, snapshots, changes);
    await this.#checkReferences(document.version);
    return this.#findings;
  }

  #found(problem: Finding["problem"], message: string): void {
    this.#findings.push({ docId: this.#docId, problem, message });
  }

  async #rows<R extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    return (await this.#client.query<R>({ text, values: [this.#docId, ...values] })).rows;
  }

  /** What is of a version that the document has reached, by version. */
  async #upTo<R extends { version: number }>(
    document: DocumentRow,
    name: string,
    text: string,
  ): Promise<Map<number, R>> {
    const rows = await this.#rows<R>(text);
    for (const { version } of rows.filter((row) => row.version > document.version)) {
      this.#found(
        "snapshot",
        `${name} of version ${version} is beyond the current version ${document.version}`,
      );
    }
    return new Map(rows.map((row) => [row.version, row]));
  }

  /** Contiguous versions, and replay equal to every snapshot, with changes or without, and to the materialised content. */
  async #checkLog(
    document: DocumentRow,
    snapshots: ReadonlyMap<number, SnapshotRow>,
    changes: ReadonlyMap<number, ChangesRow>,
  ): Promise<void> {
    const first = document.retained_from;
    // The state that replay starts from: nothing, or the state just before the retained log.
    let elements: Elements | undefined = first === 1 ? new Map() : undefined;
    let expected = first;
    let lastId: string | null = null;

    const compareAt = async (version: number) => {
      const snapshot = snapshots.get(version);
      const operationId = version >= first ? lastId : undefined;
      if (snapshot !== undefined) elements = await this.#compareSnapshot(snapshot, elements, operationId);
      const changed = changes.get(version);
      if (changed !== undefined && elements !== undefined) {
        await this.#compareChanges(changed, elements, operationId);
      }
      if (version === document.content_version && version > 0)
        elements = await this.#compareContent(version, elements);
    };
    await compareAt(first - 1);
    if (elements === undefined) {
      this.#found("snapshot", `the log before version ${first} is gone and no snapshot stands for it`);
    }
    for (let after = 0; ; ) {
      const rows = await this.#rows<OperationRow>(
        `SELECT version, id, type, element, status, conflict, convert_from(data, 'UTF8') AS data
          FROM operations WHERE doc_id = $1 AND version > $2 ORDER BY version LIMIT ${chunk}`,
        [after],
      );
      for (const row of rows) {
        after = row.version;
        // Held back and left by archiving, or replaced by a tool.
        if (row.version < first) continue;
        if (row.version !== expected) {
          this.#found("gap", `version ${expected} is missing: the next one in the log is ${row.version}`);
        }
        expected = row.version + 1;
        lastId = row.id;
        if (!loggedStatuses.includes(row.status))
          this.#found("data", `version ${row.version} has the status ${row.status}, which no log holds`);
        if (row.conflict !== null && row.status !== "conflict" && !this.#conflicts.has(row.conflict))
          this.#conflicts.set(row.conflict, row.version);
        if (row.status === "applied") this.#written.set(row.element, row.version);
        if (elements !== undefined && row.status === "applied") this.#apply(elements, row);
        await compareAt(row.version);
      }
      if (rows.length < chunk) break;
    }
    if (expected !== document.version + 1) {
      this.#found(
        "version",
        `the document is at version ${document.version}, its log ends at ${expected - 1}`,
      );
    }
    if (document.version >= first && lastId !== document.last_operation_id) {
      this.#found(
        "history",
        `the document names ${document.last_operation_id} as its last operation, its log ${lastId}`,
      );
    }
  }

  #apply(elements: Elements, row: OperationRow): void {
    try {
      applyOperation(elements, decodeEffect(row.type, row.element, row.data));
    } catch {
      this.#found("data", `the data of version ${row.version} cannot be read`);
    }
  }

  /** Compares with the replay; without one yet, the snapshot is where it starts. */
  async #compareSnapshot(
    snapshot: SnapshotRow,
    replayed: Elements | undefined,
    operationId: string | null | undefined,
  ): Promise<Elements | undefined> {
    const { version } = snapshot;
    const parts = await this.#rows<{ kind: string; body: string }>(
      "SELECT kind, body FROM snapshot_parts WHERE doc_id = $1 AND snapshot_id = $2 ORDER BY kind, part",
      [snapshot.id],
    );
    const bytes = parts.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    if (bytes !== snapshot.bytes) {
      this.#found(
        "snapshot",
        `the snapshot of version ${version} has ${bytes} of its ${snapshot.bytes} bytes`,
      );
      return replayed;
    }
    if (operationId !== undefined && operationId !== snapshot.operation_id) {
      this.#found("history", `the snapshot of version ${version} was taken in another history`);
    }
    const inside = parts.filter(({ kind }) => kind === "elements").map(({ body }) => body);
    return this.#compare(
      `the snapshot of version ${version}`,
      `{${inside.filter((part) => part !== "").join(",")}}`,
      replayed,
    );
  }

  /** Its base was compared: every element written to since has to be there, as the replay has it. */
  async #compareChanges(
    { version, base, operation_id }: ChangesRow,
    replayed: Elements,
    operationId: string | null | undefined,
  ): Promise<void> {
    const name = `the changes of version ${version} to the snapshot of ${base}`;
    if (operationId !== undefined && operationId !== operation_id)
      this.#found("history", `${name} were taken in another history`);
    const [row] = await this.#rows<{ elements: string }>(
      "SELECT elements FROM snapshot_changes WHERE doc_id = $1 AND version = $2",
      [version],
    );
    // Parts, one a line.
    const read = this.#read(name, `{${row?.elements.replaceAll("\n", ",")}}`);
    if (read === undefined) return;
    const changed = new Set(read.keys());
    for (const [id, at] of this.#written) if (at > base) changed.add(id);
    this.#differences(name, changed, (id) => read.get(id) ?? undefined, replayed);
  }

  async #compareContent(version: number, replayed: Elements | undefined): Promise<Elements | undefined> {
    const [row] = await this.#rows<{ content: string | null }>(
      "SELECT convert_from(content, 'UTF8') AS content FROM documents WHERE id = $1",
    );
    if (row?.content == null) return replayed;
    return this.#compare(`the content at version ${version}`, row.content, replayed);
  }

  #compare(name: string, text: string, replayed: Elements | undefined): Elements | undefined {
    const stored = this.#read(name, text) as Elements | undefined;
    if (replayed === undefined || stored === undefined) return stored ?? replayed;
    this.#differences(
      name,
      new Set([...stored.keys(), ...replayed.keys()]),
      (id) => stored.get(id),
      replayed,
    );
    return replayed;
  }

  #read(name: string, text: string): Map<string, Properties | null> | undefined {
    try {
      return new Map(Object.entries(JSON.parse(text) as { [id: string]: Properties | null }));
    } catch {
      this.#found("data", `${name} cannot be read`);
      return undefined;
    }
  }

  #differences(
    name: string,
    ids: ReadonlySet<string>,
    stored: (id: string) => Properties | undefined,
    replayed: Elements,
  ): void {
    const different = [...ids].filter((id) => {
      const [one, other] = [stored(id), replayed.get(id)];
      if (one === undefined || other === undefined) return one !== other;
      return !jsonEqual(one as Json, other as Json);
    });
    if (different.length > 0) {
      const shown = different.slice(0, 3).join(", ");
      this.#found(
        "replay",
        `${name} differs from the replay of the log in ${different.length} elements (${shown}…)`,
      );
    }
  }

  /** What points at nothing. What points at an archived operation is no orphan. */
  async #checkReferences(current: number): Promise<void> {
    for (const row of await this.#rows<{ conflict_id: string; operation_id: string }>(
      `SELECT n.conflict_id, n.operation_id FROM conflict_operations n WHERE n.doc_id = $1
        AND NOT EXISTS (SELECT FROM operations o WHERE o.doc_id = n.doc_id AND o.id = n.operation_id)
        AND NOT EXISTS (SELECT FROM archived_operations a WHERE a.doc_id = n.doc_id AND a.id = n.operation_id) LIMIT 20`,
    )) {
      this.#found(
        "orphan",
        `conflict ${row.conflict_id} names operation ${row.operation_id}, which is nowhere`,
      );
    }
    for (const row of await this.#rows<{ version: number; conflict: string }>(
      `SELECT o.version, o.conflict FROM operations o WHERE o.doc_id = $1 AND o.status <> 'applied' AND o.status = 'conflict'
        AND NOT EXISTS (SELECT FROM conflicts c WHERE c.doc_id = o.doc_id AND c.id = o.conflict) LIMIT 20`,
    )) {
      this.#found("orphan", `version ${row.version} belongs to conflict ${row.conflict}, which is nowhere`);
    }
    for (const { id } of await this.#rows<{ id: string }>(
      `SELECT u.id FROM unnest($2::uuid[]) u(id)
        WHERE NOT EXISTS (SELECT FROM conflicts c WHERE c.doc_id = $1 AND c.id = u.id) LIMIT 20`,
      [[...this.#conflicts.keys()]],
    )) {
      this.#found("orphan", `version ${this.#conflicts.get(id)} belongs to conflict ${id}, which is nowhere`);
    }
    for (const row of await this.#rows<{ snapshot_id: string; count: number }>(
      `SELECT p.snapshot_id, count(*)::int AS count FROM snapshot_parts p
        WHERE p.doc_id = $1 AND p.created_at <= clock_timestamp() - $2::interval
        AND NOT EXISTS (SELECT FROM snapshots s WHERE s.doc_id = p.doc_id AND s.id = p.snapshot_id)
        GROUP BY p.snapshot_id LIMIT 20`,
      [this.#partsWithin],
    )) {
      this.#found("orphan", `${row.count} parts belong to snapshot ${row.snapshot_id}, which is nowhere`);
    }
    for (const row of await this.#rows<{ version: number }>(
      "SELECT version FROM document_versions WHERE doc_id = $1 AND version > $2 ORDER BY version LIMIT 20",
      [current],
    )) {
      this.#found("orphan", `a named version is ${row.version}, beyond the current version ${current}`);
    }
    for (const row of await this.#rows<{ id: string }>(
      `SELECT a.id FROM archived_operations a JOIN operations o ON o.doc_id = a.doc_id AND o.id = a.id
        WHERE a.doc_id = $1 AND a.version <> o.version LIMIT 20`,
    )) {
      this.#found("repeat", `operation ${row.id} is archived and in the log under two versions`);
    }
  }
}
