/** The store's calls, one case each, on the database of `large-database.ts`; cases that write have documents of their own. */
import { uuidv7 } from "uuidv7";
import type {
  CommitOperation,
  DocumentBatch,
  DocumentFilter,
  Head,
  OperationFilter,
  Origin,
  Store,
} from "../server/store/store.ts";
import { documentId, hotOperations, largeFrom, operationId, sessionId } from "./large-database.ts";

/** One call; `targetMs`: what the median has to stay below, where something is promised. */
export interface StoreCall {
  readonly name: string;
  readonly targetMs?: number;
  /** `i`: a number that grows with each repetition. */
  run(i: number): Promise<unknown>;
}

const data = JSON.stringify({ set: { x: 123.5, y: 88.25, note: "n".repeat(160) } });

export function newOperation(origin: Origin): CommitOperation {
  return { id: uuidv7(), type: "update", element: "element-1", base: 0, status: "applied", data, origin };
}

export function batchAt(head: Head, operations: readonly CommitOperation[]): DocumentBatch {
  const { docId, version, operationId, metadataVersion } = head;
  return { docId, expectedVersion: version, expectedId: operationId, metadataVersion, operations };
}

export async function headsOf(store: Store, from: number, count: number): Promise<Head[]> {
  const answers = await store.documents.heads(
    Array.from({ length: count }, (_, i) => ({ docId: documentId(from + i) })),
  );
  return answers.map((answer) => answer.head);
}

export function storeCalls(store: Store): readonly StoreCall[] {
  const origin: Origin = { user: "user-1", client: "bench", session: uuidv7() };
  return [
    ...documentCalls(store),
    ...operationCalls(store, origin),
    ...conflictCalls(store),
    ...lockCalls(store, origin),
    { name: "stats of everything", run: () => store.stats() },
    { name: "stats of 50 documents", run: (i) => store.documentStats(ids(3_000 + i, 50)) },
  ];
}

const ids = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, n) => documentId(from + n));

function documentCalls({ documents }: Store): StoreCall[] {
  const list = (
    what: string,
    filter: (i: number) => DocumentFilter,
    /** Found in any order by their index, and then sorted: nothing is promised for those. */
    targetMs?: number,
  ): StoreCall => ({
    name: `list 50 documents ${what}`,
    ...(targetMs === undefined ? {} : { targetMs }),
    run: (i) => documents.list(filter(i), { by: "updatedAt", order: "desc" }, { limit: 50 }),
  });
  const active = documentId(40_000);
  return [
    {
      name: "create document",
      targetMs: 10,
      run: () =>
        documents.create({
          id: uuidv7(),
          name: "New",
          type: "whiteboard",
          createdBy: "user-1",
          tags: ["new"],
        }),
    },
    { name: "get document", targetMs: 5, run: (i) => documents.get(documentId(i * 97)) },
    { name: "get 50 documents", run: (i) => documents.getMany(ids(i * 83, 50)) },
    {
      name: "update document",
      targetMs: 8,
      run: (i) => documents.update(documentId(i * 89), { name: `Renamed ${i}` }, "user-1"),
    },
    {
      name: "soft delete document",
      run: (i) => documents.update(documentId(50_000 + i), { state: "deleted" }, "user-1"),
    },
    { name: "purge document", run: (i) => documents.purge(documentId(60_000 + i)) },
    list("of an owner", (i) => ({ owner: `user-${i}` }), 50),
    list("created by", (i) => ({ createdBy: `user-${i}` }), 50),
    list("of a type", () => ({ type: "canvas" }), 50),
    list("of a state", () => ({ state: "active" }), 50),
    list("that a user may open", (i) => ({ user: `user-${i}` }), 50),
    list("with an active user", (i) => ({ activeUser: `user-${i * 1_000}` }), 50),
    list("with a tag", (i) => ({ tag: `tag-${i}` }), 50),
    list("with a property", (i) => ({ properties: { team: i } }), 50),
    list("with a text in the name", (i) => ({ text: `ment ${i}` })),
    { name: "count documents of an owner", run: (i) => documents.count({ owner: `user-${i}` }) },
    {
      name: "update version and content",
      run: (i) => documents.updateVersion(documentId(70_000 + i), 9, 10, Buffer.from("{}"), "user-1"),
    },
    { name: "add active user", run: (i) => documents.addActiveUser(active, `user-${i}`) },
    { name: "remove active user", run: (i) => documents.removeActiveUser(active, `user-${i}`) },
    { name: "load document (join)", targetMs: 20, run: (i) => documents.load(documentId(2_000 + i)) },
  ];
}

