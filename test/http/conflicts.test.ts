import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { devToken, rest } from "../instances/start.ts";
import { caller, stores, useInstance } from "./setup.ts";

describe.each(stores)("conflicts over REST (%s)", (store) => {
  const running = useInstance(store);
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const eve = caller(running, "eve");

  /** A document in which bob's write is held back beside ada's. */
  async function collision() {
    const body = {
      name: "d",
      editors: ["bob"],
      viewers: ["vic"],
      conflictPolicy: "manual",
      elements: { e: { x: 0 } },
    };
    const { id } = (await ada("POST", "/documents", body)).body;
    const set = (x: number) => ({ id: randomUUID(), type: "update", element: "e", set: { x } });
    await ada("POST", `/documents/${id}/operations`, { base: 1, ops: [set(1)] });
    const held = set(2);
    const answer = await bob("POST", `/documents/${id}/operations`, { base: 1, ops: [held] });
    expect(answer.body).toMatchObject({ version: 3, statuses: ["conflict"], duplicate: false });
    const [conflict] = (await ada("GET", `/documents/${id}/conflicts?state=unresolved`)).body.items;
    return { id, held, conflict, path: `/documents/${id}/conflicts/${conflict.id}` };
  }

  test("[rest/conflicts] a repeat answers the stored statuses", async () => {
    const { id, held } = await collision();
    const again = await bob("POST", `/documents/${id}/operations`, { base: 1, ops: [held] });
    expect(again.body).toEqual({ version: 3, versions: [3], statuses: ["conflict"], duplicate: true });
  });

  test("[rest/conflicts] lists by state, and reads one with its whole operations", async () => {
    const { id, held, conflict, path } = await collision();
    expect(conflict).toMatchObject({
      element: "e",
      properties: ["x"],
      resolution: "manual",
      resolvedAt: null,
    });
    expect((await ada("GET", `/documents/${id}/conflicts?state=resolved`)).body).toEqual({
      items: [],
      nextCursor: null,
    });
    const { body } = await bob("GET", path);
    expect(body).toMatchObject({
      id: conflict.id,
      operations: [{ set: { x: 1 } }, { id: held.id, status: "conflict" }],
    });
    expect((await ada("GET", `/documents/${id}/conflicts/${randomUUID()}`)).status).toBe(404);
    expect((await ada("GET", `/documents/${id}/conflicts/nonsense`)).status).toBe(404);
    expect((await ada("GET", `/documents/${id}/conflicts?state=open`)).status).toBe(400);
    expect((await eve("GET", path)).status).toBe(404);
  });

  test("[rest/conflicts] resolve answers the conflict, once; again 409 with it in details", async () => {
    const { id, held, conflict, path } = await collision();
    expect(await bob("POST", `${path}/resolve`, { choose: "later" })).toMatchObject({ status: 400 });
    expect(await bob("POST", `${path}/resolve`, { choose: { set: { "a b": 1 } } })).toMatchObject({
      status: 400,
    });
    expect(await bob("POST", `${path}/resolve`, { choose: "current", base: 9 })).toMatchObject({
      status: 400,
    });
    expect(await caller(running, "vic")("POST", `${path}/resolve`, { choose: "current" })).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    const resolved = await bob("POST", `${path}/resolve`, { choose: "incoming", clientId: "tool" });
    expect(resolved).toMatchObject({
      status: 200,
      body: { id: conflict.id, resolvedBy: "bob", resolution: "manual" },
    });
    expect((await ada("GET", `/documents/${id}/content`)).body).toEqual({
      version: 4,
      elements: { e: { x: 2 } },
    });
    const log = (await ada("GET", `/documents/${id}/operations`)).body.items;
    expect(log.at(-1)).toMatchObject({ user: "bob", client: "server", conflict: conflict.id, set: { x: 2 } });
    expect(log.find((each: { id: string }) => each.id === held.id).status).toBe("resolved");
    expect(await ada("POST", `${path}/resolve`, { choose: "current" })).toMatchObject({
      status: 409,
      body: { code: "already_resolved", details: { conflict: { id: conflict.id, resolvedBy: "bob" } } },
    });
  });

  test("[rest/conflicts] the policy that is in force at the commit counts: an owner changes it while people edit", async () => {
    const { id } = await collision();
    expect((await ada("PATCH", `/documents/${id}`, { conflictPolicy: "merge" })).status).toBe(200);
    const op = { id: randomUUID(), type: "update", element: "e", set: { x: 5 } };
    const answer = await bob("POST", `/documents/${id}/operations`, {
      base: 1,
      ops: [op],
      clientId: "other",
    });
    expect(answer.body.statuses).toEqual(["applied"]);
    expect((await bob("PATCH", `/documents/${id}`, { conflictPolicy: "lww" })).status).toBe(403);
  });
});

describe("autoResolveConflicts", () => {
  const running = useInstance("memory", {
    manager: { lockTimeoutMs: 30_000, cleanupIntervalMs: 300_000, autoResolveConflicts: false },
    auth: { mode: "dev", key: { kind: "store" }, issuer: undefined, audience: undefined, allowedOrigins: [] },
  });
  test("[config] false: new documents get the policy manual, unless their creator says otherwise", async () => {
    const { url } = running();
    const token = await devToken(url, "ada");
    const made = await rest(url, token, "POST", "/documents", { name: "d" });
    expect(made.body.conflictPolicy).toBe("manual");
    const chosen = await rest(url, token, "POST", "/documents", { name: "d", conflictPolicy: "lww" });
    expect(chosen.body.conflictPolicy).toBe("lww");
  });
});
