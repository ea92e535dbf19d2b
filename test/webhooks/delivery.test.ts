import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { caller, jwtAuth } from "../http/setup.ts";
import { type ConfigChange, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { isGenuine, type Received, type Receiver, startReceiver } from "./receiver.ts";

const config: ConfigChange = {
  ...jwtAuth,
  limits: { requestsPerSecond: 0 },
  webhooks: { allowPrivateAddresses: true, firstRetryMs: 50, pollMs: 30, timeoutMs: 1_000 },
};

let database: TestDatabase;
let instances: Instance[];
let receiver: Receiver;
const ada = caller(
  () => ({ url: (instances[0] as Instance).url, instance: instances[0] as Instance }),
  "ada",
);
const bob = caller(
  () => ({ url: (instances[1] as Instance).url, instance: instances[1] as Instance }),
  "bob",
);

beforeAll(async () => {
  database = await createTestDatabase();
  instances = [await startTestInstance(database.url, config), await startTestInstance(database.url, config)];
});
afterAll(async () => {
  await receiver?.close();
  await Promise.all(instances.map((instance) => instance.close()));
  await database.drop();
});
beforeEach(async () => {
  await database.pool.query("DELETE FROM webhooks");
  await receiver?.close();
  receiver = await startReceiver();
});

const hook = async (fields: object, who = ada) => {
  const { status, body } = await who("POST", "/webhooks", { url: receiver.url, ...fields });
  expect(status, JSON.stringify(body)).toBe(201);
  return body as { id: string; secret: string };
};
const create = async (fields: object = {}) =>
  (await ada("POST", "/documents", { name: "board", ...fields })).body.id as string;
const edit = async (docId: string, element: string, who = ada) => {
  const ops = [{ id: uuidv7(), type: "create", element, props: { x: 1 } }];
  const { status, body } = await who("POST", `/documents/${docId}/operations`, { ops });
  expect(status, JSON.stringify(body)).toBe(200);
  return body.version as number;
};
const versions = (calls: readonly Received[]) =>
  calls.flatMap(({ event }) => event.operations.map(({ version }: { version: number }) => version));
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const outboxIsEmpty = () =>
  waitFor(async () => (await database.pool.query("SELECT FROM outbox")).rowCount === 0, {
    what: "an empty outbox",
  });

describe("what is delivered", () => {
  test("[webhook-1] operations come in order, each once, from whatever instance committed them", async () => {
    const docId = await create({ editors: ["bob"] });
    await hook({ events: ["operations"], docId });
    for (let n = 0; n < 20; n++) await edit(docId, `e${n}`, n % 2 === 0 ? ada : bob);
    await waitFor(() => versions(receiver.arrived).length >= 20);
    await outboxIsEmpty();
    expect(versions(receiver.arrived)).toEqual(upTo(20));
    const [first] = receiver.arrived;
    expect(first?.event).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: "operations",
      docId,
      from: 1,
      complete: true,
      at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(first?.event.operations[0]).toMatchObject({
      version: 1,
      element: "e0",
      user: "ada",
      status: "applied",
      props: { x: 1 },
    });
    const ids = receiver.arrived.map(({ event }) => event.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { event, headers } of receiver.arrived) expect(headers["aetherflow-event-id"]).toBe(event.id);
  });

  test("[webhook-2] a delivery is signed over its time and body by the secret that was shown once", async () => {
    const docId = await create();
    const { id, secret } = await hook({ events: ["operations"], docId });
    expect(secret).toMatch(/^whsec_[\w-]{43}$/);
    expect((await ada("GET", `/webhooks/${id}`)).body).not.toHaveProperty("secret");
    await edit(docId, "e");
    const [call] = (await receiver.until(1)) as [Received];
    expect(isGenuine(secret, call)).toBe(true);
    expect(isGenuine("another secret", call)).toBe(false);
    expect(isGenuine(secret, { ...call, text: `${call.text} ` })).toBe(false);
  });

  test("[webhook-3] a rejected submit tells nothing; what does not fit is left to be read", async () => {
    const docId = await create({ conflictPolicy: "strict" });
    await hook({ events: ["operations"], docId });
    await edit(docId, "e");
    const ops = [{ id: uuidv7(), type: "create", element: "e", props: {} }];
    expect((await ada("POST", `/documents/${docId}/operations`, { ops, base: 0 })).status).toBe(422);
    const large = Array.from({ length: 4 }, (_, n) => ({
      id: uuidv7(),
      type: "create",
      element: `large${n}`,
      props: { text: "x".repeat(100_000) },
    }));
    expect((await ada("POST", `/documents/${docId}/operations`, { ops: large })).status).toBe(200);
    await waitFor(() => receiver.arrived.some(({ event }) => event.to === 5));
    const last = receiver.arrived.at(-1)?.event;
    expect(last).toMatchObject({ to: 5, complete: false });
    expect(versions(receiver.arrived).length).toBeLessThan(5);
    expect(versions(receiver.arrived)).toEqual(upTo(versions(receiver.arrived).length));
  });

  test("[webhook-4] conflicts, locks and documents are told, each only to who asked for it", async () => {
    const docId = await create({ editors: ["bob"] });
    await hook({ events: ["conflicts"], docId, url: `${receiver.url}/conflicts` });
    await hook({ events: ["locks", "documents"], docId, url: `${receiver.url}/other` });
    await edit(docId, "e");
    for (const [who, x] of [
      [ada, 2],
      [bob, 3],
    ] as const) {
      const ops = [{ id: uuidv7(), type: "update", element: "e", set: { x } }];
      await who("POST", `/documents/${docId}/operations`, { ops, base: 1 });
    }
    const at = (path: string) => (call: Received) => call.path.endsWith(path);
    const [conflict] = await receiver.until(1, at("/conflicts"));
    expect(conflict?.event).toMatchObject({
      type: "conflicts",
      docId,
      conflict: {
        element: "e",
        properties: ["x"],
        resolution: "lww",
        resolvedBy: "system",
        operations: [expect.any(String), expect.any(String)],
      },
    });
    const acquire = `SELECT * FROM acquire_lock_v1($1, $2, 'e', 'ada', 'tab', $3, 60000, 0, false)`;
    const lockId = uuidv7();
    await database.pool.query(acquire, [docId, lockId, uuidv7()]);
    await database.pool.query(acquire, [docId, lockId, uuidv7()]); // a renewal, which is not told
    await database.pool.query("SELECT release_locks_v1($1, $2, NULL, NULL)", [docId, lockId]);
    await ada("PATCH", `/documents/${docId}`, { name: "renamed" });
    const other = await receiver.until(3, at("/other"));
    expect(other.map(({ event }) => event)).toMatchObject([
      {
        type: "locks",
        change: "granted",
        lock: {
          id: lockId,
          element: "e",
          user: { id: "ada" },
          token: 1,
          expiresAt: expect.stringMatching(/\.\d{3}Z$/),
        },
      },
      { type: "locks", change: "released", lock: { id: lockId } },
      { type: "documents", change: "changed", document: { id: docId, name: "renamed", editors: ["bob"] } },
    ]);
    expect(receiver.arrived.filter(at("/conflicts"))).toHaveLength(1);
  });

  test("[webhook-5] without docId it hears of every document on which its owner has a role, and of no other", async () => {
    await hook({ events: ["operations", "documents"] }, bob);
    const shared = await create({ viewers: ["bob"] });
    const secret = await create();
    const open = await create({ public: true });
    for (const docId of [secret, open, shared]) await edit(docId, "e");
    const own = (await bob("POST", "/documents", { name: "bob's" })).body.id;
    await ada("DELETE", `/documents/${shared}?purge=true`);
    await receiver.until(1, ({ event }) => event.change === "deleted");
    await receiver.until(1, ({ event }) => event.docId === own);
    await outboxIsEmpty();
    expect(receiver.calls.every(({ event }) => event.docId === shared || event.docId === own)).toBe(true);
    expect(
      receiver.arrived.filter(({ event }) => event.docId === own).map(({ event }) => event.change),
    ).toEqual(["created"]);
  });

  test("[webhook-6] who lost access is told nothing more, what was written before included", async () => {
    const docId = await create({ viewers: ["bob"] });
    await hook({ events: ["operations", "documents", "locks"], docId }, bob);
    receiver.answer(() => 500);
    await edit(docId, "before");
    await waitFor(() => receiver.calls.length > 0);
    await ada("PATCH", `/documents/${docId}`, { viewers: [] });
    const told = receiver.calls.length;
    receiver.answer(() => 204);
    await edit(docId, "after");
    await outboxIsEmpty();
    // One attempt may have been on its way while the right was taken.
    expect(receiver.calls.length).toBeLessThanOrEqual(told + 1);
    expect(receiver.calls.filter(({ text }) => text.includes("after"))).toEqual([]);
  });
});

describe("when a receiver is in trouble", () => {
  test("[webhook-7] what fails is repeated under its id until it arrives, and later events wait for it", async () => {
    const docId = await create();
    const { id } = await hook({ events: ["operations"], docId });
    const bad: (number | "hang")[] = [500, 302, "hang", 404, 503];
    receiver.answer((_, count) => bad[count - 1] ?? 200);
    await edit(docId, "first");
    await waitFor(() => receiver.calls.length >= 1);
    for (let n = 0; n < 5; n++) await edit(docId, `later${n}`);
    await waitFor(() => versions(receiver.arrived).length >= 6, { timeoutMs: 20_000 });
    expect(versions(receiver.arrived)).toEqual(upTo(6));
    const first = receiver.calls.slice(0, 6).map(({ event }) => event.id);
    expect(new Set(first).size).toBe(1);
    // A redirect was not followed.
    expect(receiver.calls.every(({ path }) => path === "/hook")).toBe(true);
    await outboxIsEmpty();
    expect((await ada("GET", `/webhooks/${id}`)).body).toMatchObject({
      active: true,
      failingSince: null,
      lastError: null,
    });
  });

  test("[webhook-8] while it fails its owner sees why; other webhooks and all edits go on", async () => {
    const docId = await create();
    const { id } = await hook({ events: ["operations"], docId });
    const healthy = await startReceiver();
    try {
      await hook({ events: ["operations"], docId, url: healthy.url });
      receiver.answer(() => "hang");
      const times: number[] = [];
      for (let n = 0; n < 30; n++) {
        const startedAt = performance.now();
        await edit(docId, `e${n}`);
        times.push(performance.now() - startedAt);
      }
      await waitFor(() => versions(healthy.arrived).length >= 30);
      expect(versions(healthy.arrived)).toEqual(upTo(30));
      expect(times.toSorted((a, b) => a - b)[15]).toBeLessThan(200);
      await waitFor(async () => (await ada("GET", `/webhooks/${id}`)).body.lastError !== null);
      expect((await ada("GET", `/webhooks/${id}`)).body).toMatchObject({
        active: true,
        failingSince: expect.any(String),
        lastError: "no answer within 1000 ms",
      });
      // The backlog of a hanging receiver is one growing event, not thirty.
      const { rowCount } = await database.pool.query("SELECT FROM outbox WHERE webhook_id = $1", [id]);
      expect(rowCount).toBeLessThanOrEqual(3);
    } finally {
      await healthy.close();
    }
  });

  test("[webhook-9] 410 disables it at once; active brings it back, and it hears of what comes then", async () => {
    const docId = await create();
    const { id } = await hook({ events: ["operations"], docId });
    receiver.answer(() => 410);
    await edit(docId, "one");
    await waitFor(async () => (await ada("GET", `/webhooks/${id}`)).body.active === false);
    await edit(docId, "two");
    await outboxIsEmpty();
    receiver.answer(() => 204);
    expect((await ada("PATCH", `/webhooks/${id}`, { active: true })).body).toMatchObject({
      active: true,
      lastError: null,
    });
    await edit(docId, "three");
    await receiver.until(1);
    expect(versions(receiver.arrived)).toEqual([3]);
  });

  test("[webhook-10] after retryFor without one that arrived, the webhook is disabled", async () => {
    const docId = await create();
    const { id } = await hook({ events: ["operations"], docId });
    receiver.answer(() => 500);
    await edit(docId, "e");
    await waitFor(() => receiver.calls.length >= 2);
    // A day passes.
    await database.pool.query(
      "UPDATE outbox SET created_at = created_at - interval '25 hours', next_attempt_at = now()",
    );
    await database.pool.query("UPDATE webhooks SET failing_since = failing_since - interval '25 hours'");
    await waitFor(async () => (await ada("GET", `/webhooks/${id}`)).body.active === false);
    await outboxIsEmpty();
  });

  test("[webhook-11] an instance that dies between claiming and delivering loses nothing", async () => {
    const docId = await create();
    const { id } = await hook({ events: ["operations"], docId });
    // A dead instance's claim: leased, never settled.
    await database.pool.query("UPDATE webhooks SET disabled_at = NULL");
    receiver.answer(() => 500);
    await edit(docId, "e");
    await waitFor(() => receiver.calls.length >= 1);
    await database.pool.query(
      "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + interval '1 second' WHERE webhook_id = $1",
      [id],
    );
    receiver.answer(() => 204);
    await receiver.until(1);
    await outboxIsEmpty();
    expect(versions(receiver.arrived)).toEqual([1]);
  });
});

test("[webhook-12] two instances do not deliver twice what nothing went wrong with, over many documents", async () => {
  await hook({ events: ["operations"] });
  const docs = await Promise.all(Array.from({ length: 12 }, () => create()));
  await Promise.all(
    docs.map(async (docId) => {
      for (let n = 0; n < 10; n++) await edit(docId, `e${n}`);
    }),
  );
  const of = (docId: string) => receiver.arrived.filter(({ event }) => event.docId === docId);
  await waitFor(() => docs.every((docId) => versions(of(docId)).length >= 10), { timeoutMs: 20_000 });
  await outboxIsEmpty();
  for (const docId of docs) expect(versions(of(docId))).toEqual(upTo(10));
  expect(receiver.calls.length).toBe(receiver.arrived.length);
});

test("[webhook-13] an archived document keeps its webhook, a purged one takes it with it", async () => {
  const docId = await create();
  const { id } = await hook({ events: ["documents"], docId });
  await ada("PATCH", `/documents/${docId}`, { state: "archived" });
  await receiver.until(1, ({ event }) => event.document?.state === "archived");
  await ada("DELETE", `/documents/${docId}?purge=true`);
  expect((await ada("GET", `/webhooks/${id}`)).status).toBe(404);
  await outboxIsEmpty();
});
