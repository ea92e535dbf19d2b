/** Policies `merge` and `manual`, and resolving, over two instances on one database. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import type { ConflictInfo } from "../../shared/protocol/messages.ts";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let one: Instance;
let two: Instance;
let ada: string;
let bob: string;

beforeAll(async () => {
  database = await createTestDatabase();
  one = await startTestInstance(database.url);
  two = await startTestInstance(database.url);
  ada = await devToken(one.url, "ada");
  bob = await devToken(one.url, "bob");
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

async function createDocument(
  conflictPolicy: string,
  elements: Record<string, unknown> = {},
): Promise<string> {
  const body = { name: "d", editors: ["bob"], conflictPolicy, elements };
  const created = await rest<{ id: string }>(one.url, ada, "POST", "/documents", body);
  expect(created.status).toBe(201);
  return created.body.id;
}

const enter = (instance: Instance, docId: string, token: string, clientId: string) =>
  join({ url: instance.url, docId, hello: { token, clientId } });

/** Two people, on two instances, in one document. */
async function pair(policy: string, elements: Record<string, unknown>) {
  const docId = await createDocument(policy, elements);
  const a = await enter(one, docId, ada, "a");
  const b = await enter(two, docId, bob, "b");
  return { docId, a, b, base: a.welcome.version, close: () => Promise.all([a.close(), b.close()]) };
}

type Client = Awaited<ReturnType<typeof enter>>;
const seqs = new WeakMap<Client, number>();

/** Submits one update and waits for its place in the log. */
async function edit(client: Client, base: number, ...ops: Record<string, unknown>[]) {
  const seq = (seqs.get(client) ?? 0) + 1;
  seqs.set(client, seq);
  const sent = ops.map((op) => ({ id: randomUUID(), type: "update", element: "e", ...op }));
  client.send({ type: "submit", seq, base, ops: sent });
  return Promise.all(sent.map(({ id }) => client.sequenced(id)));
}

async function content(docId: string): Promise<Record<string, Record<string, unknown>>> {
  const answer = await rest<{ elements: Record<string, Record<string, unknown>> }>(
    two.url,
    ada,
    "GET",
    `/documents/${docId}/content`,
  );
  return answer.body.elements;
}

async function resolve(client: Client, conflictId: string, choose: unknown, base?: number) {
  const requestId = randomUUID();
  client.send({ type: "resolve", requestId, conflictId, choose, ...(base === undefined ? {} : { base }) });
  return client.next("result", (result) => result.requestId === requestId);
}

describe("merge", () => {
  it("[conflict-10] texts, objects and arrays become what both made of the value at base; both replicas get it", async () => {
    const { docId, a, b, base, close } = await pair("merge", {
      e: { title: "red fox", size: { w: 1, h: 1 }, tags: ["x", "y"], n: 0 },
    });
    const [first] = await edit(a, base, {
      set: { title: "red quick fox", size: { w: 2, h: 1 }, tags: ["x", "y", "a"], n: 1 },
    });
    const [second] = await edit(b, base, {
      set: { title: "red fox jumps", size: { w: 1, h: 3 }, tags: ["y", "b"], n: 2 },
    });
    const merged = { title: "red quick fox jumps", size: { w: 2, h: 3 }, tags: ["y", "a", "b"], n: 2 };
    expect(second).toMatchObject({ status: "applied", set: merged });
    expect(await a.sequenced(second!.id)).toEqual(second);
    expect(await content(docId)).toEqual({ e: merged });
    const { conflict } = await a.next("conflict");
    expect(conflict).toMatchObject({
      id: second!.conflict,
      element: "e",
      resolution: "merge",
      resolvedBy: "system",
      operations: [first!.id, second!.id],
    });
    expect([...conflict.properties].sort()).toEqual(["n", "size", "tags", "title"]);
    await close();
  });

  it("[conflict-11] a splice or append whose property was overwritten merges what its author wanted", async () => {
    const { docId, a, b, base, close } = await pair("merge", { e: { text: "one two", list: [1, 2] } });
    await edit(a, base, { set: { text: "zero one two", list: [2] } });
    const [second] = await edit(b, base, { splice: { text: [[7, 0, " three"]] }, append: { list: [3] } });
    expect(second).toMatchObject({ set: { text: "zero one two three", list: [2, 3] } });
    expect(second!.splice ?? second!.append).toBeUndefined();
    expect((await content(docId)).e).toEqual({ text: "zero one two three", list: [2, 3] });
    await close();
  });

  it("[conflict-12] where the author itself wrote the property after base, and beside a deletion, the later one wins", async () => {
    const { a, b, base, close } = await pair("merge", { e: { text: "one" }, f: { text: "one" } });
    await edit(b, base, { set: { text: "one b" } });
    await edit(a, base + 1, { set: { text: "one b a" } });
    const [later] = await edit(b, base, { set: { text: "one c" } });
    expect(later).toMatchObject({ set: { text: "one c" } });
    await edit(a, base, { type: "delete", element: "f" });
    const [gone] = await edit(b, base, { element: "f", set: { text: "two" } });
    expect(gone!.set).toBeUndefined();
    expect((await b.next("conflict", ({ conflict }) => conflict.element === "f")).conflict).toMatchObject({
      resolution: "lww",
      properties: [],
    });
    await close();
  });

  it("[conflict-13] the value at a base that only the log in the database reaches", async () => {
    const { docId, a, base, close } = await pair("merge", { e: { text: "one" } });
    await edit(a, base, { set: { text: "one a" } });
    const other = (await createDocumentOf(docId, 2_600)) + base;
    expect(other).toBeGreaterThan(2_000);
    const late = await enter(two, docId, bob, "late");
    const [merged] = await edit(late, base, { set: { text: "zero one" } });
    expect(merged).toMatchObject({ set: { text: "zero one a" } });
    await late.close();
    await close();
  });

  /** Fills a document's log with operations on another element. */
  async function createDocumentOf(docId: string, count: number): Promise<number> {
    for (let done = 0; done < count; done += 650) {
      const ops = Array.from({ length: 650 }, (_, index) => ({
        id: randomUUID(),
        type: done + index === 0 ? "create" : "update",
        element: "other",
        ...(done + index === 0 ? {} : { set: { n: index } }),
      }));
      const answer = await rest(two.url, ada, "POST", `/documents/${docId}/operations`, { ops });
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    }
    return count;
  }
});

