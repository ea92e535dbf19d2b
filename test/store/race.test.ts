/**
 * Races of two or three writers, each on a connection of its own, over the same few documents: fresh batches,
 * duplicates of each other's, batches from behind that touch what happened since or do not, another history, lock
 * against commit, and a row that a stranger holds in an open transaction. Judged by the log afterwards.
 */

import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DatabasePool } from "../../server/database/pool.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { CommitResult, DocumentBatch, LockResult, Store } from "../../server/store/store.ts";
import { createTestDatabase, holdRow, type TestDatabase } from "../support/database.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import { recordSessions } from "./recorded.ts";

const races = 1_200;
/** Races that share one preparation and one look at the log: their documents are different ones. */
const atOnce = 30;
let database: TestDatabase;
/** Of the writers, one connection each. */
let pools: DatabasePool[];
let writers: Store[];
let observer: Store;

beforeAll(async () => {
  database = await createTestDatabase();
  pools = Array.from({ length: 3 }, () => database.createPool({ max: 1 }));
  writers = pools.map((pool) => createPostgresStore({ pool }));
  observer = createPostgresStore({ pool: database.pool });
});
afterAll(() => database.drop());

interface Row {
  readonly doc: string;
  readonly version: number;
  readonly id: string;
  readonly element: string;
  readonly user: string;
}
interface Attempt {
  readonly batch: DocumentBatch;
  readonly result: CommitResult;
}

test(`[R1] [R2] [R6] [store/commit] ${races} races: no gap, no duplicate, no deadlock, no wait for a stranger's row`, {
  timeout: 180_000,
}, async () => {
  const random = seededRandom();
  const seen = new Map<string, number>();
  try {
    for (let done = 0; done < races; done += atOnce) await runMany(random, seen);
  } catch (error) {
    throw new Error(`race failed with SEED=${random.seed}`, { cause: error });
  }
  // A suite that never sees an outcome proves nothing about it.
  for (const outcome of [
    "committed",
    "later",
    "stale",
    "repeat",
    "history",
    "locked",
    "busy",
    "granted",
    "stranger",
  ]) {
    expect(seen.get(outcome) ?? 0, `${outcome} (SEED=${random.seed})`).toBeGreaterThan(10);
  }
  const { rows } = await database.pool.run<{ id: string }>({
    text: `SELECT d.id FROM documents d LEFT JOIN operations o ON o.doc_id = d.id GROUP BY d.id
      HAVING count(o.id) <> d.version OR coalesce(max(o.version), 0) <> d.version OR coalesce(min(o.version), 1) <> 1
        OR d.last_operation_id IS DISTINCT FROM (SELECT l.id FROM operations l WHERE l.doc_id = d.id AND l.version = d.version)`,
  });
  expect(rows, `documents with gaps (SEED=${random.seed})`).toEqual([]);
});

test("[store/commit] calls that record the same sessions, in whatever order, do not wait for each other", async () => {
  const docs = Array.from({ length: 4 }, () => newDocument());
  for (const doc of docs) await observer.documents.create(doc);
  // A slow disk may let a call wait for longer than the functions do: it is `busy` and goes again. Two that wait for each
  // other are found before that, which is an error.
  for (const pool of pools) await pool.run({ text: "SET deadlock_timeout = '40ms'" });
  const commit = async (writer: Store, batches: readonly DocumentBatch[]): Promise<CommitResult[]> => {
    const results = await writer.commit(batches, { wait: true });
    return results.every(({ outcome }) => outcome === "busy") ? commit(writer, batches) : results;
  };
  for (let round = 0; round < 100; round += 1) {
    const [one, two] = [origin("ann"), origin("ben")];
    const heads = await observer.documents.heads(docs.map(({ id }) => ({ docId: id })));
    const [a, b, c, d] = [one, two, two, one].map((by, i) =>
      batchAt(heads.find(({ head }) => head.docId === docs[i]!.id)!.head, [operation(by, "e")]),
    ) as [DocumentBatch, DocumentBatch, DocumentBatch, DocumentBatch];
    const results = await Promise.all([commit(writers[0]!, [a, b]), commit(writers[1]!, [c, d])]);
    expect(results.flat().map(({ outcome }) => outcome)).toEqual(Array(4).fill("committed"));
  }
});

