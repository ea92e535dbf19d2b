/**
 * What is accepted is judged in the commit, so a change of rights holds at once for edits; what a session may no
 * longer read reaches it at most 5 s longer, even when every notification is lost.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { DocumentChange, Store } from "../../server/store/store.ts";
import { jwtAuth, token } from "../http/setup.ts";
import { connect, join, type RawClient } from "../instances/raw-client.ts";
import { rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let one: Instance;
let two: Instance;
let store: Store;
beforeAll(async () => {
  database = await createTestDatabase();
  [one, two] = await Promise.all([
    startTestInstance(database.url, jwtAuth),
    startTestInstance(database.url, jwtAuth),
  ]);
  store = createPostgresStore({ pool: database.pool });
});
afterAll(async () => {
  await Promise.all([one?.close(), two?.close()]);
  await database?.drop();
});

const withinMs = 5_000;
const create = async (fields: object = {}): Promise<string> => {
  const { body, status } = await rest(one.url, await token("ada"), "POST", "/documents", {
    name: "x",
    ...fields,
  });
  expect(status).toBe(201);
  return body.id as string;
};
/** As another instance would change it whose notification is lost: nobody is told. */
const changeUnheard = async (docId: string, change: DocumentChange) => {
  expect(await store.documents.update(docId, change, "ada")).toMatchObject({ outcome: "updated" });
};
const enter = async (instance: Instance, docId: string, user: string, claims: Record<string, unknown> = {}) =>
  join({ url: instance.url, docId, hello: { token: await token(user, claims), clientId: randomUUID() } });
let counter = 0;
const submit = (client: RawClient, seq: number) => {
  const ops = [{ id: randomUUID(), type: "create", element: `e${++counter}`, props: {} }];
  client.send({ type: "submit", seq, base: 0, ops });
  return ops[0]?.id ?? "";
};
const timed = async <T>(work: Promise<T>): Promise<T> => {
  const startedAt = performance.now();
  const result = await work;
  expect(performance.now() - startedAt).toBeLessThan(withinMs);
  return result;
};

describe("a change of rights that nobody is told of", () => {
  test("[rights-1] a demotion holds for the very next submit, on both instances, and is told by role within 5 s", async () => {
    const docId = await create({ editors: ["bob"] });
    const clients = [await enter(one, docId, "bob"), await enter(two, docId, "bob")];
    for (const client of clients) await client.sequenced(submit(client, 1));
    await changeUnheard(docId, { editors: [], viewers: ["bob"] });
    for (const client of clients) {
      submit(client, 2);
      expect(await client.next("reject")).toMatchObject({ seq: 2, code: "forbidden" });
      expect(await timed(client.next("role"))).toMatchObject({ role: "viewer" });
      expect(await client.next("document")).toMatchObject({ document: { id: docId, metadataVersion: 2 } });
      expect(client.messages.findLast(({ type }) => type === "document")).not.toHaveProperty(
        "document.editors",
      );
    }
    await changeUnheard(docId, { editors: ["bob"], viewers: [] });
    for (const client of clients) {
      expect(await timed(client.next("role"))).toMatchObject({ role: "editor" });
      await client.sequenced(submit(client, 3));
      await client.close();
    }
  });

  test("[rights-2] lost access closes with 4403 within 5 s, and no edit made afterwards is heard longer than that", async () => {
    const docId = await create({ viewers: ["bob", "carol"] });
    const [bob, carol, ada] = [
      await enter(one, docId, "bob"),
      await enter(two, docId, "carol"),
      await enter(two, docId, "ada"),
    ];
    await changeUnheard(docId, { viewers: ["carol"] });
    expect(await timed(bob.closed)).toMatchObject({ code: 4403 });
    const id = submit(ada, 1);
    await Promise.all([ada.sequenced(id), carol.sequenced(id)]);
    expect(bob.operations).toEqual([]);
    await Promise.all([carol.close(), ada.close()]);
  });

  test("[rights-3] a delete closes with 4410 within 5 s and nothing is accepted after it; a purge the same", async () => {
    for (const end of [
      (docId: string) => changeUnheard(docId, { state: "deleted" }),
      (docId: string) => store.documents.purge(docId),
    ]) {
      const docId = await create({ editors: ["bob"] });
      const clients = [await enter(one, docId, "ada"), await enter(two, docId, "bob")];
      await end(docId);
      for (const client of clients) {
        submit(client, 1);
        expect(await timed(client.closed)).toMatchObject({ code: 4410 });
        expect(client.operations).toEqual([]);
      }
      expect((await store.operations.list({ docId }, "asc", { limit: 10 })).items).toEqual([]);
    }
  });

  test("[rights-4] an archive refuses the very next submit with not_active; reading goes on, and it comes back", async () => {
    const docId = await create({ editors: ["bob"] });
    const clients = [await enter(one, docId, "ada"), await enter(two, docId, "bob")];
    await changeUnheard(docId, { state: "archived" });
    for (const client of clients) {
      submit(client, 1);
      expect(await client.next("reject")).toMatchObject({ seq: 1, code: "not_active" });
      const shown = client.next("document", ({ document }) => document.state === "archived");
      expect(await timed(shown)).toMatchObject({ document: { state: "archived" } });
    }
    await changeUnheard(docId, { state: "active" });
    for (const client of clients) {
      await timed(client.next("document", ({ document }) => document.state === "active"));
      await client.sequenced(submit(client, 2));
      await client.close();
    }
  });

  test("[rights-5] a document that is public no longer closes who came without a token", async () => {
    const docId = await create({ public: true });
    const guest = await join({ url: two.url, docId, hello: { clientId: randomUUID() } });
    expect(guest.welcome.role).toBe("viewer");
    await changeUnheard(docId, { public: false });
    expect(await timed(guest.closed)).toMatchObject({ code: 4403 });
  });

  test("[rights-6] REST edits, too, are judged by what is in the database", async () => {
    const docId = await create({ editors: ["bob"] });
    const bob = await enter(two, docId, "bob");
    await changeUnheard(docId, { editors: [], viewers: ["bob"] });
    const ops = [{ id: randomUUID(), type: "create", element: "rest", props: {} }];
    const posted = await rest(two.url, await token("bob"), "POST", `/documents/${docId}/operations`, { ops });
    expect(posted).toMatchObject({ status: 403, body: { code: "forbidden" } });
    await bob.close();
  });
});