describe("manual", () => {
  it("[conflict-20] what collides is held back with the submit's others on its element, as the values that were wanted", async () => {
    const { docId, a, b, base, close } = await pair("manual", {
      e: { x: 0, text: "one", list: [1] },
      f: { x: 0 },
    });
    const [first] = await edit(a, base, { set: { x: 1 } });
    const held = await edit(
      b,
      base,
      { append: { list: [2] } },
      { set: { x: 2 }, splice: { text: [[3, 0, "!"]] } },
      { element: "f", set: { x: 9 } },
    );
    expect(held.map(({ status }) => status)).toEqual(["conflict", "conflict", "applied"]);
    expect(held[0]).toMatchObject({ set: { list: [1, 2] } });
    expect(held[1]).toMatchObject({ set: { x: 2, text: "one!" } });
    const { conflict } = await a.next("conflict");
    expect(conflict).toMatchObject({
      element: "e",
      properties: ["x"],
      resolution: "manual",
      resolvedAt: null,
      resolvedBy: null,
      operations: [first!.id, held[0]!.id, held[1]!.id],
    });
    expect(held.map((each) => each.conflict)).toEqual([conflict.id, conflict.id, undefined]);
    expect(await content(docId)).toEqual({ e: { x: 1, text: "one", list: [1] }, f: { x: 9 } });
    await close();
  });

  it("[conflict-21] its author's later operations are made against its own view, also after a restart of the instance", async () => {
    const docId = await createDocument("manual");
    const a = await enter(one, docId, ada, "a");
    let instance = await startTestInstance(database.url);
    try {
      let b = await enter(instance, docId, bob, "b");
      await edit(a, 0, { type: "create", props: { x: 1 } });
      const [held] = await edit(b, 0, { type: "create", props: { list: [1] } });
      expect(held).toMatchObject({ status: "conflict" });
      await b.close();
      await instance.close();
      instance = await startTestInstance(database.url);
      b = await enter(instance, docId, bob, "b");
      // In its view the element is there, with its own list.
      const [append] = await edit(b, 0, { append: { list: [2] } });
      expect(append).toMatchObject({ status: "conflict", set: { list: [1, 2] }, conflict: held!.conflict });
      b.send({ type: "submit", seq: 2, base: 0, ops: [{ id: randomUUID(), type: "create", element: "e" }] });
      expect(await b.next("reject")).toMatchObject({
        code: "invalid_operation",
        details: { path: "ops.0.element" },
      });
      b.send({
        type: "submit",
        seq: 3,
        base: 0,
        ops: [{ id: randomUUID(), type: "update", element: "e", splice: { list: [[0, 0, "!"]] } }],
      });
      expect(await b.next("reject")).toMatchObject({ code: "invalid_operation" });
      await b.close();
    } finally {
      await instance.close();
    }
    await a.close();
  });

  it("[conflict-22] collisions of the same two join the record while it is unresolved, from either instance", async () => {
    const { docId, a, b, base, close } = await pair("manual", { e: { x: 0, y: 0 } });
    await edit(a, base, { set: { x: 1 } });
    const [first] = await edit(b, base, { set: { x: 2 } });
    await b.sequenced(first!.id);
    await edit(b, base, { set: { y: 2 } });
    const [second] = await edit(a, base, { set: { y: 1 } });
    expect(second).toMatchObject({ status: "conflict", conflict: first!.conflict });
    const list = await conflictsOf(docId, "unresolved");
    expect(list).toHaveLength(1);
    expect([...list[0]!.properties].sort()).toEqual(["x", "y"]);
    await close();
  });
});

