import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { rest } from "../instances/start.ts";
import { caller, stores, token, useInstance } from "./setup.ts";

describe.each(stores)("documents over the %s store", (store) => {
  const running = useInstance(store);
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const cy = caller(running, "cy");
  const nobody = caller(running, undefined);

  const create = async (fields: object = {}) =>
    (await ada("POST", "/documents", { name: "plan", ...fields })).body;

  test("[rest/create] 201 with the metadata of section 7, the caller as createdBy and owner", async () => {
    const { status, body, headers } = await ada("POST", "/documents", {
      name: "plan",
      tags: ["a"],
      properties: { n: 1 },
      editors: ["bob"],
    });
    expect(status).toBe(201);
    expect(Object.keys(body).sort()).toEqual(
      [
        ...["id", "name", "type", "state", "version", "createdBy", "createdAt", "updatedAt", "updatedBy"],
        ...["activeUsers", "tags", "description", "properties", "owner", "editors", "viewers", "public"],
        ...["conflictPolicy", "metadataVersion"],
      ].sort(),
    );
    expect(body).toMatchObject({
      createdBy: "ada",
      owner: "ada",
      type: "whiteboard",
      state: "active",
      version: 0,
      conflictPolicy: "lww",
      editors: ["bob"],
      public: false,
    });
    expect(body.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(headers.get("location")).toBe(`/v1/documents/${body.id}`);
    expect(headers.get("etag")).toBe(`"${body.metadataVersion}"`);
  });

  test("[rest/create] elements are sequenced as one create each, by the caller with client server", async () => {
    const document = await create({ elements: { a: { x: 1 }, b: { text: "é😀" } } });
    expect(document.version).toBe(2);
    const { body } = await ada("GET", `/documents/${document.id}/operations`);
    expect(body.items).toMatchObject([
      {
        version: 1,
        type: "create",
        element: "a",
        props: { x: 1 },
        user: "ada",
        client: "server",
        status: "applied",
      },
      { version: 2, type: "create", element: "b", props: { text: "é😀" } },
    ]);
    expect(body.items[0].session).toBe(body.items[1].session);
  });

  test("[rest/create] a taken id answers 409 taken; an id in upper case is invalid", async () => {
    const id = uuidv7();
    expect((await create({ id })).id).toBe(id);
    const again = await bob("POST", "/documents", { name: "x", id });
    expect(again).toMatchObject({ status: 409, body: { code: "taken" } });
    const upper = await ada("POST", "/documents", { name: "x", id: uuidv7().toUpperCase() });
    expect(upper).toMatchObject({ status: 400, body: { code: "invalid", errors: [{ path: "id" }] } });
  });

  test.each([
    ["no name", {}, "name"],
    ["an empty name", { name: "" }, "name"],
    ["a name over 255", { name: "x".repeat(256) }, "name"],
    ["\\u0000", { name: "a\u0000" }, "name"],
    ["a lone surrogate", { name: "x", description: "\ud800" }, "description"],
    ["an unknown type", { name: "x", type: "mind-map" }, "type"],
    ["an unknown policy", { name: "x", conflictPolicy: "votes" }, "conflictPolicy"],
    ["an anonymous editor", { name: "x", editors: ["anonymous:1"] }, "editors.0"],
    ["properties that are a list", { name: "x", properties: [] }, "properties"],
  ])("[rest/create] %s answers 400 and names the field", async (_title, body, path) => {
    expect(await ada("POST", "/documents", body)).toMatchObject({
      status: 400,
      body: { code: "invalid", status: 400, errors: [{ path }] },
    });
  });

  test("[security] __proto__ in properties or elements is refused, not dropped", async () => {
    const send = async (body: string) => {
      const response = await fetch(`${running().url}/v1/documents`, {
        method: "POST",
        headers: { authorization: `Bearer ${await token("ada")}`, "content-type": "application/json" },
        body,
      });
      return { status: response.status, body: (await response.json()) as { code: string } };
    };
    expect(await send('{"name":"x","properties":{"__proto__":{"a":1}}}')).toMatchObject({ status: 400 });
    for (const elements of [
      '{"__proto__":{}}',
      '{"a":{"__proto__":1}}',
      '{"a":{"b":{"constructor":1}}}',
      '{"a":{"n":1e400}}',
    ]) {
      expect(await send(`{"name":"x","elements":${elements}}`)).toMatchObject({
        status: 422,
        body: { code: "invalid_operation" },
      });
    }
  });

  test("[rest/get] editors and viewers go to owners and editors only", async () => {
    const { id } = await create({ editors: ["bob"], viewers: ["cy"] });
    expect((await bob("GET", `/documents/${id}`)).body).toMatchObject({ editors: ["bob"], viewers: ["cy"] });
    const seen = await cy("GET", `/documents/${id}`);
    expect(seen.status).toBe(200);
    expect(seen.body).not.toHaveProperty("editors");
    expect(seen.body).not.toHaveProperty("viewers");
  });

  test("[rest/access] private and absent documents answer alike: 404 with a token, 401 without", async () => {
    const { id } = await create();
    const absent = uuidv7();
    const answers = [id, absent, "no-uuid", id.toUpperCase()].map((each) => bob("GET", `/documents/${each}`));
    const [first, ...rest] = (await Promise.all(answers)).map(({ status, body }) => ({ status, body }));
    expect(first).toMatchObject({ status: 404, body: { code: "not_found" } });
    for (const each of rest) expect(each).toEqual(first);
    const without = await Promise.all(
      [id, absent, "no-uuid"].map((each) => nobody("GET", `/documents/${each}`)),
    );
    for (const { status, body } of without)
      expect({ status, body }).toEqual({ status: 401, body: without[0]?.body });
    expect(without[0]?.body.code).toBe("unauthenticated");
  });

  test("[rest/access] a public document is readable by anyone; changing it needs a token, then a role", async () => {
    const { id } = await create({ public: true });
    for (const path of ["", "/content", "/operations", "/sessions"]) {
      expect((await nobody("GET", `/documents/${id}${path}`)).status).toBe(200);
      expect((await bob("GET", `/documents/${id}${path}`)).status).toBe(200);
    }
    expect((await nobody("PATCH", `/documents/${id}`, { name: "y" })).status).toBe(401);
    expect((await bob("PATCH", `/documents/${id}`, { name: "y" })).status).toBe(403);
    expect((await nobody("DELETE", `/documents/${id}`)).status).toBe(401);
    expect((await bob("DELETE", `/documents/${id}`)).status).toBe(403);
  });

  test("[rest/patch] editors change metadata, owners permissions, policy, state and owner", async () => {
    const { id, metadataVersion } = await create({ editors: ["bob"] });
    const named = await bob("PATCH", `/documents/${id}`, {
      name: "new",
      tags: ["t"],
      properties: { a: [1] },
    });
    expect(named).toMatchObject({ status: 200, body: { name: "new", tags: ["t"], updatedBy: "bob" } });
    expect(named.body.metadataVersion).toBeGreaterThan(metadataVersion);
    for (const fields of [
      { state: "archived" },
      { owner: "bob" },
      { editors: ["bob"] },
      { viewers: [] },
      { public: true },
      { conflictPolicy: "strict" },
    ]) {
      expect(await bob("PATCH", `/documents/${id}`, fields)).toMatchObject({
        status: 403,
        body: { code: "forbidden" },
      });
      expect((await ada("PATCH", `/documents/${id}`, { ...fields, owner: "ada" })).status).toBe(200);
    }
  });

  test("[rest/patch] unknown and read-only fields answer 400 and change nothing", async () => {
    const { id, metadataVersion } = await create();
    for (const field of [
      "version",
      "createdBy",
      "metadataVersion",
      "activeUsers",
      "updatedAt",
      "id",
      "elements",
      "colour",
    ]) {
      expect(await ada("PATCH", `/documents/${id}`, { name: "y", [field]: 1 })).toMatchObject({
        status: 400,
        body: { code: "invalid", errors: [{ path: field }] },
      });
    }
    expect((await ada("PATCH", `/documents/${id}`, { state: "deleted" })).status).toBe(400);
    expect((await ada("GET", `/documents/${id}`)).body).toMatchObject({ name: "plan", metadataVersion });
  });

  test("[rest/patch] If-Match holds at the metadata version alone: 412 otherwise, for PATCH and DELETE", async () => {
    const { id, metadataVersion } = await create();
    const at = (version: number) => ({ "if-match": `"${version}"` });
    const changed = await ada("PATCH", `/documents/${id}`, { name: "b" }, at(metadataVersion));
    expect(changed.status).toBe(200);
    const stale = await ada("PATCH", `/documents/${id}`, { name: "c" }, at(metadataVersion));
    expect(stale).toMatchObject({ status: 412, body: { code: "version_mismatch" } });
    expect((await ada("DELETE", `/documents/${id}`, undefined, at(metadataVersion))).status).toBe(412);
    expect((await ada("PATCH", `/documents/${id}`, { name: "c" }, { "if-match": "3" })).status).toBe(400);
    expect(
      (await ada("DELETE", `/documents/${id}`, undefined, at(changed.body.metadataVersion))).status,
    ).toBe(204);
  });

  test("[rest/patch] changes at once by several editors all happen", async () => {
    const { id, metadataVersion } = await create();
    const answers = await Promise.all(
      ["a", "b", "c"].map((description) => ada("PATCH", `/documents/${id}`, { description })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await ada("GET", `/documents/${id}`)).body.metadataVersion).toBe(metadataVersion + 3);
  });

  test("[rest/delete] a deleted document is 404 for everybody but the owner's PATCH, which brings it back", async () => {
    const { id } = await create({ editors: ["bob"], public: true, elements: { a: {} } });
    expect((await bob("DELETE", `/documents/${id}`)).status).toBe(403);
    const deleted = await ada("DELETE", `/documents/${id}`);
    expect(deleted).toMatchObject({ status: 204, body: undefined });
    for (const who of [ada, bob]) {
      expect((await who("GET", `/documents/${id}`)).status).toBe(404);
      expect((await who("GET", `/documents/${id}/content`)).status).toBe(404);
      expect((await who("DELETE", `/documents/${id}`)).status).toBe(404);
      const ops = [{ id: uuidv7(), type: "create", element: "b", props: {} }];
      expect((await who("POST", `/documents/${id}/operations`, { ops })).status).toBe(404);
    }
    expect((await nobody("GET", `/documents/${id}`)).status).toBe(401);
    expect((await bob("PATCH", `/documents/${id}`, { name: "mine" })).status).toBe(404);
    expect(await ada("PATCH", `/documents/${id}`, { state: "active" })).toMatchObject({
      status: 200,
      body: { state: "active" },
    });
    expect((await bob("GET", `/documents/${id}/content`)).body.elements).toEqual({ a: {} });
  });

  test("[rest/delete] purge leaves nothing, and the id is free again", async () => {
    const { id } = await create({ elements: { a: {} } });
    expect((await bob("DELETE", `/documents/${id}?purge=true`)).status).toBe(404);
    expect((await ada("DELETE", `/documents/${id}?purge=true`)).status).toBe(204);
    expect((await ada("PATCH", `/documents/${id}`, { state: "active" })).status).toBe(404);
    const again = await create({ id });
    expect(again).toMatchObject({ id, version: 0 });
    expect((await ada("GET", `/documents/${id}/content`)).body).toEqual({ version: 0, elements: {} });
  });

  test("[rest/access] a role in the token's docs counts beside the lists", async () => {
    const { id } = await create();
    const granted = await token("dora", { docs: { [id]: "editor" } });
    expect((await rest(running().url, granted, "PATCH", `/documents/${id}`, { name: "d" })).status).toBe(200);
    expect((await rest(running().url, granted, "PATCH", `/documents/${id}`, { public: true })).status).toBe(
      403,
    );
    const listed = await rest<{ items: { id: string }[] }>(running().url, granted, "GET", "/documents");
    expect(listed.body.items.map((item) => item.id)).toEqual([id]);
  });
});
