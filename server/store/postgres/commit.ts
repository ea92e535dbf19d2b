/**
 * The commit: one round trip for many documents, with binary arrays. `commit_one_v1` where it is a single document that
 * has nothing to record but operations and waits for its row, else `commit_batch_v1` (both in migrations/).
 *
 * Documents are sent sorted by id, so that the function can walk the rows it locked and its arguments together;
 * results are put back into the caller's order.
 *
 * Measured on two busy cores, two connections, 200 bytes an operation, PostgreSQL's CPU for 10,000 operations beside
 * a bare multi-row insert with an update of the versions: 1 document × 100 operations 0.21 s (bare 0.15–0.20),
 * 10 × 10 0.21 s (0.17), 100 × 1 0.34 s (0.23); 17,000–25,000 operations a second. Planned on empty tables without
 * the function's settings the same takes ten times as long once there are 1,000,000 operations.
 */
import { rfc3339 } from "../../../drizzle/columns.ts";
import { sqlstateOf } from "../../database/sqlstate.ts";
import type {
  CommitOperation,
  CommitResult,
  ConflictResolve,
  ConflictWrite,
  DocumentBatch,
  Head,
  KnownOperation,
  Missed,
  Origin,
  StoredOperation,
} from "../store.ts";
import { StoreUnavailable } from "../store.ts";
import { int4Array, int8Array, textArray, utf8Array, uuidArray } from "./arrays.ts";
import { type Database, promptMs, type Statement } from "./database.ts";
import { type LockJson, lockFromJson } from "./locks.ts";

/** Missed operations that ride in one answer: a reader that stopped would hold the row locks beyond socket buffers. */
export const missedBytesPerAnswer = 128 * 1024;

/** lock_not_available: a row was held for longer than the functions wait; nothing of the call is written. */
const rowHeld = "55P03";
const noId = "00000000-0000-0000-0000-000000000000";

const parameterTypes = [
  ...["boolean", "integer", "uuid[]", "bigint[]", "uuid[]", "bigint[]", "integer[]"],
  ...[
    "integer[]",
    "uuid[]",
    "text[]",
    "text[]",
    "bigint[]",
    "bytea[]",
    "integer[]",
    "text[]",
    "uuid[]",
    "text[]",
  ],
  ...["text[]", "text[]", "uuid[]", "text[]", "text[]", "text[]", "text[]", "integer[]"],
  ...["integer[]", "jsonb", "jsonb"],
];
/** With what it committed for webhooks, where there are any: `$3` are the documents, `$7` the offsets. */
const statement = {
  name: "commit_batch_v1",
  text: `SELECT c.*, CASE WHEN EXISTS (SELECT FROM webhooks)
      THEN emit_commit_v1($3::uuid[], $7::integer[], c.o_firsts) END AS o_emitted
    FROM commit_batch_v1(${casts(parameterTypes)}) c`,
};

const oneParameterTypes = [
  ...["integer", "uuid", "bigint", "uuid", "bigint", "integer"],
  ...["uuid[]", "text[]", "text[]", "bigint[]", "bytea[]", "integer[]", "text[]"],
  ...["text[]", "text[]", "uuid[]", "text[]", "text[]", "text[]", "text[]"],
];
/** `$2` is the document, `$6` how many operations. */
const oneStatement = {
  name: "commit_one_v1",
  text: `SELECT c.*, CASE WHEN EXISTS (SELECT FROM webhooks)
      THEN emit_commit_v1(ARRAY[$2::uuid], ARRAY[0, $6::integer], ARRAY[c.o_first]) END AS o_emitted
    FROM commit_one_v1(${casts(oneParameterTypes)}) c`,
};

function casts(types: readonly string[]): string {
  return types.map((type, i) => `$${i + 1}::${type}`).join(", ");
}

/** A missed operation's columns, in the order of `commit_batch_v1`. */
type MissedRow = readonly [
  version: number,
  id: string,
  type: StoredOperation["type"],
  element: string,
  base: number,
  status: StoredOperation["status"],
  conflict: string | null,
  session: string,
  user: string,
  client: string,
  at: string,
  data: string,
  extra: string | null,
];
type HeadJson = Omit<Head, "docId">;
type Problem = { readonly doc: number } & (
  | { readonly outcome: "committed"; readonly missed: MissedRow[] | null; readonly complete: boolean }
  | {
      readonly outcome: "stale";
      readonly head: HeadJson;
      readonly missed: MissedRow[] | null;
      readonly complete: boolean;
    }
  | { readonly outcome: "repeat"; readonly head: HeadJson; readonly known: KnownOperation[] }
  | { readonly outcome: "locked"; readonly head: HeadJson; readonly lock: LockJson }
  | { readonly outcome: "resolved"; readonly head: HeadJson; readonly conflictId: string }
  | { readonly outcome: "changed" | "history"; readonly head: HeadJson }
  | { readonly outcome: "missing" | "busy" }
);

interface Row {
  o_firsts: number[];
  o_revisions: number[];
  o_at: string;
  o_problems: Problem[] | null;
}
interface OneRow {
  o_first: number;
  o_revision: number;
  o_at: string;
  o_problems: Problem[] | null;
}

