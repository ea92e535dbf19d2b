import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rest } from "../instances/start.ts";
import { caller, jwtAuth, stores, token, useInstance } from "./setup.ts";

describe.each(stores)("locks over REST, %s store", (store) => {
  const running = useInstance(store, { ...jwtAuth, limits: { locksPerAuthor: 2 } });
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const vic = caller(running, "vic");
  const col = caller(running, "col");
  const nobody = caller(running, undefined);
  let docId: string;
  let path: string;

  beforeAll(async () => {
    const { body } = await ada("POST", "/documents", {
      name: "Locked",
      editors: ["bob"],
      viewers: ["vic"],
      elements: { a: { x: 1 } },
    });
    docId = body.id;
    path = `/documents/${docId}/locks`;
  });
  afterAll(async () => {
    await ada("DELETE", `/documents/${docId}?purge=true`);
  });

  test("[rest/locks-1] acquire, renew, list and release", async () => {
    const granted = await ada("POST", path, { clientId: "script", element: "a", ttlMs: 60_000 });
    expect(granted).toMatchObject({
      status: 200,
      body: { element: "a", clientId: "script", user: { id: "ada" }, token: 1, version: 1 },
    });
    const renewed = await ada("POST", path, { clientId: "script", element: "a", ttlMs: 5_000 });
    expect(renewed.body).toMatchObject({ id: granted.body.id, token: 1 });
    expect(renewed.body.expiresInMs).toBeLessThanOrEqual(5_000);
    const second = await ada("POST", path, { clientId: "script", element: "b" });
    expect(second.body.expiresInMs).toBeGreaterThan(29_000);
    const page = await vic("GET", `${path}?limit=1`);
    expect(page).toMatchObject({ status: 200, body: { items: [{ id: granted.body.id }] } });
    const rest = await vic("GET", `${path}?cursor=${page.body.nextCursor}`);
    expect(rest.body).toMatchObject({ items: [{ id: second.body.id }], nextCursor: null });
    for (const { id } of [granted.body, second.body]) {
      expect((await ada("DELETE", `${path}/${id}`)).status).toBe(204);
      expect(await ada("DELETE", `${path}/${id}`)).toMatchObject({
        status: 404,
        body: { code: "not_found" },
      });
    }
    expect((await ada("GET", path)).body).toEqual({ items: [], nextCursor: null });
  });

  test("[rest/locks-6] the holder is told by the name in its token, as over a WebSocket", async () => {
    const named = await token("ada", { name: "Ada" });
    const take = { clientId: "script", element: "a" };
    const { body: lock } = await rest<{ id: string }>(running().url, named, "POST", path, take);
    expect(lock).toMatchObject({ user: { id: "ada", name: "Ada" } });
    const { body: unnamed } = await ada("POST", path, take);
    expect(unnamed).toMatchObject({ id: lock.id, user: { id: "ada" } });
    expect(unnamed.user).not.toHaveProperty("name");
    await ada("DELETE", `${path}/${lock.id}`);
  });

  test("[rest/locks-2] held by another: 423 for a lock and for edits; released by an owner, not by others", async () => {
    const { body: lock } = await bob("POST", path, { clientId: "tab" });
    expect(lock.element).toBeNull();
    const refused = await ada("POST", path, { clientId: "script", element: "a" });
    expect(refused).toMatchObject({
      status: 423,
      body: { code: "locked", detail: "document is already locked", details: { lock: { id: lock.id } } },
    });
    const ops = [{ id: crypto.randomUUID(), type: "update", element: "absent" }];
    const edit = () => ada("POST", `/documents/${docId}/operations`, { ops });
    expect(await edit()).toMatchObject({ status: 423, body: { code: "locked" } });
    expect((await ada("GET", "/stats")).body.locks.active).toBe(1);
    expect(await vic("DELETE", `${path}/${lock.id}`)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    expect((await ada("DELETE", `${path}/${lock.id}`)).status).toBe(204);
    expect(await edit()).toMatchObject({ status: 422, body: { code: "element_not_found" } });
    const { body: own } = await ada("POST", path, { clientId: "script", element: "a" });
    expect(await bob("DELETE", `${path}/${own.id}`)).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    await ada("DELETE", `${path}/${own.id}`);
  });

  test("[rest/locks-3] locksPerAuthor: at the limit granted, one past it 429", async () => {
    for (const element of ["a", "b"]) {
      expect((await bob("POST", path, { clientId: "many", element })).status).toBe(200);
    }
    expect(await bob("POST", path, { clientId: "many", element: "c" })).toMatchObject({
      status: 429,
      body: { code: "too_many", details: { limit: "locksPerAuthor" } },
    });
    expect((await bob("POST", path, { clientId: "other", element: "c" })).status).toBe(200);
    for (const { id } of (await bob("GET", path)).body.items) await bob("DELETE", `${path}/${id}`);
  });

  test("[rest/locks-4] roles and shapes as everywhere", async () => {
    const body = { clientId: "c", element: "a" };
    expect((await nobody("GET", path)).status).toBe(401);
    expect((await nobody("POST", path, body)).status).toBe(401);
    expect((await col("GET", path)).status).toBe(404);
    expect((await col("POST", path, body)).status).toBe(404);
    expect(await vic("POST", path, body)).toMatchObject({ status: 403, body: { code: "forbidden" } });
    for (const wrong of [
      {},
      { clientId: "server" },
      { clientId: "c", element: "no id!" },
      { clientId: "c", ttlMs: 999 },
      { clientId: "c", ttlMs: 300_001 },
    ]) {
      expect(await ada("POST", path, wrong), JSON.stringify(wrong)).toMatchObject({
        status: 400,
        body: { code: "invalid", errors: [{ path: expect.any(String) }] },
      });
    }
    expect((await ada("GET", `${path}?cursor=x`)).status).toBe(400);
    expect((await ada("DELETE", `${path}/nonsense`)).status).toBe(404);
    expect((await ada("DELETE", `${path}/${crypto.randomUUID()}`)).status).toBe(404);
  });

  test("[rest/locks-5] a demotion, an archive and a deletion end locks; an archived document grants none", async () => {
    await bob("POST", path, { clientId: "c", element: "a" });
    await ada("POST", path, { clientId: "c", element: "b" });
    const elements = async () =>
      (await ada("GET", path)).body.items.map(({ element }: { element: string }) => element);
    await ada("PATCH", `/documents/${docId}`, { name: "Renamed" });
    expect(await elements()).toEqual(["a", "b"]);
    await ada("PATCH", `/documents/${docId}`, { editors: [] });
    expect(await elements()).toEqual(["b"]);
    await ada("PATCH", `/documents/${docId}`, { state: "archived" });
    expect(await elements()).toEqual([]);
    expect(await ada("POST", path, { clientId: "c", element: "b" })).toMatchObject({
      status: 409,
      body: { code: "not_active" },
    });
    await ada("PATCH", `/documents/${docId}`, { state: "active" });
    expect(await elements()).toEqual([]);
  });
});
