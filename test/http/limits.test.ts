import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import { join } from "../instances/raw-client.ts";
import { rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { caller, jwtAuth, stores, token, useInstance } from "./setup.ts";

describe.each(stores)("limits over the %s store", (store) => {
  const running = useInstance(store, {
    ...jwtAuth,
    limits: { maxBodyBytes: 3_000, maxMessageBytes: 500, requestsPerSecond: 0 },
  });
  const ada = caller(running, "ada");

  test("[limits-1] maxBodyBytes holds for PUT content, at it and one past; maxMessageBytes for what has no bound of its own", async () => {
    const { body } = await ada("POST", "/documents", { name: "x" });
    const send = async (method: string, path: string, text: string, headers: Record<string, string> = {}) => {
      const response = await fetch(`${running().url}/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await token("ada")}`,
          "content-type": "application/json",
          ...headers,
        },
        body: text,
      });
      return { status: response.status, body: await response.json() };
    };
    const content = (bytes: number) => `{"elements":{"a":{}}${" ".repeat(bytes - 21)}}`;
    const path = `/documents/${body.id}/content`;
    expect((await send("PUT", path, content(3_000), { "if-match": '"0"' })).status).toBe(200);
    expect(await send("PUT", path, content(3_001), { "if-match": '"1"' })).toMatchObject({
      status: 413,
      body: { code: "too_large", details: { limit: "maxBodyBytes" } },
    });
    const patch = (bytes: number) => `{"name":"y"${" ".repeat(bytes - 12)}}`;
    expect((await send("PATCH", `/documents/${body.id}`, patch(500))).status).toBe(200);
    expect(await send("PATCH", `/documents/${body.id}`, patch(501))).toMatchObject({
      status: 413,
      body: { details: { limit: "maxMessageBytes" } },
    });
  });

  test("[rest/list] activeUser finds the documents in which somebody is now", async () => {
    const [here, elsewhere] = [
      (await ada("POST", "/documents", { name: "here", viewers: ["bob"] })).body.id as string,
      (await ada("POST", "/documents", { name: "elsewhere", viewers: ["bob"] })).body.id as string,
    ];
    const of = async (query: string) =>
      (await ada("GET", `/documents?${query}`)).body.items.map(({ id }: { id: string }) => id);
    expect(await of("activeUser=bob")).toEqual([]);
    const hello = { token: await token("bob"), clientId: randomUUID() };
    const bob = await join({ url: running().url, docId: here, hello });
    await waitFor(async () => (await of("activeUser=bob")).length === 1);
    expect(await of("activeUser=bob")).toEqual([here]);
    expect((await ada("GET", `/documents/${here}`)).body.activeUsers).toEqual(["bob"]);
    expect(await of("activeUser=bob&q=elsewhere")).toEqual([]);
    await bob.close();
    await waitFor(async () => (await of("activeUser=bob")).length === 0);
    expect(elsewhere).not.toBe(here);
  });

  test("[rest/list] property filters compare JSON of every kind, and several at once", async () => {
    const properties = {
      flag: true,
      none: null,
      nested: { a: 1, b: [1, 2] },
      "a.b": "dotted",
      "%": "percent",
    };
    const { body } = await ada("POST", "/documents", { name: "typed", properties });
    const found = async (filters: Record<string, string>) => {
      const query = new URLSearchParams(
        Object.entries(filters).map(([name, value]) => [`property.${name}`, value]),
      );
      const answer = await ada("GET", `/documents?${query}`);
      expect(answer.status).toBe(200);
      return answer.body.items.some(({ id }: { id: string }) => id === body.id);
    };
    for (const filters of [
      { flag: "true" },
      { none: "null" },
      { nested: '{"a":1}' },
      { "a.b": "dotted" },
      { "%": "percent" },
      { flag: "true", none: "null" },
    ] as Record<string, string>[])
      expect(await found(filters), JSON.stringify(filters)).toBe(true);
    for (const filters of [
      { flag: '"true"' },
      { flag: "false" },
      { missing: "null" },
      { nested: '{"a":2}' },
      { flag: "true", "a.b": "other" },
    ] as Record<string, string>[])
      expect(await found(filters), JSON.stringify(filters)).toBe(false);
    expect((await ada("GET", "/documents?property.x=1&property.x=2")).status).toBe(400);
  });
});

