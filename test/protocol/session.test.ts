import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { connect, join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let one: Instance;
let two: Instance;
let ada: string;
let bob: string;

beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = await Promise.all([startTestInstance(database.url), startTestInstance(database.url)]);
  [ada, bob] = await Promise.all([devToken(one.url, "ada", "Ada"), devToken(two.url, "bob")]);
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

async function createDocument(fields: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await rest(one.url, ada, "POST", "/documents", {
    name: "A board",
    editors: ["bob"],
    ...fields,
  });
  expect(status).toBe(201);
  return body.id as string;
}
const create = (element: string, props: Record<string, unknown> = {}) => ({
  id: randomUUID(),
  type: "create",
  element,
  props,
});
const update = (element: string, set: Record<string, unknown>) => ({
  id: randomUUID(),
  type: "update",
  element,
  set,
});
const hello = (token: string, clientId: string = randomUUID(), more: Record<string, unknown> = {}) => ({
  token,
  clientId,
  ...more,
});

describe("connecting", () => {
  it("[connect-1] refuses an upgrade without the subprotocol with 400", async () => {
    const docId = await createDocument();
    const client = connect({ url: one.url, docId, protocols: [] });
    const status = await new Promise((resolve) =>
      client.ws.on("unexpected-response", (_, response) => resolve(response.statusCode)),
    );
    expect(status).toBe(400);
  });

  it.each(["null", "https://evil.example", "http://127.0.0.1.evil.example"])(
    "[connect-2] refuses the origin %s with 403",
    async (origin) => {
      const docId = await createDocument();
      const client = connect({ url: one.url, docId, headers: { origin } });
      const status = await new Promise((resolve) =>
        client.ws.on("unexpected-response", (_, response) => resolve(response.statusCode)),
      );
      expect(status).toBe(403);
    },
  );

  it("[connect-3] accepts the own origin", async () => {
    const docId = await createDocument();
    const client = await join({ url: one.url, docId, headers: { origin: one.url }, hello: hello(ada) });
    expect(client.welcome.role).toBe("owner");
    await client.close();
  });

  it("[connect-4] closes with 4408 when no hello comes", async () => {
    const docId = await createDocument();
    const instance = await startTestInstance(database.url, { sockets: { helloTimeoutMs: 100 } });
    try {
      expect((await connect({ url: instance.url, docId }).closed).code).toBe(4408);
    } finally {
      await instance.close();
    }
  });

  it.each([
    ["text that is no JSON", "{"],
    ["an array", "[]"],
    ["another message before hello", { type: "ping", t: 1 }],
    ["a hello without clientId", { type: "hello" }],
    ["the reserved clientId", { type: "hello", clientId: "server" }],
  ])("[connect-5] closes with 4400 on %s", async (_, message) => {
    const docId = await createDocument();
    const client = connect({ url: one.url, docId });
    client.send(message);
    expect((await client.closed).code).toBe(4400);
  });

  it("[connect-6] closes with 4400 on a second hello and on a binary frame", async () => {
    const docId = await createDocument();
    const client = await join({ url: one.url, docId, hello: hello(ada) });
    client.send({ type: "hello", ...hello(ada) });
    expect((await client.closed).code).toBe(4400);
    const binary = await join({ url: one.url, docId, hello: hello(ada) });
    binary.ws.send(Buffer.from([1, 2, 3]));
    expect((await binary.closed).code).toBe(4400);
  });

  it("[connect-7] tells nobody apart whether a document is absent or private", async () => {
    const docId = await createDocument();
    const carol = await devToken(one.url, "carol");
    for (const [id, token, code] of [
      [docId, undefined, 4401],
      [randomUUID(), undefined, 4401],
      [docId, carol, 4404],
      [randomUUID(), carol, 4404],
      ["nonsense", carol, 4404],
      [docId, "not.a.token", 4401],
    ] as const) {
      const client = connect({ url: one.url, docId: id });
      client.send({ type: "hello", clientId: "c", ...(token === undefined ? {} : { token }) });
      expect((await client.closed).code, `${id} ${token}`).toBe(code);
    }
  });

  it("[connect-8] lets anyone read a public document, named anonymous", async () => {
    const docId = await createDocument({ public: true });
    const client = await join({ url: one.url, docId, hello: { clientId: "c", profile: { name: "Guest" } } });
    expect(client.welcome.user).toMatchObject({
      id: expect.stringMatching(/^anonymous:.{8}$/),
      name: "Guest",
    });
    expect(client.welcome.role).toBe("viewer");
    const op = create("a");
    client.send({ type: "submit", seq: 1, base: 0, ops: [op] });
    expect((await client.next("reject")).code).toBe("forbidden");
    await client.close();
  });

  it("[connect-9] takes the token of the upgrade, the hello's wins", async () => {
    const docId = await createDocument();
    const headers = { authorization: `Bearer ${bob}` };
    const first = await join({ url: one.url, docId, headers, hello: { clientId: "c" } });
    expect(first.welcome.user.id).toBe("bob");
    const second = await join({ url: one.url, docId, headers, hello: hello(ada) });
    expect(second.welcome.user).toMatchObject({ id: "ada", name: "Ada" });
    await Promise.all([first.close(), second.close()]);
  });
});

describe("submits", () => {
  it("[submit-1] acknowledges by ops to the author and to others on every instance, with author, time and status", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada, "tab-a") });
    const b = await join({ url: two.url, docId, hello: hello(bob, "tab-b") });
    const op = { ...create("shape", { x: 1, text: "héllo 😀" }), extra: { from: "test" } };
    a.send({ type: "submit", seq: 1, base: 0, ops: [op] });
    for (const client of [a, b]) {
      expect(await client.sequenced(op.id)).toMatchObject({
        ...op,
        version: 1,
        base: 0,
        status: "applied",
        user: "ada",
        client: "tab-a",
        session: a.welcome.sessionId,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      });
    }
    await Promise.all([a.close(), b.close()]);
  });

  it("[submit-2] gives consecutive versions to what instances submit at once, each stream without gap or duplicate", async () => {
    const docId = await createDocument();
    const clients = await Promise.all(
      [one, two, one, two].map((instance, index) =>
        join({ url: instance.url, docId, hello: hello(index % 2 === 0 ? ada : bob, `client-${index}`) }),
      ),
    );
    const ids = new Set<string>();
    for (let seq = 1; seq <= 25; seq += 1) {
      for (const [index, client] of clients.entries()) {
        const op = create(`e-${index}-${seq}`, { seq });
        ids.add(op.id);
        client.send({ type: "submit", seq, base: 0, ops: [op] });
      }
    }
    for (const client of clients) for (const id of ids) await client.sequenced(id);
    const log = clients.map((client) => client.operations.map(({ version, id }) => `${version} ${id}`));
    for (const stream of log) expect(stream).toEqual(log[0]);
    expect(clients[0]?.operations.map(({ version }) => version)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    await Promise.all(clients.map((client) => client.close()));
  });

  it("[submit-3] acknowledges a repeat once more, at any instance, and stores it once", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada, "tab") });
    const ops = [create("a"), update("a", { x: 1 })];
    a.send({ type: "submit", seq: 1, base: 0, ops });
    await a.sequenced(ops[1]?.id ?? "");
    await a.close();
    const again = await join({ url: two.url, docId, hello: hello(ada, "tab", { pending: [ops[0]?.id] }) });
    expect(again.welcome.committed).toEqual({ [ops[0]?.id ?? ""]: 1 });
    again.send({ type: "submit", seq: 1, base: 0, ops });
    expect(await again.next("ack")).toMatchObject({ seq: 1, versions: [1, 2], duplicate: true });
    const other = await join({ url: two.url, docId, hello: hello(bob, "tab") });
    other.send({ type: "submit", seq: 1, base: 2, ops });
    expect((await other.next("reject")).code).toBe("invalid_operation");
    other.send({ type: "submit", seq: 2, base: 2, ops: [ops[0], create("b")] });
    expect((await other.next("reject")).code).toBe("invalid_operation");
    const { body } = await rest<{ items: unknown[] }>(one.url, ada, "GET", `/documents/${docId}/operations`);
    expect(body.items).toHaveLength(2);
    await Promise.all([again.close(), other.close()]);
  });

  it("[submit-4] handles seq strictly in order; another than the next is refused and not counted", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    a.send({ type: "submit", seq: 2, base: 0, ops: [create("a")] });
    expect(await a.next("reject")).toMatchObject({ seq: 2, code: "invalid_operation" });
    const op = create("b");
    a.send({ type: "submit", seq: 1, base: 0, ops: [op] });
    await a.sequenced(op.id);
    a.send({ type: "submit", seq: 1, base: 0, ops: [create("c")] });
    expect(await a.next("reject")).toMatchObject({ seq: 1, code: "invalid_operation" });
    await a.close();
  });

  it("[submit-5] a final reject counts as handled and does not affect later ones", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    const good = create("a");
    a.send({ type: "submit", seq: 1, base: 0, ops: [update("absent", { x: 1 })] });
    a.send({ type: "submit", seq: 2, base: 0, ops: [{ id: "no-uuid", type: "create", element: "x" }] });
    a.send({ type: "submit", seq: 3, base: 99, ops: [create("z")] });
    a.send({ type: "submit", seq: 4, base: 0, ops: [good] });
    expect(await a.next("reject", ({ seq }) => seq === 1)).toMatchObject({
      code: "element_not_found",
      version: 0,
    });
    expect(await a.next("reject", ({ seq }) => seq === 2)).toMatchObject({
      code: "invalid_operation",
      details: { path: "ops.0.id" },
    });
    expect(await a.next("reject", ({ seq }) => seq === 3)).toMatchObject({ code: "invalid_operation" });
    expect((await a.sequenced(good.id)).version).toBe(1);
    await a.close();
  });

  it("[submit-6] an instance that was acknowledged elsewhere a moment ago never refuses what follows from it", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    const b = await join({ url: two.url, docId, hello: hello(bob) });
    for (let seq = 1; seq <= 30; seq += 1) {
      const op = create(`e${seq}`);
      a.send({ type: "submit", seq, base: 0, ops: [op] });
      const { version } = await a.sequenced(op.id);
      const follow = update(`e${seq}`, { seen: true });
      b.send({ type: "submit", seq, base: version, ops: [follow] });
      await b.sequenced(follow.id);
    }
    expect(b.messages.filter(({ type }) => type === "reject")).toEqual([]);
    await Promise.all([a.close(), b.close()]);
  });

  it.each([
    ["\\u0000 in a value", { x: "a\u0000b" }],
    ["a lone surrogate", { x: "\ud800" }],
    ["a forbidden key", JSON.parse('{"x":{"__proto__":1}}')],
    ["too deep a value", { x: JSON.parse("[".repeat(17) + "]".repeat(17)) }],
  ])("[submit-7] refuses %s and goes on", async (_, props) => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    a.send({ type: "submit", seq: 1, base: 0, ops: [create("a", props)] });
    expect(await a.next("reject")).toMatchObject({ code: "invalid_operation" });
    const op = create("b");
    a.send({ type: "submit", seq: 2, base: 0, ops: [op] });
    await a.sequenced(op.id);
    await a.close();
  });

  it("[submit-8] 1e400 is refused, not stored as null", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    a.send(
      `{"type":"submit","seq":1,"base":0,"ops":[{"id":"${randomUUID()}","type":"create","element":"a","props":{"x":1e400}}]}`,
    );
    expect(await a.next("reject")).toMatchObject({ code: "invalid_operation" });
    await a.close();
  });
});