const nothingMissed: Missed = { operations: [], complete: true };

/**
 * Commits batches of different documents; see `Store.commit`.
 * `isRecorded` tells whether a session surely has its row; others are recorded (or reopened) along the way.
 */
export async function commit(
  database: Database,
  batches: readonly DocumentBatch[],
  options: { readonly wait: boolean },
  isRecorded: (sessionId: string) => boolean,
): Promise<CommitResult[]> {
  if (batches.length === 0) return [];
  const order = batches.map((batch, place) => ({ batch, place }));
  order.sort((a, b) => (a.batch.docId < b.batch.docId ? -1 : 1));
  // A batch of 20,000 takes a second or more: one millisecond an operation is twenty times what was measured.
  const operations = batches.reduce((sum, batch) => sum + batch.operations.length, 0);
  const answerWithinMs = promptMs + operations;
  const columns = gather(
    order.map((entry) => entry.batch),
    isRecorded,
  );
  try {
    if (isOne(columns) && options.wait) {
      const [one] = await database.rows<OneRow>(within(answerWithinMs, oneStatement), oneValues(columns));
      if (one === undefined) throw new Error("commit_one_v1 returned nothing");
      const { o_first, o_revision, o_at, o_problems } = one;
      return decode({ o_firsts: [o_first], o_revisions: [o_revision], o_at, o_problems }, order);
    }
    const [row] = await database.rows<Row>(
      within(answerWithinMs, statement),
      manyValues(columns, options.wait),
    );
    if (row === undefined) throw new Error("commit_batch_v1 returned nothing");
    return decode(row, order);
  } catch (error) {
    if (!(error instanceof StoreUnavailable) || sqlstateOf(error.cause) !== rowHeld) throw error;
    return batches.map(() => ({ outcome: "busy" }));
  }
}

/** Field by field: what is spread lives on, with the call's buffers, until all of the heap is collected. */
function within(answerWithinMs: number, { name, text }: typeof oneStatement): Statement {
  return { name, text, answerWithinMs };
}

type Columns = ReturnType<typeof gather>;

/** Documents and operations by column; a column that is null differs from its default nowhere. */
function gather(batches: readonly DocumentBatch[], isRecorded: (sessionId: string) => boolean) {
  const operations: CommitOperation[] = [];
  const offsets: number[] = [0];
  const opDocs: number[] = [];
  let opOrigins: number[] = [];
  /** The place of each, from 1 on. */
  const origins = new Map<Origin, number>();
  let newSessions: number[] = [];
  const seenSessions = new Set<string>();
  const exact: number[] = [];
  const conflicts: object[] = [];
  const resolves: object[] = [];

  let doc = 0;
  for (const batch of batches) {
    doc += 1;
    if (batch.exact === true) exact.push(doc);
    for (const operation of batch.operations) {
      let origin = origins.get(operation.origin);
      if (origin === undefined) {
        origin = origins.size + 1;
        origins.set(operation.origin, origin);
        const { session } = operation.origin;
        newSessions.push(seenSessions.has(session) || isRecorded(session) ? 0 : doc);
        seenSessions.add(session);
      }
      operations.push(operation);
      opDocs.push(doc);
      opOrigins.push(origin);
    }
    offsets.push(operations.length);
    for (const write of batch.conflicts ?? []) conflicts.push(conflictJson(doc, write));
    for (const resolve of batch.resolves ?? []) resolves.push(resolveJson(doc, resolve));
  }

  const originList = [...origins.keys()];
  const anyNew = newSessions.some((first) => first > 0);
  if (anyNew) {
    // In one order in every call: two that record the same sessions would wait for each other.
    originList.sort((a, b) => (a.session < b.session ? -1 : 1));
    const places = originList.map((origin) => origins.get(origin) ?? 0);
    newSessions = places.map((place) => newSessions[place - 1] ?? 0);
    opOrigins = opOrigins.map((place) => places.indexOf(place) + 1);
  }

  /** A column of the origins, or null when no origin has it. */
  const column = (pick: (origin: Origin) => string | undefined) => {
    const values = originList.map((origin) => pick(origin) ?? null);
    return values.some((value) => value !== null) ? textArray(values) : null;
  };
  const isApplied = operations.every(({ status }) => status === "applied");
  const hasConflicts = operations.some(({ conflict }) => conflict !== undefined);
  const hasExtras = operations.some(({ extra }) => extra !== undefined);
  return {
    docs: batches.map(({ docId }) => docId),
    expected: batches.map(({ expectedVersion }) => expectedVersion),
    expectedIds: batches.map(({ expectedId }) => expectedId ?? noId),
    metadata: batches.map(({ metadataVersion }) => metadataVersion),
    offsets,
    opDocs,
    ids: uuidArray(operations.map(({ id }) => id)),
    types: textArray(operations.map(({ type }) => type)),
    elements: textArray(operations.map(({ element }) => element)),
    bases: int8Array(operations.map(({ base }) => base)),
    data: utf8Array(operations.map(({ data }) => data)),
    opOrigins: int4Array(opOrigins),
    statuses: isApplied ? null : textArray(operations.map(({ status }) => status)),
    opConflicts: hasConflicts ? uuidArray(operations.map(({ conflict }) => conflict ?? null)) : null,
    extras: hasExtras ? textArray(operations.map(({ extra }) => extra ?? null)) : null,
    users: textArray(originList.map(({ user }) => user)),
    clients: textArray(originList.map(({ client }) => client)),
    sessions: uuidArray(originList.map(({ session }) => session)),
    lockClients: column(({ lockClient }) => lockClient),
    ips: column(({ ip }) => ip),
    agents: column(({ userAgent }) => userAgent),
    platforms: column(({ platform }) => platform),
    newSessions: anyNew ? int4Array(newSessions) : null,
    exact: exact.length > 0 ? int4Array(exact) : null,
    conflicts: conflicts.length > 0 ? JSON.stringify(conflicts) : null,
    resolves: resolves.length > 0 ? JSON.stringify(resolves) : null,
  };
}