describe("behind a proxy", () => {
  const running = useInstance("memory", {
    ...jwtAuth,
    server: { trustedProxies: 1, port: 0 },
    limits: { requestsPerSecond: 2, socketsPerAddress: 1, webhooksPerUser: 0 },
  });

  test("[limits-2] an address is the one that the proxy saw: what a client put before it changes nothing", async () => {
    const get = async (forwarded: string) => {
      const headers = { "x-forwarded-for": forwarded };
      return (await rest(running().url, undefined, "GET", "/documents?public=true", undefined, headers))
        .status;
    };
    const spoofed = await Promise.all(Array.from({ length: 12 }, (_, n) => get(`10.0.0.${n}, 203.0.113.9`)));
    expect(spoofed.filter((status) => status === 200).length).toBeLessThan(12);
    expect(spoofed).toContain(429);
    expect(await get("203.0.113.9, 203.0.113.10")).toBe(200);

    const headers = { authorization: `Bearer ${await token("ada")}` };
    const { body } = await rest(running().url, await token("ada"), "POST", "/documents", { name: "x" });
    const enter = (forwarded: string) =>
      join({
        url: running().url,
        docId: body.id as string,
        headers: { ...headers, "x-forwarded-for": forwarded },
        hello: { clientId: randomUUID() },
      });
    const first = await enter("10.0.0.1, 198.51.100.1");
    await expect(enter("10.0.0.2, 198.51.100.1")).rejects.toThrow(/4429/);
    const other = await enter("10.0.0.1, 198.51.100.2");
    await Promise.all([first.close(), other.close()]);
  });
});

describe("GET /stats over two instances", () => {
  let database: TestDatabase;
  let instances: Instance[];
  beforeAll(async () => {
    database = await createTestDatabase();
    instances = await Promise.all([1, 2].map(() => startTestInstance(database.url, jwtAuth)));
  });
  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.close()));
    await database.drop();
  });

  test("[stats-1] counts documents by state, the log, conflicts, locks, sessions and instances, the same everywhere", async () => {
    const [one, two] = instances as [Instance, Instance];
    const [ada, bob] = [await token("ada"), await token("bob")];
    const make = async (fields: object) =>
      (await rest(one.url, ada, "POST", "/documents", { name: "x", ...fields })).body.id as string;
    const docId = await make({ editors: ["bob"], elements: { e: { x: 1 } } });
    await rest(one.url, ada, "PATCH", `/documents/${await make({})}`, { state: "archived" });
    await rest(one.url, ada, "DELETE", `/documents/${await make({})}`);
    for (const [who, x] of [
      [ada, 2],
      [bob, 3],
    ] as const) {
      const ops = [{ id: randomUUID(), type: "update", element: "e", set: { x } }];
      const path = `/documents/${docId}/operations`;
      expect((await rest(one.url, who, "POST", path, { ops, base: 1 })).status).toBe(200);
    }
    const store = createPostgresStore({ pool: database.pool });
    const lock = { docId, element: "e", user: "ada", client: "tab", session: randomUUID(), maxPerAuthor: 0 };
    await store.locks.acquire({ ...lock, ttlMs: 60_000 });
    await store.locks.acquire({ ...lock, element: "f", ttlMs: 1 });
    const client = await join({ url: two.url, docId, hello: { token: bob, clientId: "tab" } });
    const expected = {
      documents: { total: 3, active: 1, archived: 1 },
      operations: 3,
      // Both updates collided with the other author's earlier write after their base: one record was made.
      conflicts: { total: expect.any(Number), resolved: expect.any(Number) },
      locks: { active: 1 },
      sessions: 1,
      instances: 2,
    };
    for (const { url } of [one, two]) {
      await waitFor(async () => (await rest(url, bob, "GET", "/stats")).body.instances === 2);
      const { body } = await rest<{ conflicts: { total: number; resolved: number } }>(
        url,
        bob,
        "GET",
        "/stats",
      );
      expect(body).toMatchObject(expected);
      expect(body.conflicts.total).toBeGreaterThan(0);
      expect(body.conflicts.resolved).toBe(body.conflicts.total);
    }
    await client.close();
  });
});