describe("conflicts", () => {
  it("[conflict-1] lww: the later wins, one record for both, told to everybody", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada, "a") });
    const b = await join({ url: two.url, docId, hello: hello(bob, "b") });
    const made = create("s", { x: 0 });
    a.send({ type: "submit", seq: 1, base: 0, ops: [made] });
    await b.sequenced(made.id);
    const first = update("s", { x: 1 });
    const second = update("s", { x: 2 });
    a.send({ type: "submit", seq: 2, base: 1, ops: [first] });
    await b.sequenced(first.id);
    b.send({ type: "submit", seq: 1, base: 1, ops: [second] });
    const { conflict } = await a.next("conflict");
    expect(conflict).toMatchObject({
      element: "s",
      properties: ["x"],
      operations: [first.id, second.id],
      resolution: "lww",
      resolvedBy: "system",
    });
    expect((await b.next("conflict")).conflict.id).toBe(conflict.id);
    expect((await a.sequenced(second.id)).conflict).toBe(conflict.id);
    const content = await rest<{ elements: Record<string, unknown> }>(
      two.url,
      bob,
      "GET",
      `/documents/${docId}/content`,
    );
    expect(content.body.elements).toEqual({ s: { x: 2 } });
    await Promise.all([a.close(), b.close()]);
  });

  it("[conflict-2] strict: a stale write is refused with what it collided with", async () => {
    const docId = await createDocument({ conflictPolicy: "strict" });
    const a = await join({ url: one.url, docId, hello: hello(ada, "a") });
    const b = await join({ url: two.url, docId, hello: hello(bob, "b") });
    const made = create("s", { x: 0 });
    const first = update("s", { x: 1 });
    a.send({ type: "submit", seq: 1, base: 0, ops: [made] });
    await a.sequenced(made.id);
    a.send({ type: "submit", seq: 2, base: 1, ops: [first] });
    await b.sequenced(first.id);
    b.send({ type: "submit", seq: 1, base: 1, ops: [update("s", { x: 2 })] });
    expect(await b.next("reject")).toMatchObject({
      code: "version_conflict",
      message: "version conflict: expected 2",
      version: 2,
      details: { conflicts: [{ element: "s", property: "x", version: 2 }] },
    });
    await Promise.all([a.close(), b.close()]);
  });

  it("[conflict-3] splices beside splices merge without a conflict", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada, "a") });
    const b = await join({ url: two.url, docId, hello: hello(bob, "b") });
    const made = create("t", { text: "hello world" });
    a.send({ type: "submit", seq: 1, base: 0, ops: [made] });
    await b.sequenced(made.id);
    const one1 = { id: randomUUID(), type: "text", element: "t", splice: { text: [[5, 0, ","]] } };
    const two1 = { id: randomUUID(), type: "text", element: "t", splice: { text: [[11, 0, "!"]] } };
    a.send({ type: "submit", seq: 2, base: 1, ops: [one1] });
    b.send({ type: "submit", seq: 1, base: 1, ops: [two1] });
    await Promise.all([a.sequenced(two1.id), a.sequenced(one1.id)]);
    const content = await rest<{ elements: unknown }>(one.url, ada, "GET", `/documents/${docId}/content`);
    expect(content.body.elements).toEqual({ t: { text: "hello, world!" } });
    expect(a.messages.some(({ type }) => type === "conflict")).toBe(false);
    await Promise.all([a.close(), b.close()]);
  });
});

