import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import type { LockInfo, LocksMessage, Result } from "../../shared/protocol/messages.ts";
import { connect, join, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let one: Instance;
let two: Instance;
let ada: string;
let bob: string;
let col: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const limits = { limits: { locksPerAuthor: 3 } };
  [one, two] = await Promise.all([
    startTestInstance(database.url, limits),
    startTestInstance(database.url, limits),
  ]);
  [ada, bob, col] = await Promise.all([
    devToken(one.url, "ada", "Ada"),
    devToken(two.url, "bob", "Bob"),
    devToken(two.url, "col"),
  ]);
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

async function createDocument(fields: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await rest(one.url, ada, "POST", "/documents", {
    name: "A board",
    editors: ["bob", "col"],
    elements: { a: { x: 1 }, b: { x: 1 } },
    ...fields,
  });
  expect(status).toBe(201);
  return body.id as string;
}

const enter = (
  instance: Instance,
  docId: string,
  token: string,
  clientId: string = randomUUID(),
  more = {},
) => join({ url: instance.url, docId, hello: { token, clientId, ...more } });

type Ok = Extract<Result, { ok: true }>;
/** Sends a lock command and waits for its result. */
async function ask(client: RawClient, action: string, fields: Record<string, unknown> = {}): Promise<Result> {
  const requestId = randomUUID();
  client.send({ type: "lock", requestId, action, ...fields });
  return client.next("result", (result) => result.requestId === requestId);
}
async function acquire(
  client: RawClient,
  element: string | null,
  fields: Record<string, unknown> = {},
): Promise<LockInfo> {
  const result = await ask(client, "acquire", { element, ...fields });
  expect(result).toMatchObject({ ok: true, lock: { element } });
  return (result as Ok).lock as LockInfo;
}
const elementsOf = ({ locks }: LocksMessage) => locks.map(({ element }) => element);
/** Waits for a frame that shows locks on just these. */
const shows = (client: RawClient, ...elements: (string | null)[]) =>
  client.next("locks", (message) => JSON.stringify(elementsOf(message)) === JSON.stringify(elements));

const update = (element: string, set: Record<string, unknown> = { x: Math.random() }) => ({
  id: randomUUID(),
  type: "update",
  element,
  set,
});
const sequences = new WeakMap<RawClient, number>();
/** Submits; the operations, or the reject. */
async function submit(client: RawClient, base: number, ...ops: { id: string }[]) {
  const seq = (sequences.get(client) ?? 0) + 1;
  sequences.set(client, seq);
  client.send({ type: "submit", seq, base, ops });
  return Promise.race([
    client.next("reject", (reject) => reject.seq === seq),
    Promise.all(ops.map(({ id }) => client.sequenced(id))),
  ]);
}
const version = (client: RawClient) => client.operations.at(-1)?.version ?? 2;

describe("granting", () => {
  it("[lock-1] a lock is granted, told to everybody on every instance, renewed and released", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada, "ada-tab"), enter(two, docId, bob)]);
    expect(a.welcome.locks).toEqual({ revision: expect.any(Number), locks: [] });
    // The holder's name is known where their session is.
    if (!b.welcome.sessions.some(({ user }) => user.id === "ada"))
      await b.next("presence", ({ joined }) => joined?.some(({ user }) => user.id === "ada") === true);
    const lock = await acquire(a, "a", { ttlMs: 10_000 });
    expect(lock).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      sessionId: a.welcome.sessionId,
      clientId: "ada-tab",
      user: { id: "ada", name: "Ada" },
      token: 1,
      version: 2,
    });
    expect(lock.expiresInMs).toBeGreaterThan(9_000);
    expect(lock.expiresInMs).toBeLessThanOrEqual(10_000);
    expect(Date.parse(lock.expiresAt) - Date.parse(lock.acquiredAt)).toBe(10_000);
    for (const client of [a, b]) {
      const { locks, revision } = await shows(client, "a");
      expect(revision).toBeGreaterThan(a.welcome.locks.revision);
      expect(locks[0]).toMatchObject({ id: lock.id, user: { id: "ada", name: "Ada" }, token: 1 });
    }
    const renewed = (await ask(a, "renew", { element: "a", ttlMs: 60_000 })) as Ok;
    expect(renewed.lock).toMatchObject({ id: lock.id, token: 1, version: 2 });
    expect(renewed.lock?.expiresInMs).toBeGreaterThan(50_000);
    // Acquiring what one holds renews it, to an earlier time as well.
    const again = await acquire(a, "a", { ttlMs: 5_000 });
    expect(again).toMatchObject({ id: lock.id, token: 1 });
    expect(again.expiresInMs).toBeLessThanOrEqual(5_000);
    expect(await ask(a, "release", { element: "a" })).toMatchObject({ ok: true });
    await Promise.all([shows(a), shows(b)]);
    expect(await ask(a, "release", { element: "a" })).toMatchObject({ ok: false, code: "not_held" });
    expect(await ask(a, "renew", { element: "a" })).toMatchObject({ ok: false, code: "not_held" });
    expect(await acquire(b, "a")).toMatchObject({ token: 2 });
    await Promise.all([a.close(), b.close()]);
  });

  it("[lock-2] a document lock and element locks exclude those of others, not one's own", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    const element = await acquire(a, "absent");
    expect(await ask(b, "acquire", { element: "absent" })).toMatchObject({
      ok: false,
      code: "locked",
      message: "element is already locked",
      details: { lock: { id: element.id, user: { id: "ada" } } },
    });
    await acquire(b, "b");
    expect(await ask(b, "acquire", {})).toMatchObject({
      code: "locked",
      message: "element is already locked",
    });
    await ask(b, "release", { element: "b" });
    const whole = await acquire(a, null);
    expect(whole.token).toBeGreaterThan(element.token);
    for (const fields of [{}, { element: null }]) {
      expect(await ask(b, "acquire", fields)).toMatchObject({ code: "locked", details: { lock: {} } });
    }
    expect(await ask(b, "acquire", { element: "b" })).toMatchObject({
      message: "document is already locked",
      details: { lock: { id: whole.id, element: null } },
    });
    await Promise.all([a.close(), b.close()]);
  });

  it("[lock-3] ttlMs: the bounds are accepted, one past them is invalid; malformed requests are answered", async () => {
    const docId = await createDocument();
    const a = await enter(one, docId, ada);
    for (const ttlMs of [1_000, 300_000]) await acquire(a, "a", { ttlMs });
    expect((await acquire(a, "a")).expiresInMs).toBeGreaterThan(29_000);
    for (const fields of [
      { ttlMs: 999 },
      { ttlMs: 300_001 },
      { ttlMs: 1_000.5 },
      { element: "no such id!" },
      { element: "__proto__" },
      { element: 3 },
    ]) {
      expect(await ask(a, "acquire", fields), JSON.stringify(fields)).toMatchObject({ code: "invalid" });
    }
    expect(await ask(a, "steal", { element: "a" })).toMatchObject({ ok: false, code: "invalid" });
    a.send({ type: "lock", action: "acquire" });
    expect(await a.next("error")).toMatchObject({ code: "bad_message" });
    await a.close();
  });

  it("[lock-4] locksPerAuthor: at the limit granted, one past it too_many; another client has its own", async () => {
    const docId = await createDocument();
    const [a, other] = await Promise.all([enter(one, docId, ada), enter(two, docId, ada)]);
    for (const element of ["a", "b", null]) await acquire(a, element);
    expect(await ask(a, "acquire", { element: "c" })).toMatchObject({ ok: false, code: "too_many" });
    await acquire(a, "a");
    await ask(a, "release", {});
    await acquire(other, "c");
    await acquire(a, "d");
    await Promise.all([a.close(), other.close()]);
  });

  it("[lock-5] viewers are forbidden, an archived document is not_active, and archiving ends its locks", async () => {
    const docId = await createDocument({ viewers: ["vic"] });
    const vic = await enter(two, docId, await devToken(two.url, "vic"));
    expect(await ask(vic, "acquire", { element: "a" })).toMatchObject({ ok: false, code: "forbidden" });
    const a = await enter(one, docId, ada);
    await acquire(a, "a");
    expect(await ask(vic, "release", { element: "a" })).toMatchObject({ ok: false, code: "forbidden" });
    await shows(vic, "a");
    expect((await rest(two.url, ada, "PATCH", `/documents/${docId}`, { state: "archived" })).status).toBe(
      200,
    );
    await shows(vic);
    expect(await ask(a, "acquire", { element: "a" })).toMatchObject({ ok: false, code: "not_active" });
    await Promise.all([vic.close(), a.close()]);
  });

  it("[lock-6] released by the same user from elsewhere and by an owner, by nobody else", async () => {
    const docId = await createDocument();
    const [a, b, c, elsewhere] = await Promise.all([
      enter(one, docId, ada),
      enter(two, docId, bob),
      enter(two, docId, col),
      enter(one, docId, bob),
    ]);
    await acquire(b, "a");
    await acquire(b, "b");
    expect(await ask(c, "release", { element: "a" })).toMatchObject({ ok: false, code: "forbidden" });
    expect(await ask(elsewhere, "release", { element: "a" })).toMatchObject({ ok: true });
    expect(await ask(a, "release", { element: "b" })).toMatchObject({ ok: true });
    await Promise.all([a, b, c].map((client) => shows(client)));
    expect(await ask(b, "renew", { element: "b" })).toMatchObject({ ok: false, code: "not_held" });
    await Promise.all([a.close(), b.close(), c.close(), elsewhere.close()]);
  });

  it("[lock-7] pipelined commands are handled in their order, a release after the submits before it", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    await acquire(a, "a");
    const last = update("a");
    for (let seq = 1; seq < 20; seq++) a.send({ type: "submit", seq, base: 2, ops: [update("a")] });
    a.send({ type: "submit", seq: 20, base: 2, ops: [last] });
    a.send({ type: "lock", requestId: "r", action: "release", element: "a" });
    a.send({ type: "lock", requestId: "s", action: "acquire", element: "a" });
    a.send({ type: "lock", requestId: "t", action: "release", element: "a" });
    for (const requestId of ["r", "s", "t"]) {
      expect(await a.next("result", (result) => result.requestId === requestId)).toMatchObject({ ok: true });
    }
    const lastVersion = (await a.sequenced(last.id)).version;
    expect((await acquire(b, "a")).version).toBe(lastVersion);
    expect(a.messages.some(({ type }) => type === "reject")).toBe(false);
    await Promise.all([a.close(), b.close()]);
  });

  it("[lock-8] lock requests count against opsPerSecond", async () => {
    const slow = await startTestInstance(database.url, { limits: { opsPerSecond: 1, maxOpsPerSubmit: 2 } });
    try {
      const docId = await createDocument();
      const a = await enter(slow, docId, ada);
      await acquire(a, "a");
      await acquire(a, "b");
      expect(await ask(a, "acquire", { element: "c" })).toMatchObject({
        ok: false,
        code: "rate_limited",
        details: { limit: "opsPerSecond", retryAfterMs: expect.any(Number) },
      });
      await a.close();
    } finally {
      await slow.close();
    }
  });
});