async function conflictsOf(docId: string, state: string): Promise<ConflictInfo[]> {
  const { body } = await rest<{ items: ConflictInfo[] }>(
    two.url,
    ada,
    "GET",
    `/documents/${docId}/conflicts?state=${state}`,
  );
  return body.items;
}

/** A document where b's write is held back beside a's. */
async function collision(mine: Record<string, unknown>, theirs: Record<string, unknown> = { set: { x: 1 } }) {
  const room = await pair("manual", { e: { x: 0, y: 0 } });
  await edit(room.a, room.base, theirs);
  const [held] = await edit(room.b, room.base, mine);
  expect(held).toMatchObject({ status: "conflict" });
  return { ...room, held: held!, conflictId: held!.conflict! };
}

async function statusOf(docId: string, id: string): Promise<string | undefined> {
  const { body } = await rest<{ items: { id: string; status: string }[] }>(
    two.url,
    ada,
    "GET",
    `/documents/${docId}/operations?limit=200`,
  );
  return body.items.find((item) => item.id === id)?.status;
}

describe("resolving", () => {
  it("[resolve-1] incoming sequences again what was held back; result after its operations, resolved to all", async () => {
    const { docId, a, b, held, conflictId, close } = await collision({ set: { x: 2 }, extra: { note: "n" } });
    const result = await resolve(a, conflictId, "incoming");
    expect(result).toMatchObject({ ok: true, conflict: { id: conflictId, resolvedBy: "ada" } });
    const again = a.operations.at(-1)!;
    expect(again).toMatchObject({
      status: "applied",
      set: { x: 2 },
      extra: { note: "n" },
      user: "ada",
      client: "server",
      conflict: conflictId,
    });
    expect(again.id).not.toBe(held.id);
    const place = (client: typeof a, fits: (message: (typeof a.messages)[number]) => boolean) =>
      client.messages.findIndex(fits);
    expect(place(a, (m) => m === result)).toBeGreaterThan(
      place(a, (m) => m.type === "ops" && m.ops.some(({ id }) => id === again.id)),
    );
    // On the other instance too, after the operations.
    const told = await b.next("resolved");
    expect(told.conflict).toMatchObject({ id: conflictId, resolution: "manual", resolvedBy: "ada" });
    expect(place(b, (m) => m === told)).toBeGreaterThan(
      place(b, (m) => m.type === "ops" && m.ops.some(({ id }) => id === again.id)),
    );
    expect((await content(docId)).e).toEqual({ x: 2, y: 0 });
    expect(await statusOf(docId, held.id)).toBe("resolved");
    expect(await conflictsOf(docId, "unresolved")).toEqual([]);
    await close();
  });

  it("[resolve-2] current sequences nothing; a second resolve, also elsewhere, gets already_resolved with the conflict", async () => {
    const { docId, a, b, held, conflictId, close } = await collision({ set: { x: 2 } });
    const version = a.operations.at(-1)!.version;
    expect(await resolve(b, conflictId, "current")).toMatchObject({ ok: true });
    await a.next("resolved", ({ conflict }) => conflict.id === conflictId);
    expect(Math.max(...a.operations.map((each) => each.version))).toBe(Math.max(version, held.version));
    expect(await statusOf(docId, held.id)).toBe("resolved");
    for (const client of [a, b]) {
      expect(await resolve(client, conflictId, "incoming")).toMatchObject({
        ok: false,
        code: "already_resolved",
        details: { conflict: { id: conflictId, resolvedBy: "bob" } },
      });
    }
    expect(await resolve(a, randomUUID(), "current")).toMatchObject({ ok: false, code: "not_found" });
    expect(await resolve(a, "nonsense", "current")).toMatchObject({ ok: false, code: "invalid" });
    expect(await resolve(a, conflictId, { set: { "bad name": 1 } })).toMatchObject({
      ok: false,
      code: "invalid",
    });
    await close();
  });

  it("[resolve-3] an object is one update; of an absent element the create of its last state with the change", async () => {
    const { docId, a, conflictId, close } = await collision({ set: { x: 2 } });
    expect(await resolve(a, conflictId, { set: { x: 5 }, unset: ["y"] })).toMatchObject({ ok: true });
    expect((await content(docId)).e).toEqual({ x: 5 });
    await close();
    const gone = await collision({ set: { x: 2 } }, { type: "delete" });
    expect(await resolve(gone.a, gone.conflictId, "incoming")).toMatchObject({ ok: true });
    expect(gone.a.operations.at(-1)).toMatchObject({ type: "create", props: { x: 2, y: 0 } });
    expect((await content(gone.docId)).e).toEqual({ x: 2, y: 0 });
    await gone.close();
  });

  it("[resolve-4] what the resolver had not seen stays and moves to a new record, told by conflict", async () => {
    const { docId, a, b, base, held, conflictId, close } = await collision({ set: { x: 2 } });
    const [later] = await edit(b, base, { set: { x: 3 } });
    expect(later).toMatchObject({ status: "conflict", conflict: conflictId });
    expect(await resolve(a, conflictId, "incoming", held.version)).toMatchObject({ ok: true });
    expect((await content(docId)).e).toMatchObject({ x: 2 });
    const { conflict } = await b.next("conflict", (message) => message.conflict.id !== conflictId);
    expect(conflict).toMatchObject({ resolution: "manual", resolvedAt: null, properties: ["x"] });
    expect(conflict.operations).toHaveLength(2);
    expect(conflict.operations).toContain(later!.id);
    expect([await statusOf(docId, held.id), await statusOf(docId, later!.id)]).toEqual([
      "resolved",
      "conflict",
    ]);
    expect(await resolve(b, conflict.id, "incoming")).toMatchObject({ ok: true });
    expect((await content(docId)).e).toMatchObject({ x: 3 });
    await close();
  });

  it("[resolve-5] of several at once on two instances exactly one wins", async () => {
    const { docId, a, b, conflictId, close } = await collision({ set: { x: 2 } });
    const results = await Promise.all([
      resolve(a, conflictId, "incoming"),
      resolve(b, conflictId, "current"),
      resolve(a, conflictId, { set: { x: 7 } }),
      resolve(b, conflictId, { set: { x: 8 } }),
    ]);
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
    for (const result of results) if (!result.ok) expect(result.code).toBe("already_resolved");
    const mine = (await conflictsOf(docId, "resolved")).map(({ id }) => id);
    expect(mine).toEqual([conflictId]);
    await close();
  });

  it("[resolve-6] roles hold for a choice, and its base must have been reached", async () => {
    const { docId, a, conflictId, close } = await collision({ set: { x: 2 } });
    const patched = await rest(one.url, ada, "PATCH", `/documents/${docId}`, {
      editors: [],
      viewers: ["bob"],
    });
    expect(patched.status).toBe(200);
    const viewer = await enter(two, docId, bob, "viewer");
    expect(await resolve(viewer, conflictId, "incoming")).toMatchObject({ ok: false, code: "forbidden" });
    expect(await resolve(a, conflictId, "incoming", 99)).toMatchObject({ ok: false, code: "invalid" });
    expect(await resolve(a, conflictId, "incoming")).toMatchObject({ ok: true });
    await viewer.close();
    await close();
  });

  it("[resolve-7] another author's lock holds off a choice that writes, and none that writes nothing", async () => {
    const { docId, a, b, conflictId, close } = await collision({ set: { x: 2 } });
    const {
      docId: other,
      a: a2,
      b: b2,
      conflictId: second,
      close: closeOther,
    } = await collision({ set: { x: 2 } });
    const lock = async (client: Client, element: string | null) => {
      client.send({ type: "lock", requestId: "lock", action: "acquire", element, ttlMs: 60_000 });
      expect(await client.next("result", ({ requestId }) => requestId === "lock")).toMatchObject({
        ok: true,
      });
    };
    await lock(a, "e");
    await lock(a2, null);
    for (const choose of ["incoming", { set: { x: 3 } }]) {
      const refused = { ok: false, code: "locked", details: { lock: { user: { id: "ada" } } } };
      expect(await resolve(b, conflictId, choose)).toMatchObject(refused);
      expect(await resolve(b2, second, choose)).toMatchObject(refused);
    }
    expect((await content(docId)).e).toMatchObject({ x: 1 });
    // Who holds the lock may; and to keep what stands is no write.
    expect(await resolve(a, conflictId, { set: { x: 3 } })).toMatchObject({ ok: true });
    expect((await content(docId)).e).toMatchObject({ x: 3 });
    expect(await resolve(b2, second, "current")).toMatchObject({ ok: true });
    expect((await content(other)).e).toMatchObject({ x: 1 });
    await Promise.all([close(), closeOther()]);
  });
});
