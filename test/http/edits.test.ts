import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import { caller, jwtAuth, stores, useInstance } from "./setup.ts";

describe.each(stores)("content and operations over the %s store", (store) => {
  const running = useInstance(store, { ...jwtAuth, limits: { maxOpsPerSubmit: 5 } });
  const ada = caller(running, "ada");
  const bob = caller(running, "bob");
  const cy = caller(running, "cy");
  const nobody = caller(running, undefined);

  const create = async (fields: object = {}) =>
    (await ada("POST", "/documents", { name: "plan", editors: ["bob"], viewers: ["cy"], ...fields })).body;
  const createOp = (element: string, props: object = {}) => ({
    id: uuidv7(),
    type: "create",
    element,
    props,
  });
  const set = (element: string, props: object) => ({ id: uuidv7(), type: "update", element, set: props });

  test("[rest/operations] edits are sequenced with the caller, clientId or rest, and a session of their own", async () => {
    const { id } = await create();
    const first = await ada("POST", `/documents/${id}/operations`, {
      ops: [createOp("a", { x: 1 }), createOp("b")],
    });
    expect(first).toMatchObject({
      status: 200,
      body: { version: 2, versions: [1, 2], statuses: ["applied", "applied"], duplicate: false },
    });
    await bob("POST", `/documents/${id}/operations`, {
      ops: [set("a", { x: 2 })],
      base: 2,
      clientId: "robot",
    });
    const { items } = (await cy("GET", `/documents/${id}/operations`)).body;
    expect(items).toMatchObject([
      { version: 1, user: "ada", client: "rest", base: 0 },
      { version: 2, user: "ada", client: "rest" },
      { version: 3, user: "bob", client: "robot", base: 2, set: { x: 2 }, status: "applied" },
    ]);
    expect(items[0].session).toBe(items[1].session);
    expect(items[2].session).not.toBe(items[0].session);
    expect((await cy("GET", `/documents/${id}/content`)).body).toEqual({
      version: 3,
      elements: { a: { x: 2 }, b: {} },
    });
  });

  test("[rest/operations] a repeat of the same author answers the same versions as duplicate", async () => {
    const { id } = await create();
    const ops = [createOp("a")];
    await ada("POST", `/documents/${id}/operations`, { ops });
    const again = await ada("POST", `/documents/${id}/operations`, { ops });
    expect(again).toMatchObject({ status: 200, body: { version: 1, versions: [1], duplicate: true } });
    const other = await bob("POST", `/documents/${id}/operations`, { ops });
    expect(other).toMatchObject({ status: 422, body: { code: "invalid_operation" } });
  });

  test("[rest/operations] strict: 409 version_conflict naming version and properties", async () => {
    const { id } = await create({ elements: { a: { x: 1 } } });
    await bob("POST", `/documents/${id}/operations`, { ops: [set("a", { x: 2 })], base: 1 });
    const stale = await ada("POST", `/documents/${id}/operations`, {
      ops: [set("a", { x: 3 })],
      base: 1,
      onConflict: "reject",
    });
    expect(stale).toMatchObject({
      status: 409,
      body: {
        code: "version_conflict",
        detail: "version conflict: expected 2",
        version: 2,
        details: { conflicts: [{ element: "a", property: "x", version: 2 }] },
      },
    });
  });

  test("[rest/operations] what is wrong is named: shape 400, operations 422, too many 413, base beyond 422", async () => {
    const { id } = await create();
    const post = (body: unknown) => ada("POST", `/documents/${id}/operations`, body);
    for (const body of [
      {},
      { ops: [] },
      { ops: {} },
      { ops: [createOp("a")], base: -1 },
      { ops: [createOp("a")], clientId: "server" },
    ]) {
      expect(await post(body)).toMatchObject({ status: 400, body: { code: "invalid" } });
    }
    expect(await post({ ops: [createOp("a"), { ...createOp("b"), set: { x: 1 } }] })).toMatchObject({
      status: 422,
      body: { code: "invalid_operation", details: { path: expect.stringMatching(/^ops\.1/) } },
    });
    expect(await post({ ops: [set("missing", { x: 1 })] })).toMatchObject({
      status: 422,
      body: { code: "element_not_found", details: { path: expect.stringMatching(/^ops\.0/) } },
    });
    expect(await post({ ops: [createOp("a")], base: 99 })).toMatchObject({
      status: 422,
      body: { code: "invalid_operation" },
    });
    const operation = createOp("a");
    expect((await post({ ops: [operation, operation] })).status).toBe(422);
    const six = Array.from({ length: 6 }, (_, index) => createOp(`e${index}`));
    expect(await post({ ops: six })).toMatchObject({
      status: 413,
      body: { code: "too_large", details: { limit: "maxOpsPerSubmit" } },
    });
    expect((await post({ ops: six.slice(0, 5) })).status).toBe(200);
  });

  test("[rest/operations] viewers 403, strangers 404, no token 401, archived 409", async () => {
    const { id } = await create();
    const post = (who: typeof ada) => who("POST", `/documents/${id}/operations`, { ops: [createOp("a")] });
    expect(await post(cy)).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await post(caller(running, "stranger"))).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
    expect(await post(nobody)).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
    await ada("PATCH", `/documents/${id}`, { state: "archived" });
    expect(await post(ada)).toMatchObject({ status: 409, body: { code: "not_active" } });
    expect(await post(cy)).toMatchObject({ status: 403 });
    expect((await cy("GET", `/documents/${id}/content`)).status).toBe(200);
  });

  test("[rest/operations] the log by version, user, type, element, time and order, in pages", async () => {
    const { id } = await create({ elements: { a: { x: 0 } } });
    for (let x = 1; x <= 4; x++) {
      await (x % 2 === 0 ? ada : bob)("POST", `/documents/${id}/operations`, { ops: [set("a", { x })] });
    }
    const versions = async (query: string) => {
      const { status, body } = await cy("GET", `/documents/${id}/operations?${query}`);
      expect(status, JSON.stringify(body)).toBe(200);
      return body.items.map((item: { version: number }) => item.version);
    };
    expect(await versions("")).toEqual([1, 2, 3, 4, 5]);
    expect(await versions("from=2&to=4")).toEqual([2, 3, 4]);
    expect(await versions("from=6")).toEqual([]);
    expect(await versions("order=desc&limit=2")).toEqual([5, 4]);
    expect(await versions("user=bob")).toEqual([2, 4]);
    expect(await versions("type=create")).toEqual([1]);
    expect(await versions("element=b")).toEqual([]);
    expect(await versions("status=conflict")).toEqual([]);
    expect(await versions("fromTime=2000-01-01T00:00:00Z&toTime=2100-01-01T00:00:00%2B02:00")).toEqual([
      1, 2, 3, 4, 5,
    ]);
    expect(await versions("toTime=2000-01-01T00:00:00Z")).toEqual([]);
    const first = (await cy("GET", `/documents/${id}/operations?limit=3`)).body;
    expect(await versions(`limit=3&cursor=${encodeURIComponent(first.nextCursor)}`)).toEqual([4, 5]);
    for (const query of [
      "from=-1",
      "type=x",
      "status=x",
      "fromTime=yesterday",
      "order=x",
      "from=9007199254740993",
    ]) {
      expect((await cy("GET", `/documents/${id}/operations?${query}`)).status).toBe(400);
    }
  });

  test("[rest/content] PUT replaces the whole at exactly the version, beyond maxOpsPerSubmit, as client server", async () => {
    const { id } = await create({ elements: { a: { x: 1, y: [1] }, b: { z: null } } });
    const wanted = {
      a: { x: 2 },
      ...Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`n${n}`, { n }])),
    };
    const put = (version: string | undefined, body: unknown = { elements: wanted }) =>
      bob("PUT", `/documents/${id}/content`, body, version === undefined ? {} : { "if-match": version });
    expect(await put(undefined)).toMatchObject({ status: 428, body: { code: "precondition_required" } });
    expect(await put('"1"')).toMatchObject({ status: 412, body: { code: "version_mismatch", version: 2 } });
    expect((await put("*")).status).toBe(400);
    expect((await put('"2"', { elements: { "a b": {} } })).status).toBe(422);
    const done = await put('"2"');
    expect(done).toMatchObject({ status: 200, body: { duplicate: false } });
    expect(done.body.versions.length).toBe(done.body.version - 2);
    const etag = done.headers.get("etag") ?? "";
    expect(etag).toBe(`"${done.body.version}"`);
    const unchanged = await put(etag);
    expect(unchanged).toMatchObject({ status: 200, body: { version: done.body.version, versions: [] } });
    expect(unchanged.headers.get("etag")).toBe(etag);
    const content = await cy("GET", `/documents/${id}/content`);
    expect(content.body).toEqual({ version: done.body.version, elements: wanted });
    expect(content.headers.get("etag")).toBe(`"${done.body.version}"`);
    const log = (await cy("GET", `/documents/${id}/operations?from=3`)).body.items;
    for (const item of log) expect(item).toMatchObject({ user: "bob", client: "server" });
    expect((await cy("PUT", `/documents/${id}/content`, { elements: {} }, { "if-match": "*" })).status).toBe(
      400,
    );
    const refused = await cy(
      "PUT",
      `/documents/${id}/content`,
      { elements: {} },
      { "if-match": `"${done.body.version}"` },
    );
    expect(refused).toMatchObject({ status: 403, body: { code: "forbidden" } });
  });

  test("[rest/content] If-None-Match at the present version answers 304", async () => {
    const { id } = await create({ elements: { a: {} } });
    const response = await ada("GET", `/documents/${id}/content`, undefined, { "if-none-match": '"1"' });
    expect(response.status).toBe(304);
    expect((await ada("GET", `/documents/${id}/content`, undefined, { "if-none-match": '"0"' })).status).toBe(
      200,
    );
  });

  test("[rest/create] elements over a document's limits leave no document behind", async () => {
    const id = uuidv7();
    const elements = { a: { text: "x".repeat(17) } };
    const created = await ada("POST", "/documents", { id, name: "ok", elements });
    expect(created.status).toBe(201);
    expect((await ada("POST", "/documents", { name: "no", elements: { a: 1 } })).status).toBe(422);
    expect((await ada("GET", "/documents?q=no")).body.items).toEqual([]);
  });
});