describe("what a lock holds off", () => {
  it("[lock-9] others' operations are rejected with locked, whatever else would be wrong with them", async () => {
    const docId = await createDocument({ conflictPolicy: "strict" });
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    await submit(a, 2, update("a", { x: 5 }));
    await b.next("ops");
    for (const element of ["a", "absent"]) await acquire(a, element);
    // Right away: instance two may not have heard of the locks.
    for (const operation of [
      update("a", { x: 6 }), // a version_conflict
      update("absent"), // element_not_found
      { id: randomUUID(), type: "create", element: "a" }, // invalid_operation
    ]) {
      expect(await submit(b, 2, update("b"), operation)).toMatchObject({
        type: "reject",
        code: "locked",
        message: "element is already locked",
        details: { lock: { user: { id: "ada" }, element: operation.element } },
      });
    }
    expect(await submit(b, 99, update("a"))).toMatchObject({ code: "locked" });
    expect(await submit(b, 2, update("b"))).toHaveLength(1);
    expect(await submit(a, version(a), update("a"))).toHaveLength(1);
    // Another client of the same user is another author, and so is a REST call without its clientId.
    const other = await enter(two, docId, ada);
    expect(await submit(other, version(other), update("a"))).toMatchObject({ code: "locked" });
    const content = { elements: { a: { x: 9 } } };
    const put = (more: object) =>
      rest(
        two.url,
        ada,
        "PUT",
        `/documents/${docId}/content`,
        { ...content, ...more },
        { "if-match": `"${now}"` },
      );
    let now = version(a);
    await waitFor(() => version(a) === version(b));
    now = version(a);
    expect((await put({})).status).toBe(423);
    const { clientId } = (await acquire(a, "a")) as LockInfo;
    expect((await put({ clientId })).status).toBe(200);
    await Promise.all([a.close(), b.close(), other.close()]);
  });

  it("[lock-10] document lock: nothing of others; a repeat of what is in the log is acknowledged all the same", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    const before = update("b");
    await submit(b, 2, before);
    await acquire(a, null);
    expect(await submit(b, 2, update("b"))).toMatchObject({
      code: "locked",
      message: "document is already locked",
      details: { lock: { element: null } },
    });
    b.send({ type: "submit", seq: 3, base: 2, ops: [before] });
    expect(await b.next("ack")).toMatchObject({ seq: 3, duplicate: true });
    await Promise.all([a.close(), b.close()]);
  });

  it("[lock-11] an expired lock is told within 2 s, written, and in nobody's way; a skewed clock changes nothing", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    const realNow = Date.now;
    try {
      // Both instances live in this process.
      Date.now = () => realNow() + 3_600_000;
      await acquire(a, "a", { ttlMs: 1_500 });
      await shows(b, "a");
      Date.now = () => realNow() - 3_600_000;
      expect(await submit(b, 2, update("a"))).toMatchObject({ code: "locked" });
      const granted = performance.now();
      await Promise.all([shows(a), shows(b)]);
      const tookMs = performance.now() - granted;
      expect(tookMs).toBeGreaterThan(1_000);
      expect(tookMs).toBeLessThan(3_500);
      const { rows } = await database.pool.query("SELECT active FROM locks WHERE doc_id = $1", [docId]);
      expect(rows).toEqual([{ active: false }]);
      expect(await submit(b, 2, update("a"))).toHaveLength(1);
      expect(await ask(a, "renew", { element: "a" })).toMatchObject({ ok: false, code: "not_held" });
    } finally {
      Date.now = realNow;
    }
    await Promise.all([a.close(), b.close()]);
  });

  it("[lock-12] a grant names a version that its instance has sent by then, and frames' revisions grow", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    const seen: number[] = [];
    for (let round = 0; round < 20; round++) {
      b.send({ type: "submit", seq: round + 1, base: 2, ops: [update("b"), update("b")] });
      const requestId = randomUUID();
      a.send({ type: "lock", requestId, action: round % 2 === 0 ? "acquire" : "release", element: "a" });
      const result = (await a.next("result", (each) => each.requestId === requestId)) as Ok;
      expect(result.ok).toBe(true);
      if (result.lock === undefined) continue;
      const at = a.messages.indexOf(result);
      const sent = a.messages.slice(0, at).flatMap((each) => (each.type === "ops" ? each.ops : []));
      expect(sent.at(-1)?.version ?? 2).toBeGreaterThanOrEqual(result.lock.version);
      seen.push(result.lock.token);
    }
    expect(seen).toEqual([...seen].sort((x, y) => x - y));
    expect(new Set(seen).size).toBe(seen.length);
    await ask(a, "acquire", { element: "end" });
    await Promise.all(
      [a, b].map((each) => each.next("locks", ({ locks }) => locks.some((l) => l.element === "end"))),
    );
    for (const { messages } of [a, b]) {
      let at = 2;
      let revision = -1;
      for (const message of messages) {
        if (message.type === "ops") at = message.ops.at(-1)?.version ?? at;
        if (message.type !== "locks") continue;
        expect(message.revision).toBeGreaterThan(revision);
        revision = message.revision;
        for (const lock of message.locks) expect(lock.version).toBeLessThanOrEqual(at);
      }
    }
    await Promise.all([a.close(), b.close()]);
  });
});

