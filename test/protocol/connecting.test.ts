/** What a connection begins with: hello, welcome, and coming back. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { subprotocol } from "../../shared/protocol/messages.ts";
import { connect, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { accepted, enter, op, submit, useTwoInstances } from "./two-instances.ts";

const running = useTwoInstances({ auth: { allowedOrigins: ["https://app.example"] } });
const manyIds = (count: number) => Array.from({ length: count }, () => randomUUID());

describe("hello", () => {
  it.each([
    ["a second hello without clientId", { type: "hello" }],
    ["a second hello of a bad token", { type: "hello", clientId: "c", token: 1 }],
    ["an array", "[]"],
    ["text that is no JSON", "nonsense"],
  ])("[connect-10] a live connection is closed with 4400 on %s", async (_, message) => {
    const { one, ada, createDocument } = running();
    const client = await enter(one, await createDocument(), ada);
    client.send(message);
    expect((await client.closed).code).toBe(4400);
  });

  it("[connect-11] bounds of hello: at them accepted, one past 4400", async () => {
    const { one, ada, createDocument } = running();
    const docId = await createDocument();
    const fits = { presence: { t: "x".repeat(4_088) }, pending: manyIds(1_000) };
    expect(JSON.stringify(fits.presence)).toHaveLength(4_096);
    await (await enter(one, docId, ada, "c".repeat(255), fits)).close();
    for (const bad of [
      { presence: { t: "x".repeat(4_089) } },
      { presence: [] },
      { pending: manyIds(1_001) },
      { pending: ["x"] },
      { clientId: "" },
      { clientId: "c".repeat(256) },
      { since: -1 },
      { since: 1.5 },
      { sinceId: randomUUID().toUpperCase() },
    ]) {
      const client = connect({ url: one.url, docId });
      client.send({ type: "hello", token: ada, clientId: "c", ...bad });
      expect((await client.closed).code, JSON.stringify(bad).slice(0, 80)).toBe(4400);
    }
  });

  it("[connect-12] a configured origin is accepted, and of several subprotocols this one is chosen", async () => {
    const { one, ada, createDocument } = running();
    const docId = await createDocument();
    const client = connect({
      url: one.url,
      docId,
      protocols: ["other", subprotocol],
      headers: { origin: "https://app.example" },
    });
    client.send({ type: "hello", token: ada, clientId: "c", unknown: 1 });
    await client.next("welcome");
    expect(client.ws.protocol).toBe(subprotocol);
    await client.close();
  });

  it("[connect-13] what comes between hello and welcome is handled after it, in order; more than 100 is 4429", async () => {
    const { one, ada, createDocument } = running();
    const docId = await createDocument();
    const hasty = async (pings: number): Promise<RawClient> => {
      const client = connect({ url: one.url, docId });
      await new Promise((resolve) => client.ws.once("open", resolve));
      client.send({ type: "hello", token: ada, clientId: "c" });
      for (let t = 1; t <= pings; t += 1) client.send({ type: "ping", t });
      return client;
    };
    const client = await hasty(100);
    await client.next("pong", ({ t }) => t === 100);
    expect(client.messages[0]?.type).toBe("welcome");
    const pongs = client.messages.flatMap((message) => (message.type === "pong" ? [message.t] : []));
    expect(pongs).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    await client.close();
    // Held up behind a lock, so that the welcome cannot come first.
    const { database } = running();
    const holder = await database.pool.connect();
    await holder.query("BEGIN; LOCK TABLE sessions");
    const hastier = await hasty(101);
    expect((await hastier.closed).code).toBe(4429);
    await holder.query("ROLLBACK");
    holder.release();
  });
});

describe("welcome", () => {
  it("[welcome-4] shows the document as it is now: its version, and who is there", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument();
    const a = await enter(one, docId, ada);
    await accepted(a, 0, op("e", { type: "create", props: {} }));
    const b = await enter(one, docId, bob);
    const c = await enter(two, docId, bob);
    for (const { welcome } of [b, c]) {
      expect(welcome).toMatchObject({ version: 1, document: { version: 1, activeUsers: ["ada", "bob"] } });
    }
    await Promise.all([a.close(), b.close(), c.close()]);
  });

  it("[welcome-1] is the first frame and has all that an empty document needs", async () => {
    const { one, ada, createDocument } = running();
    const docId = await createDocument();
    const client = await enter(one, docId, ada, "c");
    const { welcome } = client;
    expect(client.messages[0]).toBe(welcome);
    const { body } = await rest(one.url, ada, "GET", `/documents/${docId}`);
    expect(welcome).toMatchObject({
      user: { id: "ada", name: "Ada" },
      role: "owner",
      version: 0,
      ops: [],
      committed: {},
      sessions: [],
      locks: { locks: [] },
      limits: {
        maxOpsPerSubmit: 1_000,
        maxInFlight: 64,
        maxMessageBytes: 1_048_576,
        maxPresenceBytes: 4_096,
      },
    });
    expect(welcome.document).toEqual({ ...body, activeUsers: welcome.document.activeUsers });
    expect(Math.abs(Date.parse(welcome.serverTime) - Date.now())).toBeLessThan(5_000);
    await client.close();
  });

  it("[welcome-2] names everybody else on every instance, with their presence within 1 s; viewers see no lists", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ editors: [], viewers: ["bob"] });
    const here = await enter(one, docId, ada, "here", { presence: { at: "one" } });
    const there = await enter(two, docId, ada, "there", { presence: { at: "two" } });
    await here.next("presence", ({ joined }) => joined?.[0]?.clientId === "there");
    const client = await enter(one, docId, bob, "b");
    const startedAt = performance.now();
    const { sessions, document } = client.welcome;
    expect(sessions.map(({ clientId, role }) => [clientId, role]).sort()).toEqual([
      ["here", "owner"],
      ["there", "owner"],
    ]);
    for (const other of [here, there]) {
      const { sessionId } = other.welcome;
      const wanted = { at: other === here ? "one" : "two" };
      const known = sessions.find((session) => session.sessionId === sessionId);
      if (known?.presence === null)
        await client.next("presence", ({ states }) => states?.[sessionId]?.at === wanted.at);
      else expect(known?.presence).toEqual(wanted);
    }
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(document).not.toHaveProperty("editors");
    expect(document).not.toHaveProperty("viewers");
    await Promise.all([here.close(), there.close(), client.close()]);
  });

  it("[welcome-3] profile shows where the token says nothing, and never in its place", async () => {
    const { one, ada, bob, createDocument } = running();
    const docId = await createDocument({ public: true });
    const profile = { name: "Somebody", color: "#f00" };
    const named = await enter(one, docId, ada, "a", { profile });
    expect(named.welcome.user).toEqual({ id: "ada", name: "Ada", color: "#f00" });
    const nameless = await enter(one, docId, bob, "b", { profile });
    expect(nameless.welcome.user).toEqual({ id: "bob", ...profile });
    const nobody = await enter(one, docId, undefined, "c", { profile });
    expect(nobody.welcome.user).toEqual({ id: expect.stringMatching(/^anonymous:.{8}$/), ...profile });
    await Promise.all([named.close(), nameless.close(), nobody.close()]);
  });
});

describe("coming back", () => {
  it("[resume-5] committed names which of pending are in the log, held back or not, and only this author's", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ conflictPolicy: "manual" });
    const [a, b] = [await enter(one, docId, ada, "a"), await enter(one, docId, bob, "b")];
    const [made, theirs, held] = [
      op("e", { type: "create", props: { x: 0 } }),
      op("e", { set: { x: 1 } }),
      op("e", { set: { x: 2 } }),
    ];
    await accepted(a, 0, made);
    await accepted(b, 1, theirs);
    expect((await accepted(a, 1, held))[0]?.status).toBe("conflict");
    const refused = op("none", { set: { x: 1 } });
    await submit(a, 1, [refused]);
    const pending = [made.id, theirs.id, held.id, refused.id, randomUUID()];
    const committed = async (token: string, clientId: string) => {
      const client = await enter(two, docId, token, clientId, { pending });
      await client.close();
      return client.welcome.committed;
    };
    expect(await committed(ada, "a")).toEqual({ [made.id]: 1, [held.id]: 3 });
    expect(await committed(ada, "another tab")).toEqual({});
    expect(await committed(bob, "b")).toEqual({ [theirs.id]: 2 });
    await Promise.all([a.close(), b.close()]);
  });

  it("[resume-6] since without its id is no base, but for 0; at the current version nothing is sent", async () => {
    const { one, two, ada, createDocument } = running();
    const docId = await createDocument();
    const a = await enter(one, docId, ada);
    const [first, second] = [op("a", { type: "create", props: {} }), op("b", { type: "create", props: {} })];
    await accepted(a, 0, first);
    await accepted(a, 1, second);
    const come = async (since: number | undefined, sinceId?: string) => {
      const client = await enter(two, docId, ada, randomUUID(), { since, sinceId });
      await client.close();
      const { version, snapshot, ops } = client.welcome;
      return { version, from: snapshot?.version, versions: ops.map((each) => each.version) };
    };
    expect(await come(1)).toEqual({ version: 2, from: 2, versions: [] });
    expect(await come(1, first.id)).toEqual({ version: 2, from: undefined, versions: [2] });
    expect(await come(2, second.id)).toEqual({ version: 2, from: undefined, versions: [] });
    expect(await come(2, first.id)).toEqual({ version: 2, from: 2, versions: [] });
    const anew = await come(0);
    expect((anew.from ?? 0) + anew.versions.length).toBe(2);
    await a.close();
  });

  it("[resume-7] a base older than the retained log: base_too_old for a submit, a snapshot with rebase for hello", async () => {
    const { ada, database, createDocument } = running();
    const docId = await createDocument();
    const ops = Array.from({ length: 5 }, (_, index) => op(`e${index}`, { type: "create", props: {} }));
    const writing = await startTestInstance(database.url, { snapshots: { idleMs: 50 } });
    const a = await enter(writing, docId, ada, "a");
    await accepted(a, 0, ...ops);
    await a.close();
    // Written when nobody has it open any more: what the log before it is not needed for.
    await waitFor(async () => {
      const { rows } = await database.pool.query(
        "SELECT content_version AS at FROM documents WHERE id = $1",
        [docId],
      );
      return Number(rows[0]?.at) === 5;
    });
    await writing.close();
    await database.pool.query("UPDATE documents SET retained_from = 4 WHERE id = $1", [docId]);
    const instance = await startTestInstance(database.url);
    try {
      const come = (since: number) =>
        enter(instance, docId, ada, randomUUID(), { since, sinceId: ops[since - 1]?.id });
      const old = await come(2);
      expect(old.welcome).toMatchObject({ rebase: true, version: 5, snapshot: { version: 5 } });
      const young = await come(3);
      expect(young.welcome.rebase).toBeUndefined();
      const late = [op("x", { type: "create", props: {} })];
      expect(await submit(young, 2, late)).toMatchObject({ code: "base_too_old", version: 5 });
      await accepted(young, 3, ...late);
      await Promise.all([old.close(), young.close()]);
    } finally {
      await instance.close();
    }
  });

  it("[resume-8] operations that are committed while a long snapshot is sent follow it without a gap", async () => {
    const { one, ada, bob, database, createDocument } = running();
    const elements = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, index) => [`e${index}`, { text: "x".repeat(100) }]),
    );
    const docId = await createDocument({ elements });
    const small = await startTestInstance(database.url, { limits: { maxServerMessageBytes: 4_000 } });
    try {
      const writer = await enter(one, docId, ada);
      const readers = Array.from({ length: 5 }, () => enter(small, docId, bob));
      for (let index = 0; index < 40; index += 1)
        await accepted(writer, 2_000 + index, op(`e${index}`, { set: { n: index } }));
      const last = writer.operations.at(-1)?.id ?? "";
      for (const reader of await Promise.all(readers)) {
        await reader.sequenced(last);
        const { welcome, messages, operations } = reader;
        const from = welcome.snapshot?.version ?? -1;
        expect(operations.map(({ version }) => version)).toEqual(
          Array.from({ length: 2_040 - from }, (_, index) => from + 1 + index),
        );
        const kinds = messages.map(({ type }) => type).filter((type) => type !== "presence");
        expect(kinds.lastIndexOf("snapshot")).toBeLessThan(
          kinds.includes("ops") ? kinds.indexOf("ops") : kinds.length,
        );
        const state: Record<string, object> = { ...welcome.snapshot?.elements };
        for (const message of messages)
          if (message.type === "snapshot") Object.assign(state, message.elements);
        for (const each of operations) state[each.element] = { ...state[each.element], ...each.set };
        expect(state).toEqual(await running().content(docId));
        await reader.close();
      }
      await writer.close();
    } finally {
      await small.close();
    }
  });
});

it("[connect-14] a token of somebody without a role and none at all see the same of a deleted document", async () => {
  const { one, ada, createDocument } = running();
  const docId = await createDocument();
  await rest(one.url, ada, "DELETE", `/documents/${docId}`);
  const zoe = await devToken(one.url, "zoe");
  for (const [token, code] of [
    [ada, 4404],
    [zoe, 4404],
    [undefined, 4401],
  ] as const) {
    const client = connect({ url: one.url, docId });
    client.send({ type: "hello", clientId: "c", token });
    expect((await client.closed).code).toBe(code);
  }
});
