import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import type {
  CommitOperation,
  CommitResult,
  ConflictWrite,
  DocumentBatch,
  Head,
  Origin,
} from "../../server/store/store.ts";
import { StoreRefused } from "../../server/store/store.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

export function commitContract(subject: () => Subject): void {
  const open = async (): Promise<Head> => {
    const created = await subject().store.documents.create(newDocument());
    if (created.outcome !== "created") throw new Error("not created");
    return created.document;
  };
  const headOf = async (docId: string): Promise<Head> => {
    const [answer] = await subject().store.documents.heads([{ docId }]);
    if (answer === undefined) throw new Error("no such document");
    return answer.head;
  };
  const commit = async (batch: DocumentBatch): Promise<CommitResult> => {
    const [result] = await subject().store.commit([batch], { wait: true });
    if (result === undefined) throw new Error("no result");
    return result;
  };
  /** Commits at the head and returns the operations. */
  const extend = async (docId: string, by: Origin, ...elements: string[]): Promise<CommitOperation[]> => {
    const operations = elements.map((element) => operation(by, element));
    expect(await commit(batchAt(await headOf(docId), operations))).toMatchObject({ outcome: "committed" });
    return operations;
  };
  const record = (operations: readonly string[], more: Partial<ConflictWrite> = {}): ConflictWrite => ({
    id: uuidv7(),
    join: false,
    element: "e",
    properties: ["x"],
    resolution: "lww",
    resolvedBy: "system",
    description: "two",
    authors: ["ann\nann-tab", "bob\nbob-tab"],
    operations,
    ...more,
  });

  describe("commit", () => {
    test("[store/commit] consecutive versions over many documents, whatever their order in the call", async () => {
      const { store } = subject();
      const heads = [await open(), await open(), await open()].reverse();
      const batches = heads.map((head, i) =>
        batchAt(
          head,
          Array.from({ length: i }, () =>
            operation(origin(), `e${i}`, { data: `{"set":{"é":"${i}"}}`, extra: '{"k": "v"}' }),
          ),
        ),
      );
      const results = await store.commit(batches, { wait: false });
      expect(results.map((result) => result.outcome)).toEqual(["committed", "committed", "committed"]);
      expect(results.map((result) => "firstVersion" in result && result.firstVersion)).toEqual([1, 1, 1]);
      for (const [i, head] of heads.entries()) {
        const stored = await store.operations.byVersion(head.docId, 1, 9);
        expect(stored.map(({ version, id }) => ({ version, id }))).toEqual(
          batches[i]!.operations.map(({ id }, j) => ({ version: j + 1, id })),
        );
        expect(await headOf(head.docId)).toMatchObject({
          version: i,
          operationId: batches[i]!.operations.at(-1)?.id ?? null,
        });
      }
      const [one] = await store.operations.byVersion(heads[2]!.docId, 1, 1);
      const sent = batches[2]!.operations[0]!;
      expect(one).toMatchObject({
        docId: heads[2]!.docId,
        type: "update",
        element: "e2",
        base: 0,
        status: "applied",
        conflict: null,
        user: "ann",
        client: "ann-tab",
        session: sent.origin.session,
        data: sent.data,
      });
      expect(JSON.parse(one!.extra ?? "")).toEqual({ k: "v" });
      const at = results[2]!.outcome === "committed" ? results[2]!.at : "";
      expect(one!.at).toBe(at);
      expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    });

    test("[store/commit] each document's batch is whole or not at all, and others go on", async () => {
      const good = await open();
      const bad = await open();
      const results = await subject().store.commit(
        [
          batchAt(bad, [operation(origin(), "a"), operation(origin(), "b")], { metadataVersion: 7 }),
          batchAt(good, [operation(origin(), "a")]),
          {
            docId: uuidv7(),
            expectedVersion: 0,
            expectedId: null,
            metadataVersion: 1,
            operations: [operation(origin(), "a")],
          },
        ],
        { wait: false },
      );
      expect(results.map(({ outcome }) => outcome)).toEqual(["changed", "committed", "missing"]);
      expect((await headOf(bad.docId)).version).toBe(0);
      expect(await subject().store.operations.latest(bad.docId, 9)).toEqual([]);
    });

    test("[store/commit] a later version is accepted when nothing since touches an element of the batch", async () => {
      const head = await open();
      const others = await extend(head.docId, origin("bob"), "f", "g");
      const mine = operation(origin(), "e");
      const result = await commit(batchAt(head, [mine]));
      expect(result).toMatchObject({ outcome: "committed", firstVersion: 3, missed: { complete: true } });
      expect(result.outcome === "committed" && result.missed.operations.map(({ id }) => id)).toEqual(
        others.map(({ id }) => id),
      );
      expect(await subject().store.operations.byVersion(head.docId, 1, 2)).toEqual(
        result.outcome === "committed" && result.missed.operations,
      );
    });

    test("[store/commit] stale when an operation since touches an element: nothing stored, the missed operations told", async () => {
      const head = await open();
      const [first] = await extend(head.docId, origin("bob"), "f", "e");
      const result = await commit(batchAt(head, [operation(origin(), "h"), operation(origin(), "e")]));
      expect(result).toMatchObject({ outcome: "stale", head: { version: 2 }, missed: { complete: true } });
      expect(result.outcome === "stale" && result.missed.operations[0]?.id).toBe(first!.id);
      expect((await headOf(head.docId)).version).toBe(2);
      // The same, from where the first of them is known, is stale too; from after both it is not.
      expect(
        await commit({
          ...batchAt(head, [operation(origin(), "e")]),
          expectedVersion: 1,
          expectedId: first!.id,
        }),
      ).toMatchObject({
        outcome: "stale",
      });
      expect(await commit(batchAt(await headOf(head.docId), [operation(origin(), "e")]))).toMatchObject({
        outcome: "committed",
      });
    });

    test("[store/commit] `exact` accepts at no later version", async () => {
      const head = await open();
      await extend(head.docId, origin("bob"), "f");
      expect(await commit(batchAt(head, [operation(origin(), "e")], { exact: true }))).toMatchObject({
        outcome: "stale",
      });
      expect(
        await commit(batchAt(await headOf(head.docId), [operation(origin(), "e")], { exact: true })),
      ).toMatchObject({
        outcome: "committed",
      });
    });

    test("[store/commit] at most 128 KiB of missed operations ride in an answer", async () => {
      const head = await open();
      const data = JSON.stringify({ set: { x: "y".repeat(60_000) } });
      const big = Array.from({ length: 4 }, () => operation(origin("bob"), "f", { data }));
      expect(await commit(batchAt(head, big))).toMatchObject({ outcome: "committed" });
      const result = await commit(batchAt(head, [operation(origin(), "f")]));
      if (result.outcome !== "stale") throw new Error(result.outcome);
      expect(result.missed.complete).toBe(false);
      expect(result.missed.operations.map(({ version }) => version)).toEqual([1, 2]);
      const accepted = await commit(batchAt(head, [operation(origin(), "e")]));
      expect(accepted).toMatchObject({ outcome: "committed", firstVersion: 5, missed: { complete: false } });
    });

    test("[store/commit] a repeat is recognised before anything else is judged", async () => {
      const { store } = subject();
      const head = await open();
      const by = origin("ann", "tab-1");
      const [one, two] = await extend(head.docId, by, "e", "f");
      const known = [
        { id: one!.id, version: 1, user: "ann", client: "tab-1" },
        { id: two!.id, version: 2, user: "ann", client: "tab-1" },
      ];
      // At the head, behind, in another history, beyond the head.
      const current = await headOf(head.docId);
      for (const where of [
        current,
        head,
        { ...current, operationId: uuidv7() },
        { ...current, version: 99 },
      ]) {
        expect(await commit(batchAt(where, [two!, one!]))).toMatchObject({
          outcome: "repeat",
          known,
          head: { version: 2 },
        });
      }
      // Only some known.
      expect(await commit(batchAt(current, [operation(by, "g"), two!]))).toMatchObject({
        outcome: "repeat",
        known: [known[1]],
      });
      // Locked by somebody else, and deleted.
      const lock = await store.locks.acquire({
        docId: head.docId,
        element: null,
        ...origin("bob"),
        ttlMs: 60_000,
        maxPerAuthor: 0,
      });
      expect(lock.outcome).toBe("granted");
      expect(await commit(batchAt(current, [one!]))).toMatchObject({ outcome: "repeat" });
      await store.documents.update(head.docId, { state: "deleted" }, "ann");
      expect(await commit(batchAt(current, [one!]))).toMatchObject({ outcome: "repeat" });
      expect((await headOf(head.docId)).version).toBe(2);
    });

    test("[store/commit] a repeat leaves nothing of its document behind and does not hinder the others of the call", async () => {
      const { store } = subject();
      const [a, b] = [await open(), await open()];
      const [known] = await extend(a.docId, origin(), "e");
      const aHead = await headOf(a.docId);
      const results = await store.commit(
        [
          batchAt(aHead, [operation(origin(), "x"), known!, operation(origin(), "y")], {
            conflicts: [record([known!.id])],
          }),
          batchAt(b, [operation(origin(), "e")]),
        ],
        { wait: false },
      );
      expect(results.map(({ outcome }) => outcome)).toEqual(["repeat", "committed"]);
      expect(await headOf(a.docId)).toEqual(aHead);
      expect(await store.operations.latest(a.docId, 9)).toHaveLength(1);
      expect((await store.conflicts.list(a.docId, undefined, { limit: 9 })).items).toEqual([]);
    });

    test("[store/commit] one id twice in a batch is refused as a value", async () => {
      const head = await open();
      const one = operation(origin(), "e");
      await expect(commit(batchAt(head, [one, one]))).rejects.toThrow(StoreRefused);
      expect((await headOf(head.docId)).version).toBe(0);
    });

    test("[store/commit] an expected id that is not in the log at that version is another history", async () => {
      const head = await open();
      const [first] = await extend(head.docId, origin(), "e", "f");
      const current = await headOf(head.docId);
      const attempt = (version: number, operationId: string | null) =>
        commit(batchAt({ ...current, version, operationId }, [operation(origin(), "g")]));
      expect(await attempt(2, uuidv7())).toMatchObject({ outcome: "history", head: current });
      expect(await attempt(2, first!.id)).toMatchObject({ outcome: "history" });
      expect(await attempt(1, uuidv7())).toMatchObject({ outcome: "history" });
      expect(await attempt(2, null)).toMatchObject({ outcome: "history" });
      expect(await attempt(3, uuidv7())).toMatchObject({ outcome: "history" });
      expect(await attempt(0, uuidv7())).toMatchObject({ outcome: "history" });
      expect(await attempt(1, first!.id)).toMatchObject({ outcome: "committed" });
    });

    test("[store/commit] changed: another metadata version, archived, deleted", async () => {
      const { documents } = subject().store;
      const head = await open();
      await documents.update(head.docId, { name: "B" }, "ann");
      expect(await commit(batchAt(head, [operation(origin(), "e")]))).toMatchObject({
        outcome: "changed",
        head: { metadataVersion: 2 },
      });
      await documents.update(head.docId, { state: "archived" }, "ann");
      expect(await commit(batchAt(await headOf(head.docId), [operation(origin(), "e")]))).toMatchObject({
        outcome: "changed",
        head: { state: "archived", metadataVersion: 3 },
      });
    });

    test("[store/commit] locked: another author's lock on the document or on an element of the batch", async () => {
      const { locks } = subject().store;
      const head = await open();
      const bob = origin("bob", "bob-1");
      const request = { docId: head.docId, element: "e", ...bob, ttlMs: 60_000, maxPerAuthor: 0 };
      const granted = await locks.acquire(request);
      if (granted.outcome !== "granted") throw new Error(granted.outcome);
      const locked = await commit(batchAt(head, [operation(origin(), "f"), operation(origin(), "e")]));
      expect(locked).toMatchObject({
        outcome: "locked",
        lock: { id: granted.lock.id, element: "e", user: "bob", client: "bob-1", token: 1 },
      });
      // Two tabs of one person are two authors.
      expect(await commit(batchAt(head, [operation(origin("bob", "bob-2"), "e")]))).toMatchObject({
        outcome: "locked",
      });
      // The holder, what the server composes for the holder, and other elements pass.
      await extend(head.docId, bob, "e");
      await extend(head.docId, { ...origin("bob", "server"), lockClient: "bob-1" }, "e");
      await extend(head.docId, origin(), "f");
      expect(await locks.acquire({ ...request, element: null })).toMatchObject({ outcome: "granted" });
      expect(await commit(batchAt(await headOf(head.docId), [operation(origin(), "f")]))).toMatchObject({
        outcome: "locked",
        lock: { element: null },
      });
    });

    test("[store/commit] an expired lock that a commit passes is ended by it, and the revision grows", async () => {
      const { locks } = subject().store;
      const head = await open();
      await locks.acquire({ docId: head.docId, element: "e", ...origin("bob"), ttlMs: 30, maxPerAuthor: 0 });
      await locks.acquire({ docId: head.docId, element: "z", ...origin("bob"), ttlMs: 30, maxPerAuthor: 0 });
      await subject().pass(30);
      const result = await commit(batchAt(await headOf(head.docId), [operation(origin(), "e")]));
      expect(result).toMatchObject({ outcome: "committed", revision: 3 });
      expect(await headOf(head.docId)).toMatchObject({ revision: 3, version: 1 });
      expect(await locks.cleanExpired([head.docId])).toBe(1); // the one on z, which it did not pass
    });

    test("[store/commit] the head that a repeat names is the document's, also where an expired lock was in the way", async () => {
      const { locks } = subject().store;
      const { docId } = await open();
      const [known] = await extend(docId, origin(), "e");
      await locks.acquire({ docId, element: "e", ...origin("bob"), ttlMs: 30, maxPerAuthor: 0 });
      await subject().pass(30);
      const result = await commit(batchAt(await headOf(docId), [known!]));
      expect(result).toMatchObject({ outcome: "repeat", head: await headOf(docId) });
    });

    test("[store/commit] conflict records are made and joined with it", async () => {
      const { store } = subject();
      const head = await open();
      const [theirs] = await extend(head.docId, origin("bob"), "e");
      const made = record([theirs!.id]);
      const mine = operation(origin(), "e", { conflict: made.id });
      const result = await commit(
        batchAt(await headOf(head.docId), [mine], {
          conflicts: [{ ...made, operations: [theirs!.id, mine.id] }],
        }),
      );
      expect(result).toMatchObject({ outcome: "committed", revision: 1 });
      const at = result.outcome === "committed" ? result.at : "";
      expect(await store.conflicts.get(head.docId, made.id)).toMatchObject({
        conflict: {
          id: made.id,
          element: "e",
          properties: ["x"],
          resolution: "lww",
          resolvedBy: "system",
          resolvedAt: at,
          createdAt: at,
          lastAt: at,
          operations: [theirs!.id, mine.id],
          authors: made.authors,
        },
        operations: [{ id: theirs!.id }, { id: mine.id, conflict: made.id }],
      });

      const next = operation(origin(), "e", { conflict: made.id });
      const join = { ...made, join: true, properties: ["a"], operations: [next.id] };
      expect(await commit(batchAt(await headOf(head.docId), [next], { conflicts: [join] }))).toMatchObject({
        revision: 2,
      });
      const [joined] = await store.conflicts.getMany(head.docId, [made.id]);
      expect(joined).toMatchObject({ properties: ["a", "x"], operations: [theirs!.id, mine.id, next.id] });
      const whole = operation(origin(), "e");
      await commit(
        batchAt(await headOf(head.docId), [whole], {
          conflicts: [{ ...join, properties: [], operations: [whole.id] }],
        }),
      );
      await commit(batchAt(await headOf(head.docId), [], { conflicts: [{ ...join, operations: [] }] }));
      expect(await store.conflicts.getMany(head.docId, [made.id])).toMatchObject([{ properties: [] }]);
      const loaded = await store.documents.load(head.docId);
      expect(loaded?.recentConflicts.map(({ id }) => id)).toEqual([made.id]);
    });

    test("[store/commit] a manual record holds back, is joined while unresolved, and is resolved once", async () => {
      const { store } = subject();
      const head = await open();
      const [theirs] = await extend(head.docId, origin("bob"), "e");
      const manual = record([], { resolution: "manual", resolvedBy: null });
      const held = operation(origin(), "e", { status: "conflict", conflict: manual.id });
      const second = operation(origin(), "e", { status: "conflict", conflict: manual.id });
      await commit(
        batchAt(await headOf(head.docId), [held], {
          conflicts: [{ ...manual, operations: [theirs!.id, held.id] }],
        }),
      );
      await commit(
        batchAt(await headOf(head.docId), [second], {
          conflicts: [{ ...manual, join: true, operations: [second.id] }],
        }),
      );
      expect(await store.operations.pending(head.docId)).toEqual([
        { id: held.id, version: 2, conflict: manual.id },
        { id: second.id, version: 3, conflict: manual.id },
      ]);
      const [made] = await store.conflicts.getMany(head.docId, [manual.id]);
      expect(await store.conflicts.unresolved(head.docId)).toEqual([{ id: manual.id, lastAt: made?.lastAt }]);
      expect((await store.conflicts.list(head.docId, "unresolved", { limit: 9 })).items).toHaveLength(1);

      // The resolver saw the first only: the second moves to a new record.
      const moved = record([theirs!.id, second.id], { resolution: "manual", resolvedBy: null });
      const chosen = operation({ ...origin("ann", "server") }, "e", { conflict: manual.id });
      const resolve = { conflictId: manual.id, resolvedBy: "ann", operations: [held.id] };
      const before = await headOf(head.docId);
      expect(
        await commit(batchAt(before, [chosen], { resolves: [resolve], conflicts: [moved] })),
      ).toMatchObject({
        outcome: "committed",
        revision: before.revision + 2,
      });
      expect(await store.conflicts.getMany(head.docId, [manual.id])).toMatchObject([{ resolvedBy: "ann" }]);
      expect(await store.conflicts.unresolved(head.docId)).toMatchObject([{ id: moved.id }]);
      expect(await store.operations.get(head.docId, held.id)).toMatchObject({
        status: "resolved",
        conflict: manual.id,
      });
      expect(await store.operations.get(head.docId, second.id)).toMatchObject({
        status: "conflict",
        conflict: moved.id,
      });
      expect(
        (await store.conflicts.list(head.docId, "resolved", { limit: 9 })).items.map(({ id }) => id),
      ).toEqual([manual.id]);

      const current = await headOf(head.docId);
      const late = operation(origin(), "e", { status: "conflict", conflict: manual.id });
      for (const batch of [
        batchAt(current, [], { resolves: [resolve] }),
        batchAt(current, [late], { conflicts: [{ ...manual, join: true, operations: [late.id] }] }),
        batchAt(current, [], { resolves: [{ ...resolve, conflictId: moved.id }, resolve] }),
      ]) {
        expect(await commit(batch)).toMatchObject({ outcome: "resolved", conflictId: manual.id });
      }
      expect(await headOf(head.docId)).toEqual(current);
      // "current" sequences nothing and still takes the document's row.
      expect(
        await commit(
          batchAt(current, [], {
            resolves: [{ conflictId: moved.id, resolvedBy: "ann", operations: [second.id] }],
          }),
        ),
      ).toMatchObject({
        outcome: "committed",
        revision: current.revision + 1,
      });
      expect(await store.operations.pending(head.docId)).toEqual([]);
      expect((await headOf(head.docId)).version).toBe(current.version);
    });

    test("[store/commit] 1,000 operations of one batch, and none at all", async () => {
      const head = await open();
      expect(await subject().store.commit([], { wait: false })).toEqual([]);
      const operations = Array.from({ length: 1000 }, (_, i) => operation(origin(), `e${i}`));
      expect(await commit(batchAt(head, operations))).toMatchObject({
        outcome: "committed",
        firstVersion: 1,
      });
      expect(await headOf(head.docId)).toMatchObject({ version: 1000, operationId: operations[999]!.id });
    });
  });
}