function operationCalls(store: Store, origin: Origin): StoreCall[] {
  const { operations } = store;
  let head: Head | undefined;
  const list = (what: string, filter: (i: number) => OperationFilter): StoreCall => ({
    name: `list 100 operations ${what}`,
    run: (i) => operations.list(filter(i), "asc", { limit: 100 }),
  });
  const time = (second: number): string => new Date(Date.parse(largeFrom) + second * 1_000).toISOString();
  return [
    {
      name: "commit one operation",
      targetMs: 5,
      run: async () => {
        head ??= (await headsOf(store, 500, 1))[0];
        if (head === undefined) throw new Error("no document to commit to");
        const one = newOperation(origin);
        const [result] = await store.commit([batchAt(head, [one])], { wait: false });
        if (result?.outcome !== "committed") throw new Error(`not committed: ${result?.outcome}`);
        head = { ...head, version: result.firstVersion, operationId: one.id };
      },
    },
    { name: "get operation", run: (i) => operations.get(documentId(0), operationId(0, 1 + i)) },
    { name: "latest 100 operations", targetMs: 20, run: () => operations.latest(documentId(0), 100) },
    {
      name: "100 operations by version",
      run: (i) => operations.byVersion(documentId(0), 1 + i * 100, 100 + i * 100),
    },
    {
      name: "catch up on 100 operations",
      run: (i) => operations.after(documentId(0), { version: hotOperations - 100, id: null }, 1_000_000 + i),
    },
    { name: "pending operations", run: (i) => operations.pending(documentId(i)) },
    list("of a document", (i) => ({ docId: documentId(i) })),
    list("of a user", (i) => ({ user: `user-${i}` })),
    list("of a session", (i) => ({ session: sessionId(1 + i, 0) })),
    list("of a type in a document", () => ({ docId: documentId(0), type: "update" })),
    list("held back", () => ({ status: "conflict" })),
    list("in a second", (i) => ({ fromTime: time(1_000 + i), toTime: time(1_001 + i) })),
    list("in a second of a document", (i) => ({
      docId: documentId(0),
      fromTime: time(1_000 + i),
      toTime: time(1_001 + i),
    })),
    list("in a range of versions", (i) => ({ docId: documentId(0), fromVersion: i, toVersion: i + 99 })),
    {
      name: "update an operation's status",
      run: (i) => operations.updateStatus(documentId(4_000 + i), operationId(4_000 + i, 1), "resolved"),
    },
  ];
}

function conflictCalls({ conflicts }: Store): StoreCall[] {
  /** Every hundredth document has a record under its own id; of those, every second one is resolved. */
  const withRecord = (i: number): string => documentId(107 + (i % 400) * 200);
  const made: { docId: string; id: string }[] = [];
  return [
    {
      name: "create conflict",
      run: (i) => {
        const docId = documentId(5_000 + i);
        const id = uuidv7();
        made.push({ docId, id });
        return conflicts.create(docId, {
          id,
          join: false,
          element: "element-1",
          properties: ["x"],
          resolution: "manual",
          resolvedBy: null,
          description: "",
          authors: ["user-1\nbench", "user-2\nbench"],
          operations: [operationId(5_000 + i, 1), operationId(5_000 + i, 2)],
        });
      },
    },
    { name: "get conflict with its operations", run: (i) => conflicts.get(withRecord(i), withRecord(i)) },
    {
      name: "list conflicts of a document",
      run: (i) => conflicts.list(withRecord(i), undefined, { limit: 50 }),
    },
    {
      name: "list unresolved conflicts of a document",
      run: (i) => conflicts.list(withRecord(i), "unresolved", { limit: 50 }),
    },
    {
      name: "resolve conflict",
      run: async (i) => {
        const one = made[i];
        if (one === undefined) throw new Error("there is no conflict to resolve");
        return conflicts.resolve(one.docId, { conflictId: one.id, resolvedBy: "user-1", operations: [] });
      },
    },
  ];
}

function lockCalls({ locks }: Store, origin: Origin): StoreCall[] {
  const request = (i: number) => ({
    docId: documentId(1_000 + i),
    element: "e",
    ...origin,
    ttlMs: 300_000,
  });
  const granted: string[] = [];
  return [
    {
      name: "acquire lock",
      targetMs: 5,
      run: async (i) => {
        const result = await locks.acquire({ ...request(i), maxPerAuthor: 0 });
        if (result.outcome !== "granted") throw new Error(`not granted: ${result.outcome}`);
        granted[i] = result.lock.id;
      },
    },
    { name: "renew lock", run: (i) => locks.renew(request(i)) },
    { name: "get lock", run: (i) => locks.get(documentId(1_000 + i), granted[i] ?? "") },
    { name: "locks of a document", run: (i) => locks.list(documentId(1_000 + i)) },
    {
      name: "is it locked",
      run: (i) => locks.isLocked(documentId(1_000 + i), "e", "user-2", "elsewhere"),
    },
    { name: "release lock", run: (i) => locks.release(documentId(1_000 + i), granted[i] ?? "") },
    { name: "clean expired locks", run: () => locks.cleanExpired() },
  ];
}
