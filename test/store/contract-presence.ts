import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { batchAt, newDocument, operation, origin } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

export function presenceContract(subject: () => Subject): void {
  const open = async () => {
    const created = await subject().store.documents.create(newDocument());
    if (created.outcome !== "created") throw new Error("not created");
    return created.document;
  };

  describe("locks", () => {
    const request = (
      docId: string,
      element: string | null,
      user: string,
      ttlMs = 60_000,
      maxPerAuthor = 0,
    ) => ({
      docId,
      element,
      ...origin(user),
      ttlMs,
      maxPerAuthor,
    });

    test("[store/locks] granted, renewed, held, released; tokens and revision grow", async () => {
      const { locks } = subject().store;
      const { docId } = await open();
      const granted = await locks.acquire(request(docId, "e", "ann", 5_000));
      if (granted.outcome !== "granted") throw new Error(granted.outcome);
      expect(granted).toMatchObject({
        renewed: false,
        revision: 1,
        lock: { docId, element: "e", user: "ann", token: 1, version: 0 },
      });
      expect(granted.lock.expiresInMs).toBeGreaterThan(4_000);
      expect(granted.lock.expiresInMs).toBeLessThanOrEqual(5_000);
      expect(Date.parse(granted.lock.expiresAt) - Date.parse(granted.lock.acquiredAt)).toBe(5_000);

      const again = await locks.acquire(request(docId, "e", "ann", 60_000));
      expect(again).toMatchObject({
        outcome: "granted",
        renewed: true,
        revision: 2,
        lock: { id: granted.lock.id, token: 1 },
      });
      expect(await locks.acquire(request(docId, "e", "bob"))).toMatchObject({
        outcome: "held",
        lock: { id: granted.lock.id },
      });
      expect(await locks.acquire(request(docId, null, "bob"))).toMatchObject({ outcome: "held" });
      const other = await locks.acquire(request(docId, "f", "bob"));
      expect(other).toMatchObject({ outcome: "granted", revision: 3, lock: { token: 2 } });
      expect(await locks.acquire(request(docId, null, "ann"))).toMatchObject({
        outcome: "held",
        lock: { user: "bob" },
      });

      expect(await locks.list(docId)).toMatchObject({ revision: 3, locks: [{ token: 1 }, { token: 2 }] });
      expect(await locks.get(docId, granted.lock.id)).toMatchObject({
        id: granted.lock.id,
        docId,
        element: "e",
      });
      expect(await locks.release(docId, granted.lock.id)).toEqual({
        released: true,
        revision: 4,
        version: 0,
      });
      expect(await locks.release(docId, granted.lock.id)).toMatchObject({ released: false, revision: 4 });
      expect(await locks.get(docId, granted.lock.id)).toBeUndefined();
      expect(await locks.acquire(request(docId, "e", "bob"))).toMatchObject({
        outcome: "granted",
        lock: { token: 3 },
      });
      expect(await locks.releaseAll(docId, "bob", "bob-tab")).toBe(2);
      expect((await locks.list(docId)).locks).toEqual([]);
    });

    test("[store/locks] a document lock stands before every element, and its holder may lock elements too", async () => {
      const { locks } = subject().store;
      const { docId } = await open();
      await locks.acquire(request(docId, null, "ann"));
      expect(await locks.acquire(request(docId, "e", "bob"))).toMatchObject({
        outcome: "held",
        lock: { element: null },
      });
      expect(await locks.acquire(request(docId, "e", "ann"))).toMatchObject({
        outcome: "granted",
        renewed: false,
      });
      expect(await locks.isLocked(docId, "x", "bob", "bob-tab")).toMatchObject({ element: null });
      expect(await locks.isLocked(docId, null, "bob", "bob-tab")).toMatchObject({ element: null });
      expect(await locks.isLocked(docId, "e", "ann", "ann-tab")).toBeUndefined();
      expect(await locks.isLocked(docId, "e", "ann", "another-tab")).toBeDefined();
    });

    test("[store/locks] renew only while held; an ended lease is taken by the next and cleaned once", async () => {
      const { locks, documents } = subject().store;
      const { docId } = await open();
      expect(await locks.renew(request(docId, "e", "ann"))).toEqual({ outcome: "not_held" });
      await locks.acquire(request(docId, "e", "ann", 30));
      expect(await locks.renew(request(docId, "e", "ann", 40))).toMatchObject({
        outcome: "granted",
        renewed: true,
      });
      expect(await locks.list(docId)).toMatchObject({ locks: [{ token: 1 }], hasExpired: false });
      await subject().pass(40);
      expect(await locks.list(docId)).toMatchObject({ locks: [], hasExpired: true });
      expect((await documents.load(docId))?.locks).toEqual(await locks.list(docId));
      expect(await locks.isLocked(docId, "e", "bob", "bob-tab")).toBeUndefined();
      expect(await locks.renew(request(docId, "e", "ann"))).toEqual({ outcome: "not_held" });
      expect(await locks.acquire(request(docId, "e", "bob", 30))).toMatchObject({
        outcome: "granted",
        lock: { token: 2 },
      });
      await subject().pass(30);
      expect(await locks.cleanExpired([docId])).toBe(1);
      expect(await locks.cleanExpired([docId])).toBe(0);
      // Grant, renewal, expiry, grant, expiry.
      expect(await locks.list(docId)).toMatchObject({ revision: 5, locks: [], hasExpired: false });
    });

    test("[store/locks] too many, not active, missing", async () => {
      const { locks, documents } = subject().store;
      const { docId } = await open();
      await locks.acquire(request(docId, "a", "ann", 60_000, 2));
      await locks.acquire(request(docId, "b", "ann", 60_000, 2));
      expect(await locks.acquire(request(docId, "c", "ann", 60_000, 2))).toEqual({ outcome: "too_many" });
      expect(await locks.acquire(request(docId, "a", "ann", 60_000, 2))).toMatchObject({ renewed: true });
      await documents.update(docId, { state: "archived" }, "ann");
      expect(await locks.acquire(request(docId, "d", "ann"))).toEqual({ outcome: "not_active" });
      expect(await locks.acquire(request(uuidv7(), "d", "ann"))).toEqual({ outcome: "missing" });
    });

    test("[store/locks] granted only under the metadata that the caller was authorised by", async () => {
      const { locks, documents } = subject().store;
      const { docId, metadataVersion } = await open();
      const mine = { ...request(docId, "e", "ann"), metadataVersion };
      expect(await locks.acquire(mine)).toMatchObject({ outcome: "granted" });
      await documents.update(docId, { viewers: ["ann"] }, "bob");
      expect(await locks.acquire(mine)).toEqual({ outcome: "changed" });
      expect(await locks.renew(mine)).toEqual({ outcome: "changed" });
      expect(await locks.acquire({ ...mine, metadataVersion: metadataVersion + 1 })).toMatchObject({
        renewed: true,
      });
      expect(await locks.acquire({ ...mine, docId: uuidv7() })).toEqual({ outcome: "changed" });
    });

    test("[store/locks] end: by id, by author, by user, all; under the metadata named", async () => {
      const { locks } = subject().store;
      const { docId, metadataVersion } = await open();
      const first = await locks.acquire(request(docId, "a", "ann"));
      if (first.outcome !== "granted") throw new Error("not granted");
      await locks.acquire(request(docId, "b", "ann"));
      await locks.acquire({ ...request(docId, "c", "ann"), client: "ann-other" });
      await locks.acquire(request(docId, "d", "bob"));
      await locks.acquire(request(docId, "e", "col", 30));
      await subject().pass(30);
      const elements = async () => (await locks.list(docId)).locks.map((lock) => lock.element);
      expect(await locks.end(docId, { lockId: first.lock.id }, { metadataVersion })).toBe(1);
      expect(await locks.end(docId, { lockId: first.lock.id }, { metadataVersion })).toBe(0);
      expect(await locks.end(docId, "all", { metadataVersion: metadataVersion + 1 })).toBeUndefined();
      expect(await locks.end(uuidv7(), "all", {})).toBeUndefined();
      expect(await elements()).toEqual(["b", "c", "d"]);
      expect(await locks.end(docId, { author: { user: "ann", client: "ann-tab" } }, {})).toBe(1);
      expect(await elements()).toEqual(["c", "d"]);
      expect(await locks.end(docId, { users: ["ann", "nobody"] }, {})).toBe(1);
      expect(await elements()).toEqual(["d"]);
      expect(await locks.end(docId, "all", {})).toBe(1); // the expired one does not count
      expect(await locks.list(docId)).toMatchObject({ revision: 10, locks: [] });
      expect(await locks.cleanExpired([docId])).toBe(0);
    });

    test("[store/locks] end unless another session of the author is open", async () => {
      const { locks, sessions } = subject().store;
      const { docId } = await open();
      const [instanceId, mine, other] = [uuidv7(), uuidv7(), uuidv7()];
      const row = { docId, instanceId, client: "ann-tab", role: "editor" as const, version: 0 };
      await sessions.heartbeat(instanceId);
      await sessions.join([
        { ...row, id: mine, user: { id: "ann" } },
        { ...row, id: other, user: { id: "ann" } },
        { ...row, id: uuidv7(), user: { id: "bob" } },
        { ...row, id: uuidv7(), user: { id: "ann" }, client: "ann-other" },
      ]);
      await locks.acquire(request(docId, "a", "ann"));
      const author = { user: "ann", client: "ann-tab" };
      const end = () => locks.end(docId, { author }, { unlessOpen: { ...author, butSession: mine } });
      expect(await end()).toBeUndefined();
      await sessions.leave([other]);
      expect(await end()).toBe(1);
    });
  });

  describe("sessions", () => {
    test("[store/sessions] join, live, leave; active users follow", async () => {
      const { sessions, documents } = subject().store;
      const [a, b] = [await open(), await open()];
      const instanceId = uuidv7();
      expect(await sessions.heartbeat(instanceId)).toBe(true);
      const session = (docId: string, user: string, more = {}) => ({
        id: uuidv7(),
        docId,
        instanceId,
        user: { id: user },
        client: `${user}-tab`,
        role: "editor" as const,
        version: 0,
        ...more,
      });
      const first = session(a.docId, "ann", {
        user: { id: "ann", name: "Ann", color: "red" },
        ip: "::1",
        userAgent: "x",
        platform: "p",
      });
      const rest = session(a.docId, "rest-user", { instanceId: null });
      await sessions.join([
        first,
        session(a.docId, "ann"),
        session(b.docId, "bob"),
        rest,
        session(uuidv7(), "nobody"),
      ]);
      const live = await sessions.live([a.docId]);
      expect(live).toHaveLength(2);
      expect(live.find(({ id }) => id === first.id)).toMatchObject({
        docId: a.docId,
        instanceId,
        user: { id: "ann", name: "Ann", color: "red" },
        client: "ann-tab",
        role: "editor",
      });
      expect(await sessions.live([a.docId, b.docId])).toHaveLength(3);
      expect(await sessions.live([a.docId, b.docId], instanceId)).toEqual([]);
      expect(await sessions.live([a.docId, b.docId], "another")).toHaveLength(3);
      expect((await sessions.refreshActiveUsers([a.docId, b.docId])).sort()).toEqual(
        [a.docId, b.docId].sort(),
      );
      expect(await sessions.refreshActiveUsers([a.docId, b.docId])).toEqual([]);
      expect((await documents.get(a.docId))?.activeUsers).toEqual(["ann"]);
      await sessions.leave([first.id]);
      expect(await sessions.refreshActiveUsers([a.docId])).toEqual([]); // the other of theirs is still there
      await sessions.stop(instanceId);
      expect(await sessions.live([a.docId, b.docId])).toEqual([]);
      await sessions.refreshActiveUsers([a.docId]);
      expect((await documents.get(a.docId))?.activeUsers).toEqual([]);
    });

    test("[store/sessions] a lease that was not renewed is reaped with its sessions, and its holder finds out", async () => {
      const { sessions } = subject().store;
      const { docId } = await open();
      const [dead, alive] = [uuidv7(), uuidv7()];
      await sessions.heartbeat(dead);
      const join = (instanceId: string) =>
        sessions.join([
          {
            id: uuidv7(),
            docId,
            instanceId,
            user: { id: instanceId },
            client: "c",
            role: "viewer",
            version: 0,
          },
        ]);
      await join(dead);
      await subject().pass(2_100);
      await sessions.heartbeat(alive);
      await join(alive);
      expect(await sessions.reap(2_000)).toContain(docId);
      expect((await sessions.live([docId])).map(({ instanceId }) => instanceId)).toEqual([alive]);
      expect(await sessions.reap(2_000)).toEqual([]);
      expect(await sessions.heartbeat(dead)).toBe(false);
      expect(await sessions.heartbeat(dead)).toBe(true); // registered anew
      await sessions.stop(dead);
      await sessions.stop(alive);
    });
  });

  describe("sessions that are not there", () => {
    test("[store/sessions] an instance's sessions that it has not leave, but none that came since its last heartbeat", async () => {
      const { sessions } = subject().store;
      const { docId } = await open();
      const [instanceId, other] = [uuidv7(), uuidv7()];
      const join = async (instance: string) => {
        const id = uuidv7();
        await sessions.join([
          { id, docId, instanceId: instance, user: { id }, client: "c", role: "viewer", version: 0 },
        ]);
        return id;
      };
      const ids = async () => (await sessions.live([docId])).map(({ id }) => id).sort();
      for (const each of [instanceId, other]) await sessions.heartbeat(each);
      const [absent, present, elsewhere] = [
        await join(instanceId),
        await join(instanceId),
        await join(other),
      ];
      await subject().pass(3_100);
      const late = await join(instanceId);
      expect(await sessions.leaveAbsent(instanceId, [present])).toEqual([]);
      await sessions.heartbeat(instanceId);
      expect(await sessions.leaveAbsent(instanceId, [present])).toEqual([docId]);
      expect(await ids()).toEqual([present, elsewhere, late].sort());
      expect(await ids()).not.toContain(absent);
      expect(await sessions.leaveAbsent(instanceId, [present])).toEqual([]);
      for (const each of [instanceId, other]) await sessions.stop(each);
    });
  });

  describe("the whole", () => {
    test("[store] a secret is decided once", async () => {
      const { store } = subject();
      const name = uuidv7();
      expect(await store.secret(name, () => "one")).toBe("one");
      expect(await store.secret(name, () => "two")).toBe("one");
      expect(
        Math.abs(Date.parse((await store.ping()).now) - Date.parse((await store.ping()).now)),
      ).toBeLessThan(10_000);
    });

    test("[store/stats] counts, of all and by document", async () => {
      const { store } = subject();
      const before = await store.stats();
      const head = await open();
      const held = operation(origin(), "e", { status: "conflict" });
      await store.commit([batchAt(head, [operation(origin(), "e"), held])], { wait: true });
      await store.conflicts.create(head.docId, {
        id: uuidv7(),
        join: false,
        element: "e",
        properties: [],
        resolution: "manual",
        resolvedBy: null,
        description: "",
        authors: [],
        operations: [held.id],
      });
      await store.locks.acquire({
        docId: head.docId,
        element: "e",
        ...origin(),
        ttlMs: 60_000,
        maxPerAuthor: 0,
      });
      await store.documents.addActiveUser(head.docId, "ann");
      expect(await store.documentStats([head.docId, uuidv7()])).toEqual([
        {
          docId: head.docId,
          operations: 2,
          pendingOperations: 1,
          conflicts: 1,
          unresolvedConflicts: 1,
          activeLocks: 1,
          activeUsers: 1,
        },
      ]);
      const after = await store.stats();
      expect(after.documents).toEqual({
        ...before.documents,
        total: before.documents.total + 1,
        active: before.documents.active + 1,
      });
      expect(after.operations).toBe(before.operations + 2);
      expect(after.conflicts).toEqual({
        total: before.conflicts.total + 1,
        resolved: before.conflicts.resolved,
      });
      expect(after.locks.active).toBe(before.locks.active + 1);
    });
  });
}