describe("coming back", () => {
  it("[resume-1] continues from since and sinceId without a snapshot", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    const ops = [create("a"), create("b"), create("c")];
    for (const [index, op] of ops.entries()) a.send({ type: "submit", seq: index + 1, base: 0, ops: [op] });
    await a.sequenced(ops[2]?.id ?? "");
    const back = await join({
      url: two.url,
      docId,
      hello: hello(bob, "b", { since: 1, sinceId: ops[0]?.id }),
    });
    expect(back.welcome.snapshot).toBeUndefined();
    expect(back.welcome.rebase).toBeUndefined();
    await back.sequenced(ops[2]?.id ?? "");
    expect(back.operations.map(({ version }) => version)).toEqual([2, 3]);
    await Promise.all([a.close(), back.close()]);
  });

  it.each([
    ["beyond the current version", 99, randomUUID()],
    ["of another history", 1, randomUUID()],
  ])("[resume-2] sends a snapshot with rebase for a since %s", async (_, since, sinceId) => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    const op = create("a", { x: 1 });
    a.send({ type: "submit", seq: 1, base: 0, ops: [op] });
    await a.sequenced(op.id);
    const back = await join({ url: two.url, docId, hello: hello(bob, "b", { since, sinceId }) });
    expect(back.welcome).toMatchObject({ rebase: true, version: 1 });
    expect(back.welcome.snapshot).toMatchObject({
      version: 1,
      id: op.id,
      elements: { a: { x: 1 } },
      more: false,
    });
    await Promise.all([a.close(), back.close()]);
  });

  it("[resume-3] a large document comes in snapshot frames before anything else, then ops", async () => {
    const elements = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, i) => [`e${i}`, { i, text: "x".repeat(200) }]),
    );
    const docId = await createDocument({ elements });
    const back = await join({ url: two.url, docId, hello: hello(bob) });
    expect(back.welcome.snapshot?.more).toBe(true);
    let received = { ...back.welcome.snapshot?.elements };
    for (let more = true; more; ) {
      const part = await back.next("snapshot");
      received = { ...received, ...part.elements };
      more = part.more;
    }
    expect(received).toEqual(elements);
    expect(back.messages.slice(1).findIndex(({ type }) => type !== "snapshot")).toBe(-1);
    await back.close();
  });

  it("[resume-4] no frame of a welcome carries more elements and operations than maxServerMessageBytes", async () => {
    const maxServerMessageBytes = 20_000;
    const instance = await startTestInstance(database.url, { limits: { maxServerMessageBytes } });
    try {
      const elements = Object.fromEntries(
        Array.from({ length: 400 }, (_, i) => [`e${i}`, { text: "é".repeat(100) }]),
      );
      const docId = await createDocument({ elements });
      const first = await join({ url: instance.url, docId, hello: hello(ada) });
      const ops = Array.from({ length: 200 }, (_, i) => update(`e${i}`, { text: "x".repeat(150) }));
      first.send({ type: "submit", seq: 1, base: 400, ops });
      await first.sequenced(ops.at(-1)?.id ?? "");
      const second = await join({ url: instance.url, docId, hello: hello(bob) });
      await second.next("snapshot", ({ more }) => !more);
      for (const message of [...first.messages, ...second.messages]) {
        const carried =
          message.type === "welcome"
            ? [message.snapshot?.elements ?? {}, message.ops]
            : message.type === "snapshot"
              ? [message.elements]
              : message.type === "ops"
                ? [message.ops]
                : [];
        const bytes = carried.reduce((sum, each) => sum + Buffer.byteLength(JSON.stringify(each)), 0);
        expect(bytes, message.type).toBeLessThanOrEqual(maxServerMessageBytes + 1_000);
      }
      await Promise.all([first.close(), second.close()]);
    } finally {
      await instance.close();
    }
  });
});