describe("what ends a lock", () => {
  it.each([1000, 1001])(
    "[lock-13] a close by the client with %i releases its author's locks",
    async (code) => {
      const docId = await createDocument();
      const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
      await acquire(a, "a");
      await acquire(a, "b");
      await shows(b, "a", "b");
      await a.close(code);
      await shows(b);
      await acquire(b, "a");
      await b.close();
    },
  );

  it("[lock-23] … also what it has asked for and not been given yet, and what an earlier session of it left", async () => {
    const docId = await createDocument();
    const b = await enter(two, docId, bob);
    for (let attempt = 0; attempt < 10; attempt++) {
      const a = await enter(one, docId, ada, "same");
      a.send({ type: "lock", requestId: randomUUID(), action: "acquire", element: "a", ttlMs: 300_000 });
      await a.close();
    }
    const lost = await enter(one, docId, ada, "same");
    await acquire(lost, "b");
    lost.ws.terminate();
    await lost.closed;
    const brief = connect({ url: one.url, docId });
    brief.send({ type: "hello", token: ada, clientId: "same" });
    brief.ws.once("open", () => brief.ws.close(1000));
    await brief.closed;
    await waitFor(async () => {
      const { body } = await rest<{ items: unknown[] }>(one.url, ada, "GET", `/documents/${docId}/locks`);
      return body.items.length === 0;
    });
    await b.close();
  });

  it("[lock-14] … unless another session of that author is open, on whichever instance", async () => {
    const docId = await createDocument();
    const [a, again, b] = await Promise.all([
      enter(one, docId, ada, "same"),
      enter(two, docId, ada, "same"),
      enter(two, docId, bob),
    ]);
    await acquire(a, "a");
    await a.close();
    expect(await ask(again, "renew", { element: "a" })).toMatchObject({ ok: true });
    expect(await ask(b, "acquire", { element: "a" })).toMatchObject({ code: "locked" });
    await again.close();
    await shows(b);
    await b.close();
  });

  it("[lock-15] a lost connection and a close by the server keep it; whoever comes back elsewhere still holds it", async () => {
    const docId = await createDocument();
    const b = await enter(two, docId, bob);
    const a = await enter(one, docId, ada, "same");
    await b.next("presence", ({ joined }) => joined?.some((each) => each.clientId === "same") === true);
    const lock = await acquire(a, "a");
    a.ws.terminate();
    await a.closed;
    await b.next("presence", ({ left }) => left?.includes(a.welcome.sessionId) === true);
    const back = await enter(two, docId, ada, "same");
    expect(back.welcome.locks.locks).toMatchObject([{ id: lock.id, token: lock.token, clientId: "same" }]);
    expect(await submit(b, 2, update("a"))).toMatchObject({ code: "locked" });
    expect(await submit(back, 2, update("a"))).toHaveLength(1);
    expect(await acquire(back, "a")).toMatchObject({ id: lock.id, sessionId: back.welcome.sessionId });
    back.send("[]");
    expect((await back.closed).code).toBe(4400);
    const third = await enter(one, docId, ada, "same");
    expect(third.welcome.locks.locks).toMatchObject([{ id: lock.id }]);
    await Promise.all([third.close(), b.close()]);
  });

  it("[lock-16] who loses the right to edit loses their locks, present or not", async () => {
    const docId = await createDocument();
    const [a, b, c] = await Promise.all([
      enter(one, docId, ada),
      enter(two, docId, bob, "bob-tab"),
      enter(two, docId, col),
    ]);
    await acquire(b, "b");
    await acquire(c, "c");
    // Somebody without a session.
    const path = `/documents/${docId}/locks`;
    expect((await rest(one.url, bob, "POST", path, { clientId: "script", element: "a" })).status).toBe(200);
    await shows(a, "b", "c", "a");
    const lists = { editors: ["col"], viewers: ["bob"] };
    expect((await rest(one.url, ada, "PATCH", `/documents/${docId}`, lists)).status).toBe(200);
    await Promise.all([shows(a, "c"), shows(b, "c")]);
    expect(await b.next("role")).toMatchObject({ role: "viewer" });
    expect(await ask(b, "acquire", { element: "b" })).toMatchObject({ ok: false, code: "forbidden" });
    await rest(two.url, ada, "PATCH", `/documents/${docId}`, { editors: [], viewers: [] });
    expect((await c.closed).code).toBe(4403);
    await shows(a);
    await a.close();
  });

  it("[lock-17] nobody has it open: a demotion ends the locks at once, and right given again is not taken", async () => {
    const docId = await createDocument();
    const path = `/documents/${docId}/locks`;
    for (const element of ["a", "b"]) {
      const token = element === "a" ? bob : col;
      expect((await rest(two.url, token, "POST", path, { clientId: "s", element })).status).toBe(200);
    }
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: ["col"] });
    const { rows } = await database.pool.query<{ user_id: string }>(
      "SELECT user_id FROM locks WHERE doc_id = $1 AND active",
      [docId],
    );
    expect(rows).toEqual([{ user_id: "col" }]);
  });

  it("[lock-18] what is changed in the database and never notified is told within 2 s", async () => {
    const docId = await createDocument();
    const [a, b] = await Promise.all([enter(one, docId, ada), enter(two, docId, bob)]);
    await database.pool.query("SELECT acquire_lock_v1($1, $2, 'a', 'col', 'tool', $2, 60000, 0, false)", [
      docId,
      randomUUID(),
    ]);
    const began = performance.now();
    await Promise.all([shows(a, "a"), shows(b, "a")]);
    expect(performance.now() - began).toBeLessThan(2_000);
    await database.pool.query("SELECT release_locks_v1($1, null, 'col', 'tool')", [docId]);
    await Promise.all([shows(a), shows(b)]);
    await Promise.all([a.close(), b.close()]);
  });
});