async function runMany(random: SeededRandom, seen: Map<string, number>): Promise<void> {
  const plans = Array.from({ length: atOnce }, () =>
    Array.from({ length: random.between(1, 3) }, () => uuidv7()),
  );
  const history = await prepare(plans.flat(), random);
  const outcomes: Outcome[] = [];
  for (const docs of plans) outcomes.push(await run(random, docs, history));
  const log = await readLog(plans.flat());
  for (const outcome of outcomes) judgeRace(outcome, log, seen);
}

interface Outcome {
  readonly attempts: readonly Attempt[];
  readonly lock: LockResult | undefined;
  readonly held: string | undefined;
}

async function run(
  random: SeededRandom,
  docs: readonly string[],
  history: Map<string, Row[]>,
): Promise<Outcome> {
  const held = docs.length > 1 && random.next() < 0.15 ? random.pick(docs) : undefined;
  const stranger = held === undefined ? undefined : await holdRow(database, held);
  const calls = planCalls(random, docs, history);
  const lockAt =
    random.next() < 0.3 ? { docId: random.pick(docs), element: random.pick([null, "a", "b"]) } : undefined;
  const wait = stranger === undefined && random.next() < 0.5;
  // Of recorded sessions, a call of one document that waits goes through commit_one_v1.
  if (random.next() < 0.7) await Promise.all(calls.map((batches, i) => recordSessions(writers[i]!, batches)));
  const locking = lockAt === undefined || lockAt.docId === held ? undefined : takeLock(lockAt);
  const attempts: Attempt[] = [];
  let lock: LockResult | undefined;
  try {
    await Promise.all(
      calls.map(async (batches, i) => {
        const results = await writers[i]!.commit(batches, { wait });
        for (const [j, batch] of batches.entries()) attempts.push({ batch, result: results[j]! });
      }),
    );
    lock = await locking;
  } finally {
    // All have answered while the row is still held.
    await stranger?.release();
  }
  return { attempts, lock, held };
}

function judgeRace(
  { attempts, lock, held }: Outcome,
  log: Map<string, Row[]>,
  seen: Map<string, number>,
): void {
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  if (held !== undefined) count("stranger");
  if (lock !== undefined) count(lock.outcome);
  const granted = lock?.outcome === "granted" ? lock : undefined;
  for (const { batch, result } of attempts) {
    count(result.outcome);
    if (result.outcome === "committed" && result.firstVersion > batch.expectedVersion + 1) count("later");
    if (batch.docId === held) expect(result.outcome).toBe("busy");
    judge(batch, result, log.get(batch.docId) ?? [], attempts, granted);
  }
  // Had a call waited for the stranger's row, all of its documents were busy.
  if (held !== undefined && lock === undefined) {
    const ofOthers = attempts.filter(({ batch }) => batch.docId !== held);
    const free = new Set(
      ofOthers.flatMap(({ batch, result }) => (result.outcome === "busy" ? [] : batch.docId)),
    );
    expect([...free].sort()).toEqual([...new Set(ofOthers.map(({ batch }) => batch.docId))].sort());
  }
  // R6: after the grant, nothing by anybody else on what is locked.
  if (granted === undefined) return;
  const { docId, element, version, user } = granted.lock;
  const trespassers = (log.get(docId) ?? []).filter(
    (row) => row.version > version && row.user !== user && (element === null || element === row.element),
  );
  expect(trespassers).toEqual([]);
}

/** Batches from the state after `prepare`, which the others of the race make stale. */
function planCalls(
  random: SeededRandom,
  docs: readonly string[],
  history: Map<string, Row[]>,
): DocumentBatch[][] {
  const calls: DocumentBatch[][] = [];
  const shared = new Map<string, DocumentBatch>();
  for (let writer = 0; writer < random.between(2, 3); writer++) {
    const by = origin(`writer-${writer}`);
    const mine = docs.filter(() => random.next() < 0.85);
    const batches = mine.map((docId): DocumentBatch => {
      const known = shared.get(docId);
      if (known !== undefined && random.next() < 0.35) {
        // A repeat of what another writer submits at this moment, in part or with something new beside it.
        const extra = random.next() < 0.3 ? [operation(by, "c")] : [];
        return { ...known, operations: [...known.operations, ...extra] };
      }
      const rows = history.get(docId) ?? [];
      const behind = random.next() < 0.4 ? random.between(0, rows.length) : rows.length;
      const stranded = random.next() < 0.08;
      const batch: DocumentBatch = {
        docId,
        expectedVersion: behind,
        expectedId: stranded ? uuidv7() : (rows[behind - 1]?.id ?? null),
        metadataVersion: 1,
        operations: Array.from({ length: random.between(1, 4) }, () =>
          operation(by, random.pick(["a", "b", "c", "d", "e"])),
        ),
      };
      shared.set(docId, batch);
      return batch;
    });
    calls.push(random.next() < 0.5 ? batches : batches.reverse());
  }
  return calls;
}