describe("anti-entropy", () => {
  it("[anti-entropy-1] what is committed and never notified reaches every instance's sessions within seconds", async () => {
    const docId = await createDocument();
    const clients = await Promise.all(
      [one, two].map((instance) => join({ url: instance.url, docId, hello: hello(ada) })),
    );
    const store = createPostgresStore({ pool: database.pool });
    const [answer] = await store.documents.heads([{ docId }]);
    if (answer === undefined) throw new Error("no document");
    const id = randomUUID();
    const [result] = await store.commit(
      [
        {
          docId,
          expectedVersion: 0,
          expectedId: null,
          metadataVersion: answer.head.metadataVersion,
          operations: [
            {
              id,
              type: "create",
              element: "e",
              base: 0,
              status: "applied",
              data: '{"props":{"x":1}}',
              origin: { user: "ada", client: "tool", session: randomUUID() },
            },
          ],
        },
      ],
      { wait: true },
    );
    expect(result?.outcome).toBe("committed");
    for (const client of clients) expect((await client.sequenced(id)).version).toBe(1);
    await Promise.all(clients.map((client) => client.close()));
  });

  it("[anti-entropy-2] a whole content of 20,000 elements is replaced as one batch while others are served", async () => {
    const docId = await createDocument();
    const other = await createDocument();
    const elements = (prefix: string) =>
      Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`${prefix}${index}`, { index }]));
    const put = (version: number, content: unknown) =>
      rest<{ version: number }>(
        one.url,
        ada,
        "PUT",
        `/documents/${docId}/content`,
        { elements: content },
        {
          "if-match": `"${version}"`,
        },
      );
    const watcher = await join({ url: two.url, docId: other, hello: hello(ada) });
    expect((await put(0, elements("a"))).body.version).toBe(20_000);
    const replacing = put(20_000, elements("b"));
    const op = create("meanwhile");
    watcher.send({ type: "submit", seq: 1, base: 0, ops: [op] });
    await watcher.sequenced(op.id);
    expect((await replacing).body.version).toBe(60_000);
    expect((await put(20_000, {})).status).toBe(412);
    const { body } = await rest<{ elements: object }>(two.url, ada, "GET", `/documents/${docId}/content`);
    expect(Object.keys(body.elements)).toHaveLength(20_000);
    await watcher.close();
  });
});