function operationValues({ ids, types, elements, bases, data, opOrigins }: Columns): unknown[] {
  return [ids, types, elements, bases, data, opOrigins];
}

function originValues(columns: Columns): unknown[] {
  const { users, clients, sessions, lockClients, ips, agents, platforms } = columns;
  return [users, clients, sessions, lockClients, ips, agents, platforms];
}

function manyValues(columns: Columns, wait: boolean): unknown[] {
  return [
    wait,
    missedBytesPerAnswer,
    uuidArray(columns.docs),
    int8Array(columns.expected),
    uuidArray(columns.expectedIds),
    int8Array(columns.metadata),
    int4Array(columns.offsets),
    int4Array(columns.opDocs),
    ...operationValues(columns),
    columns.statuses,
    columns.opConflicts,
    columns.extras,
    ...originValues(columns),
    columns.newSessions,
    columns.exact,
    columns.conflicts,
    columns.resolves,
  ];
}

/** Whether it is what `commit_one_v1` is for. */
function isOne(columns: Columns): boolean {
  const { docs, opDocs, statuses, opConflicts, newSessions, exact, conflicts, resolves } = columns;
  if (docs.length !== 1 || opDocs.length === 0) return false;
  return [statuses, opConflicts, newSessions, exact, conflicts, resolves].every((column) => column === null);
}

function oneValues(columns: Columns): unknown[] {
  return [
    missedBytesPerAnswer,
    columns.docs[0],
    columns.expected[0],
    columns.expectedIds[0],
    columns.metadata[0],
    columns.opDocs.length,
    ...operationValues(columns),
    columns.extras,
    ...originValues(columns),
  ];
}

function conflictJson(doc: number, write: ConflictWrite): object {
  return { ...write, doc };
}

function resolveJson(doc: number, resolve: ConflictResolve): object {
  return { doc, id: resolve.conflictId, resolvedBy: resolve.resolvedBy, operations: resolve.operations };
}

function decode(row: Row, order: readonly { batch: DocumentBatch; place: number }[]): CommitResult[] {
  const problems = new Map<number, Problem>();
  for (const problem of row.o_problems ?? []) problems.set(problem.doc, problem);
  // A document may have been accepted first and found to be a repeat later: the last word counts.
  const results: CommitResult[] = new Array(order.length);
  order.forEach(({ batch, place }, i) => {
    const problem = problems.get(i + 1);
    if (problem !== undefined && problem.outcome !== "committed")
      results[place] = refused(batch.docId, problem);
    else {
      results[place] = {
        outcome: "committed",
        firstVersion: row.o_firsts[i] ?? 0,
        at: row.o_at,
        revision: row.o_revisions[i] ?? 0,
        missed: problem === undefined ? nothingMissed : missedOf(batch.docId, problem),
      };
    }
  });
  return results;
}

function refused(docId: string, problem: Exclude<Problem, { readonly outcome: "committed" }>): CommitResult {
  switch (problem.outcome) {
    case "missing":
    case "busy":
      return { outcome: problem.outcome };
    case "stale":
      return { outcome: "stale", head: { ...problem.head, docId }, missed: missedOf(docId, problem) };
    case "repeat":
      return { outcome: "repeat", head: { ...problem.head, docId }, known: problem.known };
    case "locked":
      return { outcome: "locked", head: { ...problem.head, docId }, lock: lockFromJson(docId, problem.lock) };
    case "resolved":
      return { outcome: "resolved", head: { ...problem.head, docId }, conflictId: problem.conflictId };
    case "changed":
    case "history":
      return { outcome: problem.outcome, head: { ...problem.head, docId } };
  }
}

function missedOf(
  docId: string,
  problem: { readonly missed: MissedRow[] | null; readonly complete: boolean },
): Missed {
  const operations = (problem.missed ?? []).map((row): StoredOperation => {
    const [version, id, type, element, base, status, conflict, session, user, client, time, data, extra] =
      row;
    const at = rfc3339(time);
    return {
      docId,
      version,
      id,
      type,
      element,
      base,
      status,
      conflict,
      session,
      user,
      client,
      at,
      data,
      extra,
    };
  });
  return { operations, complete: problem.complete };
}
