/** What a finished run left behind: the log, the tables, and what the board noted. Read once, judged by pure functions. */
import type { ConflictInfo, Properties } from "../../client/index.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { DocumentMetadata } from "../../shared/protocol/messages.ts";
import { rest } from "../instances/start.ts";
import { type LockEnd, lockEndsOf } from "../support/lock-ends.ts";
import type { Board } from "./board.ts";

/** A row of `locks`. */
export interface LockRow {
  readonly id: string;
  readonly element: string | null;
  readonly user: string;
  readonly client: string;
  readonly token: number;
  readonly version: number;
  readonly active: boolean;
  readonly acquiredAtMs: number;
  readonly expiresAtMs: number;
}

/** A row of `conflicts`, with every operation that it names. */
export type ConflictRow = Pick<ConflictInfo, "id" | "element" | "resolution" | "resolvedBy" | "operations">;

export interface Content {
  readonly version: number;
  readonly elements: { readonly [id: string]: Properties };
}

export interface Evidence {
  readonly log: readonly SequencedOperation[];
  readonly locks: readonly LockRow[];
  readonly lockEnds: ReadonlyMap<string, LockEnd>;
  readonly conflicts: readonly ConflictRow[];
  /** Every session of the document, those that nobody was welcomed in included. */
  readonly sessions: ReadonlySet<string>;
  /** By instance. */
  readonly contents: readonly Content[];
  /** At earlier versions. */
  readonly pastContents: readonly Content[];
}

export async function conflictRows({ rig, id }: Board): Promise<ConflictRow[]> {
  const { rows } = await rig.database.pool.query<ConflictRow>(
    `SELECT c.id, c.element, c.resolution, c.resolved_by AS "resolvedBy",
      array(SELECT o.operation_id::text FROM conflict_operations o WHERE o.doc_id = c.doc_id AND o.conflict_id = c.id)
        AS operations
     FROM conflicts c WHERE c.doc_id = $1`,
    [id],
  );
  return rows;
}

export async function gather(board: Board): Promise<Evidence> {
  const { rig, id } = board;
  const get = async <T>(instance: number, path: string): Promise<T> => {
    const answer = await rest<T>(rig.url(instance), rig.token("ada"), "GET", `/documents/${id}${path}`);
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}`);
    return answer.body;
  };
  const log: SequencedOperation[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const from = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: SequencedOperation[]; nextCursor: string | null } = await get(
      0,
      `/operations?order=asc&limit=200${from}`,
    );
    log.push(...page.items);
    cursor = page.nextCursor;
  }
  const { rows: locks } = await rig.database.pool.query<LockRow>(
    `SELECT id, element, user_id AS "user", client_id AS "client", token, version, active,
      (extract(epoch FROM acquired_at) * 1000)::float8 AS "acquiredAtMs",
      (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAtMs"
     FROM locks WHERE doc_id = $1 ORDER BY token`,
    [id],
  );
  const { rows: sessions } = await rig.database.pool.query<{ id: string }>(
    "SELECT id FROM sessions WHERE doc_id = $1",
    [id],
  );
  const past = [...new Set([1 / 3, 2 / 3].map((share) => Math.floor(log.length * share)))];
  return {
    log,
    locks,
    lockEnds: await lockEndsOf(rig.database.pool, id),
    conflicts: await conflictRows(board),
    sessions: new Set(sessions.map((session) => session.id)),
    contents: await Promise.all(rig.urls.map((_, instance) => get<Content>(instance, "/content"))),
    pastContents: await Promise.all(past.map((version) => get<Content>(1, `/content?version=${version}`))),
  };
}

/** The metadata in force for the operation at a version. */
export function rulesAt(board: Board, version: number): DocumentMetadata {
  const made = [...board.changes].sort((a, b) => a.document.metadataVersion - b.document.metadataVersion);
  const last = made.findLast(({ document }) => document.version < version) ?? made[0];
  if (last === undefined) throw new Error("a document without metadata");
  return last.document;
}

/** Whether the metadata lets a user edit. */
export function mayEdit({ owner, editors }: DocumentMetadata, user: string): boolean {
  return user === owner || editors?.includes(user) === true;
}

/** Whether the metadata lets a user read. */
export function mayRead(document: DocumentMetadata, user: string): boolean {
  return mayEdit(document, user) || document.viewers?.includes(user) === true;
}