describe("presence", () => {
  it("[presence-1] shows who joins, moves and leaves on every instance, never oneself", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada, "a", { presence: { x: 0 } }) });
    const b = await join({ url: two.url, docId, hello: hello(bob, "b") });
    const seen = await a.next(
      "presence",
      ({ joined }) => joined?.some(({ clientId }) => clientId === "b") ?? false,
    );
    expect(seen.joined?.[0]).toMatchObject({
      sessionId: b.welcome.sessionId,
      user: { id: "bob" },
      role: "editor",
    });
    a.send({ type: "presence", state: { x: 7 } });
    const moved = await b.next("presence", ({ states }) => states?.[a.welcome.sessionId]?.x === 7);
    expect(moved.states).toEqual({ [a.welcome.sessionId]: { x: 7 } });
    const { body } = await rest<{ items?: unknown[] }>(one.url, ada, "GET", `/documents/${docId}/sessions`);
    expect(JSON.stringify(body)).toContain(b.welcome.sessionId);
    await b.close();
    await a.next("presence", ({ left }) => left?.includes(b.welcome.sessionId) ?? false);
    const own = a.messages.flatMap((message) =>
      message.type === "presence"
        ? [...(message.joined ?? []).map((j) => j.sessionId), ...Object.keys(message.states ?? {})]
        : [],
    );
    expect(own).not.toContain(a.welcome.sessionId);
    await a.close();
  });
});