test("[rights-7] the same while every notification and listening connection is cut again and again", async () => {
  const docId = await create({ editors: ["bob", "eve"], viewers: ["carol"] });
  const [bob, carol, eve] = [
    await enter(two, docId, "bob"),
    await enter(two, docId, "carol"),
    await enter(two, docId, "eve"),
  ];
  let cuts = 0;
  const cutting = setInterval(() => {
    void database.pool
      .query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
          AND application_name IN ('aetherflow notify', 'aetherflow listen')`,
      )
      .then(({ rowCount }) => {
        cuts += rowCount ?? 0;
      })
      .catch(() => undefined);
  }, 50);
  // Each change comes right behind a cut, however fast the one before it was.
  const cutAgain = (times = 1) => {
    const before = cuts;
    return waitFor(() => cuts >= before + times);
  };
  try {
    await cutAgain(4);
    const ada = await token("ada");
    const patched = await rest(one.url, ada, "PATCH", `/documents/${docId}`, {
      editors: ["eve"],
      viewers: ["bob"],
    });
    expect(patched.status).toBe(200);
    submit(bob, 1);
    const [role, closed, reject] = await timed(
      Promise.all([bob.next("role"), carol.closed, bob.next("reject")]),
    );
    expect([role.role, closed.code, reject.code]).toEqual(["viewer", 4403, "forbidden"]);
    await cutAgain();
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { state: "archived" });
    submit(eve, 1);
    expect(await eve.next("reject")).toMatchObject({ code: "not_active" });
    await cutAgain();
    await rest(one.url, ada, "DELETE", `/documents/${docId}`);
    expect((await timed(Promise.all([bob.closed, eve.closed]))).map(({ code }) => code)).toEqual([
      4410, 4410,
    ]);
  } finally {
    clearInterval(cutting);
  }
});

describe("the token of a session", () => {
  const inSeconds = (seconds: number) => ({ exp: Math.floor(Date.now() / 1_000) + seconds });

  test("[rights-8] its end closes with 4401; a fresh one before that prolongs the session", async () => {
    const docId = await create({ viewers: ["bob"] });
    const [short, prolonged] = [
      // Beyond what has a timer at once.
      await enter(one, docId, "bob", inSeconds(5)),
      await enter(two, docId, "bob", inSeconds(3)),
    ];
    prolonged.send({ type: "auth", requestId: "a", token: await token("bob", inSeconds(600)) });
    expect(await prolonged.next("result")).toMatchObject({ requestId: "a", ok: true });
    expect(await timed(short.closed)).toMatchObject({ code: 4401 });
    prolonged.send({ type: "ping", t: 1 });
    await prolonged.next("pong");
    await prolonged.close();
  });

  test("[rights-9] another user's token, an expired one and no token at all change nothing", async () => {
    const docId = await create({ viewers: ["bob"] });
    const bob = await enter(one, docId, "bob", inSeconds(4));
    for (const [requestId, offered, code] of [
      ["other", await token("ada", inSeconds(600)), "forbidden"],
      ["old", await token("bob", inSeconds(-10)), "unauthenticated"],
      ["none", "garbage", "unauthenticated"],
    ] as const) {
      bob.send({ type: "auth", requestId, token: offered });
      expect(await bob.next("result")).toMatchObject({ requestId, ok: false, code });
    }
    submit(bob, 1);
    expect(await bob.next("reject")).toMatchObject({ code: "forbidden" });
    expect(await timed(bob.closed)).toMatchObject({ code: 4401 });
  });

  test("[rights-10] a fresh token with other roles counts at once, and one without any ends the session", async () => {
    const docId = await create();
    const guest = await enter(two, docId, "guest", { docs: { [docId]: "editor" } });
    await guest.sequenced(submit(guest, 1));
    guest.send({
      type: "auth",
      requestId: "a",
      token: await token("guest", { docs: { [docId]: "viewer" } }),
    });
    expect(await guest.next("role")).toMatchObject({ role: "viewer" });
    submit(guest, 2);
    expect(await guest.next("reject")).toMatchObject({ seq: 2, code: "forbidden" });
    guest.send({ type: "auth", requestId: "b", token: await token("guest") });
    expect(await guest.closed).toMatchObject({ code: 4403 });
  });

  test("[rights-11] one without the right to edit ends the locks that its session held; what the lists give stays", async () => {
    const docId = await create({ editors: ["bob"], viewers: ["guest"] });
    const claim = (role: string) => ({ docs: { [docId]: role } });
    const [guest, bob] = [
      await enter(one, docId, "guest", claim("editor")),
      await enter(two, docId, "bob", claim("owner")),
    ];
    const ask = async (client: RawClient, fields: Record<string, unknown>) => {
      const requestId = randomUUID();
      client.send({ ...fields, requestId });
      return client.next("result", (result) => result.requestId === requestId);
    };
    const lock = (client: RawClient, action: string, element: string) =>
      ask(client, { type: "lock", action, element, ttlMs: 60_000 });
    const auth = async (client: RawClient, user: string, claims: Record<string, unknown>) =>
      ask(client, { type: "auth", token: await token(user, claims) });
    expect(await lock(guest, "acquire", "g")).toMatchObject({ ok: true });
    expect(await lock(bob, "acquire", "b")).toMatchObject({ ok: true });
    await bob.next("locks", ({ locks }) => locks.length === 2);

    // The document's own lists say editor: a token cannot take that.
    expect(await auth(bob, "bob", claim("viewer"))).toMatchObject({ ok: true });
    expect(await bob.next("role")).toMatchObject({ role: "editor" });
    await bob.sequenced(submit(bob, 1));

    expect(await auth(guest, "guest", claim("viewer"))).toMatchObject({ ok: true });
    expect(await guest.next("role")).toMatchObject({ role: "viewer" });
    for (const client of [guest, bob])
      await client.next("locks", ({ locks }) => locks.map(({ element }) => element).join() === "b");
    expect(await lock(guest, "renew", "g")).toMatchObject({ ok: false, code: "forbidden" });
    expect(await lock(bob, "acquire", "g")).toMatchObject({ ok: true });
    expect(await lock(bob, "renew", "b")).toMatchObject({ ok: true });
    await Promise.all([guest.close(), bob.close()]);
  });

  test("[rights-12] a right that is taken while the row of a session is written is gone in its welcome", async () => {
    const docId = await create({ editors: ["bob"] });
    const ada = await enter(one, docId, "ada");
    const holder = await database.pool.connect();
    await holder.query("BEGIN");
    await holder.query("LOCK TABLE sessions IN EXCLUSIVE MODE");
    const bob = connect({ url: one.url, docId });
    bob.send({ type: "hello", token: await token("bob"), clientId: randomUUID() });
    await waitFor(async () => {
      const { rows } = await database.pool.query(
        "SELECT FROM pg_locks WHERE NOT granted AND relation = 'sessions'::regclass",
      );
      return rows.length > 0;
    });
    const change = { editors: [], viewers: ["bob"] };
    expect((await rest(one.url, await token("ada"), "PATCH", `/documents/${docId}`, change)).status).toBe(
      200,
    );
    // The room has heard of it.
    await ada.next("document");
    await holder.query("COMMIT");
    holder.release();
    const welcome = await bob.next("welcome");
    expect(welcome.role).toBe("viewer");
    expect(welcome.document).not.toHaveProperty("editors");
    await waitFor(async () => {
      const { rows } = await database.pool.query("SELECT role FROM sessions WHERE doc_id = $1", [docId]);
      return rows.filter(({ role }) => role !== "owner").every(({ role }) => role === "viewer");
    });
    await Promise.all([ada.close(), bob.close()]);
  });
});
