import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import type { OperationFilter, StoredOperation } from "../../server/store/store.ts";
import { StoreRefused } from "../../server/store/store.ts";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

export function logContract(subject: () => Subject): void {
  /** A document with `count` operations, alternately by ann and bob, on elements e0, e1, e2. */
  const logOf = async (count: number) => {
    const { store } = subject();
    const created = await store.documents.create(newDocument());
    if (created.outcome !== "created") throw new Error("not created");
    const users = { ann: `ann-${uuidv7()}`, bob: `bob-${uuidv7()}` };
    const [ann, bob] = [origin(users.ann), origin(users.bob)];
    const { docId } = created.document;
    await store.sessions.join([
      {
        id: ann.session,
        docId,
        instanceId: "i",
        user: { id: users.ann },
        client: ann.client,
        role: "editor",
        version: 0,
      },
    ]);
    const operations = Array.from({ length: count }, (_, i) =>
      operation(i % 2 === 0 ? ann : bob, `e${i % 3}`, { type: i % 2 === 0 ? "move" : "style" }),
    );
    for (const [i, one] of operations.entries()) {
      const [answer] = await store.documents.heads([{ docId }]);
      const [result] = await store.commit([batchAt(answer!.head, [one])], { wait: true });
      expect(result?.outcome, String(i)).toBe("committed");
    }
    return { docId, operations, users, ann, bob };
  };
  const ids = (operations: readonly { readonly id: string }[]) => operations.map(({ id }) => id);

  describe("operations", () => {
    test("[store/operations] get, latest, by version, status", async () => {
      const { operations: log } = subject().store;
      const { docId, operations, bob } = await logOf(5);
      expect(await log.get(docId, operations[2]!.id)).toMatchObject({ version: 3, id: operations[2]!.id });
      expect(await log.get(docId, uuidv7())).toBeUndefined();
      expect(ids(await log.latest(docId, 2))).toEqual(ids(operations.slice(3)));
      expect(ids(await log.latest(docId, 9))).toEqual(ids(operations));
      expect(ids(await log.byVersion(docId, 2, 4))).toEqual(ids(operations.slice(1, 4)));
      const own = await log.byAuthor(docId, bob, 3, 5);
      expect(own).toEqual((await log.byVersion(docId, 3, 5)).filter(({ user }) => user === bob.user));
      expect(own).toHaveLength(1);
      expect(await log.byAuthor(docId, { ...bob, client: "another" }, 1, 5)).toEqual([]);
      expect(await log.updateStatus(docId, operations[1]!.id, "conflict")).toBe(true);
      expect(await log.statuses(docId, [])).toEqual([]);
      const found = await log.statuses(docId, [4, 2, 6]);
      expect(found.sort((a, b) => a.version - b.version)).toMatchObject([
        { version: 2, status: "conflict" },
        { version: 4, status: "applied" },
      ]);
      expect(await log.updateStatus(docId, uuidv7(), "conflict")).toBe(false);
      expect(ids(await log.pending(docId))).toEqual([operations[1]!.id]);
    });

    test("[store/operations] list by every filter, in both orders, in pages", async () => {
      const { operations: log } = subject().store;
      const { docId, operations, users, ann, bob } = await logOf(7);
      const stored = await log.byVersion(docId, 1, 7);
      await log.updateStatus(docId, operations[6]!.id, "resolved");
      const times = stored.map(({ at }) => at).sort();
      const cases: [OperationFilter, (one: StoredOperation) => boolean][] = [
        [{ docId }, () => true],
        [{ docId, user: users.ann }, ({ user }) => user === users.ann],
        [{ docId, type: "style" }, ({ type }) => type === "style"],
        [{ docId, element: "e1" }, ({ element }) => element === "e1"],
        [{ docId, status: "resolved" }, ({ version }) => version === 7],
        [{ docId, status: "applied" }, ({ version }) => version < 7],
        [{ docId, fromVersion: 3, toVersion: 5 }, ({ version }) => version >= 3 && version <= 5],
        [{ docId, fromTime: times[1]!, toTime: times[4]! }, ({ at }) => at >= times[1]! && at <= times[4]!],
        [{ user: users.ann }, ({ user }) => user === users.ann],
        [{ user: users.bob, element: "e0" }, ({ user, element }) => user === users.bob && element === "e0"],
        [{ session: ann.session }, ({ session }) => session === ann.session],
        [{ session: bob.session }, ({ session }) => session === bob.session],
        [{ session: bob.session, docId, user: users.bob }, ({ session }) => session === bob.session],
      ];
      for (const [filter, wanted] of cases) {
        const expected = ids(stored.filter(wanted));
        const title = JSON.stringify(filter);
        const ascending = await log.list(filter, "asc", { limit: 50 });
        expect(ids(ascending.items), title).toEqual(expected);
        expect(ascending.nextCursor, title).toBeNull();
        expect(ids((await log.list(filter, "desc", { limit: 50 })).items), title).toEqual(
          [...expected].reverse(),
        );
        for (const order of ["asc", "desc"] as const) {
          const paged: string[] = [];
          let cursor: string | null = null;
          do {
            const page = await log.list(filter, order, { limit: 2, ...(cursor && { cursor }) });
            paged.push(...ids(page.items));
            cursor = page.nextCursor;
          } while (cursor !== null);
          expect(paged, title).toEqual(order === "asc" ? expected : [...expected].reverse());
        }
      }
      await expect(log.list({ docId }, "asc", { limit: 1, cursor: "x" })).rejects.toThrow(StoreRefused);
    });

    test("[store/operations] a user's and a session's operations are found though the session was never recorded", async () => {
      const { store } = subject();
      const created = await store.documents.create(newDocument());
      if (created.outcome !== "created") throw new Error("not created");
      const by = origin(`u-${uuidv7()}`);
      const one = operation(by, "e");
      await store.commit([batchAt(created.document, [one])], { wait: true });
      expect(ids((await store.operations.list({ user: by.user }, "asc", { limit: 9 })).items)).toEqual([
        one.id,
      ]);
      expect(ids((await store.operations.list({ session: by.session }, "asc", { limit: 9 })).items)).toEqual([
        one.id,
      ]);
    });

    test("[store/operations] after: what follows, by bytes; another history; beyond; archived; missing", async () => {
      const { store } = subject();
      const { docId, operations } = await logOf(4);
      const id = (version: number) => operations[version - 1]!.id;
      const from = (version: number, at: string | null, maxBytes = 1_000_000) =>
        store.operations.after(docId, { version, id: at }, maxBytes);
      const whole = await from(1, id(1));
      expect(whole).toMatchObject({
        outcome: "range",
        complete: true,
        head: { version: 4, operationId: id(4) },
      });
      expect(whole.outcome === "range" && ids(whole.operations)).toEqual([id(2), id(3), id(4)]);
      expect(whole.outcome === "range" && whole.operations).toEqual(
        await store.operations.byVersion(docId, 2, 4),
      );
      const part = await from(1, null, 1);
      expect(part).toMatchObject({ outcome: "range", complete: false });
      expect(part.outcome === "range" && ids(part.operations)).toEqual([id(2)]);
      expect(await from(0, null)).toMatchObject({ outcome: "range", complete: true });
      expect(await from(4, id(4))).toMatchObject({ outcome: "range", complete: true, operations: [] });
      expect(await from(4, id(3))).toMatchObject({ outcome: "history" });
      expect(await from(2, uuidv7())).toMatchObject({ outcome: "history", head: { version: 4 } });
      expect(await from(5, uuidv7())).toMatchObject({ outcome: "history" });
      expect(await store.operations.after(uuidv7(), { version: 0, id: null }, 1)).toEqual({
        outcome: "missing",
      });
      await store.documents.updateVersion(docId, 4, 8, new TextEncoder().encode("{}"), "tool");
      expect(await from(4, id(4))).toMatchObject({ outcome: "archived", head: { version: 8 } });
      expect(await from(8, null)).toMatchObject({ outcome: "range", complete: true, operations: [] });
    });
  });

  describe("conflicts", () => {
    test("[store/conflicts] create, get, list in pages, resolve once", async () => {
      const { store } = subject();
      const { docId, operations } = await logOf(3);
      await store.operations.updateStatus(docId, operations[2]!.id, "conflict");
      const write = (resolvedBy: string | null, named: readonly string[]) => ({
        id: uuidv7(),
        join: false,
        element: "e0",
        properties: [],
        resolution: "manual" as const,
        resolvedBy,
        description: "d",
        authors: ["a\na", "b\nb"],
        operations: named,
      });
      const made = await store.conflicts.create(docId, write(null, ids(operations)));
      expect(made).toMatchObject({ docId, resolvedAt: null, resolvedBy: null, operations: ids(operations) });
      await subject().pass(2);
      const other = await store.conflicts.create(docId, write("system", []));
      expect((await store.documents.get(docId))?.revision).toBe(2);
      expect(await store.conflicts.get(docId, made.id)).toMatchObject({
        conflict: made,
        operations: [{ version: 1 }, { version: 2 }, { version: 3 }],
      });
      expect(await store.conflicts.get(docId, uuidv7())).toBeUndefined();
      const list = async (state?: "unresolved" | "resolved") =>
        ids((await store.conflicts.list(docId, state, { limit: 9 })).items);
      expect(await list()).toEqual([made.id, other.id]);
      expect(await list("unresolved")).toEqual([made.id]);
      expect(await list("resolved")).toEqual([other.id]);
      const first = await store.conflicts.list(docId, undefined, { limit: 1 });
      const second = await store.conflicts.list(docId, undefined, {
        limit: 1,
        cursor: first.nextCursor ?? "",
      });
      expect(ids([...first.items, ...second.items])).toEqual([made.id, other.id]);
      expect(second.nextCursor).toBeNull();

      const resolve = { conflictId: made.id, resolvedBy: "ann", operations: [operations[2]!.id] };
      expect(await store.conflicts.resolve(docId, resolve)).toBe(true);
      expect(await store.conflicts.resolve(docId, resolve)).toBe(false);
      expect(await store.operations.get(docId, operations[2]!.id)).toMatchObject({ status: "resolved" });
      expect((await store.documents.get(docId))?.revision).toBe(3);
    });
  });

  describe("snapshots", () => {
    const written = async () => {
      const { store } = subject();
      const { docId, operations } = await logOf(6);
      const snapshot = (version: number) => ({
        version,
        operationId: operations[version - 1]!.id,
        elements: ['"e0":{"x":1}', '"e1":{"é":1}'],
        memory: [`m${version}`, "n"],
      });
      const changes = (version: number, base: number) => ({
        version,
        operationId: operations[version - 1]!.id,
        base,
        elements: version % 2 === 0 ? [] : ['"e0":null,"e1":{"é":1}', '"e2":{"v":"a\\nb"}'],
        memory: [`c${version}`, "n"],
      });
      return { store, docId, operations, snapshot, changes };
    };

    test("[store/snapshots] written whole, found by version, listed, removed; load begins at the newest", async () => {
      const { store, docId, operations, snapshot } = await written();
      const whole = (version: number) => ({ whole: snapshot(version), changes: undefined });
      expect(await store.snapshots.write(docId, snapshot(2))).toBe(1);
      expect(await store.snapshots.write(docId, snapshot(4))).toBe(2);
      expect(await store.snapshots.write(docId, { ...snapshot(4), elements: [] })).toBe(2); // has one: no-op
      expect(await store.snapshots.write(docId, { ...snapshot(5), version: 99 })).toBeUndefined(); // never was
      expect(await store.snapshots.write(docId, { ...snapshot(5), operationId: uuidv7() })).toBeUndefined();
      // Of another history, at a version that has one.
      expect(await store.snapshots.write(docId, { ...snapshot(4), operationId: uuidv7() })).toBeUndefined();
      const small = { ...snapshot(4), elements: [], memory: [] };
      expect(await store.snapshots.write(docId, { ...small, operationId: uuidv7() })).toBeUndefined();
      expect(await store.snapshots.write(uuidv7(), snapshot(5))).toBeUndefined();
      expect(await store.snapshots.nearest(docId, 3)).toEqual(whole(2));
      expect(await store.snapshots.nearest(docId, 9)).toEqual(whole(4));
      expect(await store.snapshots.nearest(docId, 1)).toBeUndefined();
      const bytes = Buffer.byteLength('"e0":{"x":1}"e1":{"é":1}') + 3;
      expect(await store.snapshots.list(docId)).toEqual([
        { version: 2, operationId: operations[1]!.id, bytes, base: null },
        { version: 4, operationId: operations[3]!.id, bytes, base: null },
      ]);
      const loaded = await store.documents.load(docId);
      expect(loaded?.snapshot).toEqual(whole(4));
      expect(ids(loaded?.tail ?? [])).toEqual(ids(operations.slice(4)));
      expect(loaded).toMatchObject({
        retainedFrom: 1,
        locks: { locks: [], hasExpired: false },
        document: { docId, version: 6 },
      });
      await store.snapshots.remove(docId, [4]);
      const earlier = await store.documents.load(docId);
      expect(earlier?.snapshot).toEqual(whole(2));
      expect(ids(earlier?.tail ?? [])).toEqual(ids(operations.slice(2)));
      await store.snapshots.remove(docId, [2]);
      expect((await store.documents.load(docId))?.tail).toEqual(
        await store.operations.byVersion(docId, 1, 6),
      );
      expect(await store.documents.load(uuidv7())).toBeUndefined();
    });

    test("[store/snapshots] a small one, an empty one, and one without a memory", async () => {
      const { store, docId, operations } = await written();
      for (const [version, elements, memory] of [
        [1, ['"e":{}'], ["m"]],
        [2, [], ["m"]],
        [3, ['"e":{}'], []],
      ] as const) {
        const one = { version, operationId: operations[version - 1]!.id, elements, memory };
        expect(await store.snapshots.write(docId, one)).toBe(version);
        expect(await store.snapshots.nearest(docId, version)).toEqual({ whole: one, changes: undefined });
      }
    });

    test("[store/snapshots] changes are read with their base, which stays as long as it is needed", async () => {
      const { store, docId, operations, snapshot, changes } = await written();
      await store.snapshots.write(docId, snapshot(1));
      await store.snapshots.write(docId, snapshot(2));
      expect(await store.snapshots.writeChanges(docId, changes(3, 1))).toBe(3);
      expect(await store.snapshots.writeChanges(docId, { ...changes(3, 1), elements: [] })).toBe(3); // no-op
      expect(await store.snapshots.writeChanges(docId, changes(4, 2))).toBe(4);
      expect(await store.snapshots.writeChanges(docId, changes(5, 3))).toBeUndefined(); // no base
      const elsewhere = { ...changes(5, 2), operationId: uuidv7() };
      expect(await store.snapshots.writeChanges(docId, elsewhere)).toBeUndefined();
      const besides = { ...changes(4, 2), operationId: uuidv7() };
      expect(await store.snapshots.writeChanges(docId, besides)).toBeUndefined();
      expect(await store.snapshots.writeChanges(docId, { ...changes(5, 2), version: 99 })).toBeUndefined();
      expect(await store.snapshots.writeChanges(uuidv7(), changes(5, 2))).toBeUndefined();

      expect(await store.snapshots.nearest(docId, 2)).toEqual({ whole: snapshot(2), changes: undefined });
      expect(await store.snapshots.nearest(docId, 3)).toEqual({ whole: snapshot(1), changes: changes(3, 1) });
      const loaded = await store.documents.load(docId);
      expect(loaded?.snapshot).toEqual({ whole: snapshot(2), changes: changes(4, 2) });
      expect(ids(loaded?.tail ?? [])).toEqual(ids(operations.slice(4)));
      expect(await store.snapshots.list(docId)).toMatchObject([
        { version: 1, base: null },
        { version: 2, base: null },
        { version: 3, base: 1, operationId: operations[2]!.id },
        { version: 4, base: 2 },
      ]);

      // A whole one of the same version comes first.
      await store.snapshots.write(docId, snapshot(4));
      expect(await store.snapshots.nearest(docId, 4)).toEqual({ whole: snapshot(4), changes: undefined });
      expect((await store.snapshots.list(docId)).map(({ base }) => base)).toEqual([null, null, 1, null]);

      // The base of 3 stays, that of 4 goes with it.
      await store.snapshots.remove(docId, [1, 2, 4]);
      expect(await store.snapshots.nearest(docId, 9)).toEqual({ whole: snapshot(1), changes: changes(3, 1) });
      await store.snapshots.remove(docId, [3]);
      expect(await store.snapshots.nearest(docId, 9)).toEqual({ whole: snapshot(1), changes: undefined });
      await store.snapshots.writeChanges(docId, changes(6, 1));
      expect(await store.documents.purge(docId)).toBe(true);
      expect(await store.snapshots.list(docId)).toEqual([]);
    });
  });
}