describe("the rest of a session", () => {
  it("[session-1] answers ping, and bad messages with error, and stays open", async () => {
    const docId = await createDocument();
    const a = await join({ url: one.url, docId, hello: hello(ada) });
    a.send({ type: "ping", t: { n: [1] } });
    expect(await a.next("pong")).toMatchObject({ t: { n: [1] } });
    a.send({ type: "nonsense" });
    expect(await a.next("error")).toMatchObject({ code: "bad_message" });
    a.send({ type: "presence", state: { big: "x".repeat(5_000) } });
    expect(await a.next("error")).toMatchObject({ code: "too_large" });
    a.send({ type: "auth", requestId: "r1", token: "bad" });
    expect(await a.next("result")).toMatchObject({ requestId: "r1", ok: false, code: "unauthenticated" });
    a.send({ type: "auth", requestId: "r2", token: ada });
    expect(await a.next("result")).toMatchObject({ requestId: "r2", ok: true });
    await a.close();
  });

  it("[session-2] a change of role, archive and delete take effect on open sessions of every instance", async () => {
    const docId = await createDocument();
    const b = await join({ url: two.url, docId, hello: hello(bob) });
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: [], viewers: ["bob"] });
    expect(await b.next("role")).toEqual({ type: "role", role: "viewer" });
    b.send({ type: "submit", seq: 1, base: 0, ops: [create("a")] });
    expect((await b.next("reject")).code).toBe("forbidden");
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: ["bob"], state: "archived" });
    await b.next("document", ({ document }) => document.state === "archived");
    b.send({ type: "submit", seq: 2, base: 0, ops: [create("a")] });
    expect((await b.next("reject", ({ seq }) => seq === 2)).code).toBe("not_active");
    await rest(one.url, ada, "DELETE", `/documents/${docId}`);
    expect((await b.closed).code).toBe(4410);
  });

  it("[session-3] says bye when the instance shuts down", async () => {
    const docId = await createDocument();
    const instance = await startTestInstance(database.url);
    const a = await join({ url: instance.url, docId, hello: hello(ada) });
    await instance.close();
    expect(await a.next("bye")).toMatchObject({ reason: "shutdown" });
    expect((await a.closed).code).toBe(1001);
  });
});
