/** Presence, the small messages, dead connections, and the order of frames, over two instances. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { connect, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { waitFor } from "../support/wait-for.ts";
import { enter, op, useTwoInstances } from "./two-instances.ts";

const running = useTwoInstances();
const presenceOf = (client: RawClient) =>
  client.messages.flatMap((message) => (message.type === "presence" ? [message] : []));

describe("presence", () => {
  it("[presence-2] everybody on every instance is told of everybody but itself", async () => {
    const { one, two, ada, createDocument } = running();
    const docId = await createDocument();
    const clients = await Promise.all(
      [one, two, one, two, one].map((instance, n) =>
        enter(instance, docId, ada, `c${n}`, { presence: { n } }),
      ),
    );
    for (const [n, client] of clients.entries()) client.send({ type: "presence", state: { moved: n } });
    for (const client of clients) {
      const own = client.welcome.sessionId;
      const known = new Map(client.welcome.sessions.map((session) => [session.sessionId, session.presence]));
      await waitFor(() => {
        for (const { joined, left, states } of presenceOf(client)) {
          for (const session of joined ?? []) known.set(session.sessionId, session.presence);
          for (const sessionId of left ?? []) known.delete(sessionId);
          for (const [sessionId, state] of Object.entries(states ?? {})) {
            // A state of a session that was not told before could not be shown.
            expect(known.has(sessionId)).toBe(true);
            known.set(sessionId, state);
          }
        }
        expect(known.has(own)).toBe(false);
        const others = clients.filter((other) => other !== client).map(({ welcome }) => welcome.sessionId);
        return others.every((sessionId) => known.get(sessionId)?.moved !== undefined) && known.size === 4;
      });
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  it("[presence-3] null removes it; a joined of a known id replaces it, as when a role changes", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument();
    const a = await enter(one, docId, ada, "a");
    const b = await enter(two, docId, bob, "b", { presence: { x: 1 } });
    const { sessionId } = b.welcome;
    await a.next("presence", ({ joined }) => joined?.[0]?.sessionId === sessionId);
    b.send({ type: "presence", state: null });
    await a.next("presence", ({ states }) => states?.[sessionId] === null);
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: [], viewers: ["bob"] });
    const again = await a.next("presence", ({ joined }) => joined?.[0]?.role === "viewer");
    expect(again.joined?.[0]).toMatchObject({ sessionId, clientId: "b", user: { id: "bob" } });
    expect(presenceOf(a).some(({ left }) => left?.includes(sessionId))).toBe(false);
    await Promise.all([a.close(), b.close()]);
  });

  it("[presence-4] is coalesced over the document: about 20 frames a second, however many move", async () => {
    const { one, two, ada, createDocument } = running();
    const docId = await createDocument();
    const watcher = await enter(two, docId, ada);
    const movers = await Promise.all(Array.from({ length: 6 }, () => enter(one, docId, ada)));
    await waitFor(() => presenceOf(watcher).flatMap(({ joined }) => joined ?? []).length === 6);
    const before = presenceOf(watcher).length;
    const startedAt = performance.now();
    for (let n = 1; n <= 60; n += 1) {
      for (const mover of movers) mover.send({ type: "presence", state: { n } });
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const newest = new Map<string, unknown>();
    await waitFor(() => {
      for (const { states } of presenceOf(watcher))
        for (const [sessionId, state] of Object.entries(states ?? {})) newest.set(sessionId, state?.n);
      return movers.every((mover) => newest.get(mover.welcome.sessionId) === 60);
    });
    const seconds = (performance.now() - startedAt) / 1_000;
    expect(presenceOf(watcher).length - before).toBeLessThanOrEqual(Math.ceil(seconds * 20) + 2);
    await Promise.all([watcher, ...movers].map((client) => client.close()));
  });

  it("[presence-5] a connection that is silent, answering no ping, is dropped and told as left", async () => {
    const { ada, one, database, createDocument } = running();
    const docId = await createDocument();
    // Longer than a busy machine keeps everybody waiting.
    const strict = await startTestInstance(database.url, { sockets: { pingMs: 100, silenceMs: 1_500 } });
    try {
      const a = await enter(one, docId, ada);
      const alive = await enter(strict, docId, ada);
      const dead = await enter(strict, docId, ada);
      // Nothing is read any more: pings come and nobody answers them.
      (dead.ws as unknown as { _socket: { pause(): void } })._socket.pause();
      await a.next("presence", ({ left }) => left?.includes(dead.welcome.sessionId) ?? false);
      expect(presenceOf(a).some(({ left }) => left?.includes(alive.welcome.sessionId))).toBe(false);
      alive.send({ type: "ping", t: 1 });
      await alive.next("pong");
      dead.ws.terminate();
      await Promise.all([a.close(), alive.close()]);
    } finally {
      await strict.close();
    }
  });

  it("[presence-6] the sessions of an instance that died are gone when its lease has run out", async () => {
    const database = await createTestDatabase();
    const instance = await startTestInstance(database.url, {
      presence: { heartbeatMs: 200, leaseMs: 1_000 },
    });
    try {
      const ada = await devToken(instance.url, "ada");
      const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "d" });
      const docId = body.id as string;
      const sessionId = randomUUID();
      // As one left it that was killed: a lease that nobody renews, and a session under it.
      await database.pool.query("INSERT INTO instances (id) VALUES ('dead')");
      await database.pool.query(
        `INSERT INTO sessions (id, doc_id, instance_id, user_id, client_id, role, first_version)
        VALUES ($1, $2, 'dead', 'ada', 'dead', 'owner', 1)`,
        [sessionId, docId],
      );
      const a = await enter(instance, docId, ada, "a");
      expect(a.welcome.sessions).toMatchObject([{ sessionId, clientId: "dead" }]);
      await a.next("presence", ({ left }) => left?.includes(sessionId) ?? false);
      const b = await enter(instance, docId, ada, "b");
      expect(b.welcome.sessions.map(({ clientId }) => clientId)).toEqual(["a"]);
      await Promise.all([a.close(), b.close()]);
    } finally {
      await instance.close();
      await database.drop();
    }
  });
});

describe("messages", () => {
  it("[session-4] requestId: 64 characters are echoed; without a usable one the answer is an error", async () => {
    const { one, ada, createDocument } = running();
    const client = await enter(one, await createDocument(), ada);
    const requestId = "r".repeat(64);
    client.send({ type: "auth", requestId, token: ada });
    expect(await client.next("result")).toEqual({ type: "result", requestId, ok: true });
    for (const bad of ["", "r".repeat(65), 1, undefined, "\u0000"]) {
      client.send({ type: "auth", requestId: bad, token: ada });
      expect(await client.next("error")).toMatchObject({ code: "bad_message" });
    }
    for (const message of [
      { type: "auth", token: 1 },
      { type: "resolve", conflictId: "x", choose: "current" },
      { type: "resolve", conflictId: randomUUID(), choose: "mine" },
      { type: "resolve", conflictId: randomUUID(), choose: { set: { "a b": 1 } } },
      { type: "ping" },
    ]) {
      client.send({ ...message, requestId: "known" });
      expect(await client.next("result")).toMatchObject({ requestId: "known", ok: false, code: "invalid" });
    }
    client.send({ type: "resolve", requestId: "none", conflictId: randomUUID(), choose: "current" });
    expect(await client.next("result")).toMatchObject({ ok: false, code: "not_found" });
    client.send({ type: "toString", requestId: "known" });
    expect(await client.next("error")).toMatchObject({ code: "bad_message", requestId: "known" });
    client.send({ type: "submit", requestId: "known", ops: [] });
    expect(await client.next("result")).toMatchObject({ requestId: "known", ok: false, code: "invalid" });
    await client.close();
  });

  it("[session-7] a fresh token with another name: everybody on every instance gets it, and who joins later", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument();
    const [a, b] = [await enter(one, docId, ada), await enter(two, docId, bob)];
    const { sessionId } = a.welcome;
    a.send({ type: "auth", requestId: "same", token: ada });
    a.send({ type: "auth", requestId: "new", token: await devToken(one.url, "ada", "Ada Two") });
    await a.next("result", (result) => result.requestId === "new");
    const told = await b.next("presence", ({ joined = [] }) =>
      joined.some((session) => session.sessionId === sessionId && session.user.name === "Ada Two"),
    );
    // The first one changed nothing.
    expect(told.joined).toHaveLength(1);
    expect(told.joined?.[0]).toMatchObject({ sessionId, role: "owner", user: { id: "ada" } });
    const c = await enter(two, docId, bob);
    const known = c.welcome.sessions.find((session) => session.sessionId === sessionId);
    expect(known?.user).toMatchObject({ id: "ada", name: "Ada Two" });
    await Promise.all([a.close(), b.close(), c.close()]);
  });

  it("[session-8] a fresh token is no news of the document; what is sent of it has the version and who is here", async () => {
    const { one, ada, bob, createDocument } = running();
    const docId = await createDocument();
    const [a, b] = [await enter(one, docId, ada), await enter(one, docId, bob)];
    const made = op("made", { type: "create" });
    a.send({ type: "submit", seq: 1, base: 0, ops: [made] });
    const { version } = await b.sequenced(made.id);
    b.send({ type: "auth", requestId: "fresh", token: bob });
    await b.next("result", (result) => result.requestId === "fresh");
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { name: "New" });
    const { document } = await b.next("document");
    expect(document).toMatchObject({ name: "New", version, activeUsers: ["ada", "bob"] });
    await Promise.all([a.close(), b.close()]);
  });

  it("[session-5] document goes to everybody when metadata changes, role only to whose it is", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument();
    const [a, b] = [await enter(one, docId, ada), await enter(two, docId, bob)];
    await rest(two.url, ada, "PATCH", `/documents/${docId}`, { name: "New", tags: ["x"] });
    for (const client of [a, b]) {
      const { document } = await client.next("document", (message) => message.document.name === "New");
      expect(document).toMatchObject({ tags: ["x"], editors: ["bob"] });
    }
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: [], viewers: ["bob"] });
    await b.next("role");
    const seen = await b.next("document", ({ document }) => document.editors === undefined);
    expect(seen.document).not.toHaveProperty("viewers");
    await a.next("document", ({ document }) => document.viewers?.includes("bob") ?? false);
    expect(a.messages.some(({ type }) => type === "role")).toBe(false);
    await Promise.all([a.close(), b.close()]);
  });

  it("[session-6] an instance that shuts down answers what is in flight, spreads those who come back, takes nobody", async () => {
    const { ada, database, createDocument } = running();
    const docId = await createDocument();
    const instance = await startTestInstance(database.url);
    const clients = await Promise.all(Array.from({ length: 8 }, () => enter(instance, docId, ada)));
    const made = clients.map((client, n) => {
      const each = op(`e${n}`, { type: "create" });
      client.send({ type: "submit", seq: 1, base: 0, ops: [each] });
      return each;
    });
    for (const [n, client] of clients.entries()) await client.sequenced(made[n]?.id ?? "");
    const last = op("last", { type: "create" });
    clients[0]?.send({ type: "submit", seq: 2, base: 8, ops: [last] });
    clients[0]?.send({ type: "ping", t: 1 });
    await clients[0]?.next("pong");
    await instance.close();
    const waits = new Set<number>();
    for (const client of clients) {
      const { retryAfterMs } = await client.next("bye", ({ reason }) => reason === "shutdown");
      waits.add(retryAfterMs);
      expect((await client.closed).code).toBe(1001);
    }
    expect(waits.size).toBeGreaterThan(1);
    await clients[0]?.sequenced(last.id);
    const late = connect({ url: instance.url, docId });
    expect((await late.closed).code).toBe(1006);
  });
});

it("[order-1] a frame that speaks of a version comes after the operations up to it", async () => {
  const { one, two, ada, bob, createDocument } = running();
  const random = seededRandom();
  const docId = await createDocument({ conflictPolicy: "manual", elements: { e: { x: 0 }, f: { x: 0 } } });
  const clients = [
    await enter(one, docId, ada, "a"),
    await enter(two, docId, bob, "b"),
    await enter(one, docId, bob, "c"),
  ];
  const seqs = clients.map(() => 0);
  /** Everything sent so far is answered: a request is, after the submits before it. */
  const settled = async (client: RawClient, n: number) => {
    client.send({ type: "lock", requestId: `settled${n}`, action: "release", element: "nothing" });
    await client.next("result", ({ requestId }) => requestId === `settled${n}`);
  };
  for (let n = 0; n < 300; n += 1) {
    const index = random.between(0, clients.length - 1);
    const client = clients[index]!;
    const base = Math.max(2, (client.operations.at(-1)?.version ?? 2) - random.between(0, 5));
    const element = random.between(0, 1) === 0 ? "e" : "f";
    const requestId = `r${n}`;
    switch (random.between(0, 7)) {
      case 0:
        client.send({
          type: "lock",
          requestId,
          action: random.between(0, 2) === 0 ? "acquire" : "release",
          element,
          ttlMs: 1_000,
        });
        break;
      case 1: {
        const known = client.messages.flatMap((message) =>
          message.type === "conflict" ? [message.conflict.id] : [],
        );
        if (known.length > 0)
          client.send({
            type: "resolve",
            requestId,
            conflictId: known.at(-1),
            choose: random.between(0, 1) === 0 ? "current" : { set: { x: n } },
          });
        break;
      }
      default: {
        const each = op(random.between(0, 11) === 0 ? "none" : element, { set: { x: n } });
        const repeated = client.operations
          .filter((known) => known.session === client.welcome.sessionId)
          .at(-1);
        seqs[index]! += 1;
        const ops =
          random.between(0, 5) === 0 && repeated !== undefined ? [{ ...op("e"), id: repeated.id }] : [each];
        client.send({
          type: "submit",
          seq: seqs[index],
          base,
          ops,
          ...(random.between(0, 3) === 0 ? { onConflict: "reject" } : {}),
        });
      }
    }
    // A few at a time: bases grow old, and nobody runs into maxInFlight.
    if (n % 10 === 9) await Promise.all(clients.map((one) => settled(one, n)));
  }
  const seen = new Set<string>();
  for (const client of clients) {
    let version = client.welcome.version;
    const known = new Set(client.welcome.ops.map(({ id }) => id));
    for (const message of client.messages.slice(1)) {
      const where = `seed ${random.seed}: ${JSON.stringify(message).slice(0, 300)} at ${version}`;
      switch (message.type) {
        case "ops":
          for (const each of message.ops) {
            expect(each.version, where).toBe(version + 1);
            version = each.version;
            known.add(each.id);
          }
          break;
        case "reject":
          expect(message.version, where).toBeLessThanOrEqual(version);
          break;
        case "ack":
          expect(Math.max(...message.versions), where).toBeLessThanOrEqual(version);
          break;
        case "conflict":
        case "resolved":
          for (const id of message.conflict.operations) expect(known.has(id), where).toBe(true);
          break;
        case "locks":
          for (const lock of message.locks) expect(lock.version, where).toBeLessThanOrEqual(version);
          break;
        case "result":
          if (message.ok && message.lock !== undefined)
            expect(message.lock.version, where).toBeLessThanOrEqual(version);
          if (message.ok && message.conflict !== undefined)
            for (const id of message.conflict.operations) expect(known.has(id), where).toBe(true);
      }
      seen.add(message.type);
    }
  }
  for (const type of ["ops", "ack", "reject", "conflict", "resolved", "locks", "result"])
    expect(seen, `seed ${random.seed}: without a ${type} this says nothing of it`).toContain(type);
  await Promise.all(clients.map((client) => client.close()));
});