function judge(
  batch: DocumentBatch,
  result: CommitResult,
  log: Row[],
  attempts: readonly Attempt[],
  lock: (LockResult & { outcome: "granted" }) | undefined,
): void {
  const elements = new Set(batch.operations.map(({ element }) => element));
  const ids = new Set(batch.operations.map(({ id }) => id));
  const stored = log.filter((row) => ids.has(row.id));
  const twins = attempts.filter(
    (other) => other.batch !== batch && other.batch.operations.some(({ id }) => ids.has(id)),
  );
  if (result.outcome === "committed") {
    expect(stored.map(({ id, version }) => ({ id, version }))).toEqual(
      batch.operations.map(({ id }, i) => ({ id, version: result.firstVersion + i })),
    );
    const between = log.filter(
      (row) => row.version > batch.expectedVersion && row.version < result.firstVersion,
    );
    expect(between.filter((row) => elements.has(row.element))).toEqual([]);
    expect(result.missed.operations.map(({ id }) => id)).toEqual(between.map(({ id }) => id));
    return;
  }
  // Not stored, unless a twin of it was.
  if (stored.length > 0) expect(twins.some((other) => other.result.outcome === "committed")).toBe(true);
  switch (result.outcome) {
    case "stale":
      expect(
        log.some(
          (row) =>
            row.version > batch.expectedVersion &&
            row.version <= result.head.version &&
            elements.has(row.element),
        ),
      ).toBe(true);
      expect(result.missed.complete).toBe(true);
      break;
    case "repeat":
      expect(result.known.map(({ id, version }) => ({ id, version }))).toEqual(
        stored.map(({ id, version }) => ({ id, version })),
      );
      break;
    case "history":
      expect(log.find((row) => row.version === batch.expectedVersion)?.id ?? null).not.toBe(batch.expectedId);
      break;
    case "locked":
      expect(lock).toMatchObject({ lock: { id: result.lock.id } });
      break;
    case "busy":
      break;
    default:
      throw new Error(`unexpected ${result.outcome}`);
  }
}

/** Documents with a short history on elements a, b, c. */
async function prepare(docs: readonly string[], random: SeededRandom): Promise<Map<string, Row[]>> {
  await database.pool.run({
    text: "INSERT INTO documents (id, name, created_by, updated_by, owner) SELECT u, 'r', 'r', 'r', 'r' FROM unnest($1::uuid[]) u",
    values: [docs],
  });
  const by = origin("before");
  const batches = docs.map((docId) => ({
    docId,
    expectedVersion: 0,
    expectedId: null,
    metadataVersion: 1,
    operations: ["a", "b", "c"].slice(0, random.between(1, 3)).map((element) => operation(by, element)),
  }));
  const results = await observer.commit(batches, { wait: true });
  for (const result of results) expect(result.outcome).toBe("committed");
  return readLog(docs);
}

async function readLog(docs: readonly string[]): Promise<Map<string, Row[]>> {
  const { rows } = await database.pool.run<Row>({
    name: "race_log",
    text: `SELECT doc_id AS doc, version, id, element, user_id AS "user" FROM operations
      WHERE doc_id = ANY ($1::uuid[]) ORDER BY doc_id, version`,
    values: [docs],
  });
  const log = new Map<string, Row[]>(docs.map((doc) => [doc, []]));
  for (const row of rows) log.get(row.doc)?.push(row);
  return log;
}

function takeLock(at: { docId: string; element: string | null }): Promise<LockResult> {
  return observer.locks.acquire({ ...at, ...origin("locker"), ttlMs: 60_000, maxPerAuthor: 0 });
}
