/** What a refused request is told: the field, and what was expected in it. */
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { problemOf } from "../../server/http/errors.ts";
import { writeCursor } from "../../server/store/cursor.ts";
import { StoreRefused } from "../../server/store/store.ts";
import { type Answer, caller, jwtAuth, stores, token, useInstance } from "./setup.ts";

const name = "1–128 of A-Za-z0-9_.:-, and not __proto__, constructor or prototype";

describe.each(stores)("refusals over the %s store", (store) => {
  const running = useInstance(store, { ...jwtAuth, limits: { requestsPerSecond: 0 } });
  const ada = caller(running, "ada");
  const create = async (fields: object = {}) =>
    (await ada("POST", "/documents", { name: "d", ...fields })).body.id as string;

  const send = async (method: string, path: string, contentType: string, body?: string) => {
    const headers = { authorization: `Bearer ${await token("ada")}`, "content-type": contentType };
    const init = body === undefined ? { method, headers } : { method, headers, body };
    const response = await fetch(`${running().url}/v1${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };

  /** The whole of what is said. */
  const told = ({ status, body: { code, detail, errors } }: Pick<Answer, "status" | "body">) => ({
    status,
    code,
    detail,
    errors,
  });
  const invalid = (path: string, message: string, status = 400) => ({
    status,
    code: "invalid",
    detail: `${path}: ${message}`,
    errors: [{ path, message }],
  });

  test("[rest/refusals-1] an empty body of JSON is none: a DELETE goes through, what is required is missed by name", async () => {
    const id = await create();
    expect(told(await send("POST", "/documents", "application/json", ""))).toEqual(
      invalid("name", "is missing, expected a string"),
    );
    expect((await send("POST", "/documents", "application/json", "{")).body).toMatchObject({
      code: "invalid",
      detail: "the body is not valid JSON",
    });
    expect(await send("DELETE", `/documents/${id}`, "application/json")).toEqual({
      status: 204,
      body: undefined,
    });
    // With a Content-Length of 0, as some clients send it.
    const other = await create();
    const headers = {
      authorization: `Bearer ${await token("ada")}`,
      "content-type": "application/json",
      "content-length": "0",
    };
    const status = await new Promise((resolve, reject) => {
      const url = `${running().url}/v1/documents/${other}`;
      const sent = request(url, { method: "DELETE", headers }, (response) =>
        resolve(response.resume().statusCode),
      );
      sent.on("error", reject).end();
    });
    expect(status).toBe(204);
  });

  test("[rest/refusals-2] another type of body answers 415 and says which is expected", async () => {
    const path = `/documents/${await create()}/versions`;
    for (const type of ["text/plain", "nonsense"])
      expect(told(await send("POST", path, type, "x")), type).toEqual(
        invalid("Content-Type", "expected application/json", 415),
      );
  });

  test("[rest/refusals-3] a cursor that is none of the list's own is named, whatever is wrong with it", async () => {
    const id = await create();
    const uuid = crypto.randomUUID();
    const unreadable = ["garbage", "", "x".repeat(5_000), writeCursor()];
    const timed = [
      ...["monday", "2026-02-30T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "2026-01-31T25:00:00.000Z"].map(
        (time) => writeCursor(time, uuid),
      ),
      writeCursor("2026-01-31T12:00:00.000Z", "not a uuid"),
      writeCursor("2026-01-31 12:00:00.123+00", uuid.toUpperCase()),
      writeCursor("2026-01-31 12:00:00+16", uuid),
      writeCursor(1, uuid),
    ];
    for (const [path, wrong] of [
      ["/documents?sort=updatedAt&", timed],
      ["/documents?sort=createdAt&", timed],
      [
        "/documents?sort=name&",
        [writeCursor("a\0", uuid), writeCursor("a\ud800", uuid), writeCursor("a", "b")],
      ],
      [
        `/documents/${id}/operations?`,
        [writeCursor(1.5), writeCursor(-1), writeCursor("1"), writeCursor(1e300)],
      ],
      [`/documents/${id}/versions?`, [writeCursor(1), writeCursor(1.5, "a"), writeCursor(1, "a\0")]],
      [`/documents/${id}/conflicts?`, timed],
      [`/documents/${id}/locks?`, ["-1", "1.5", "0x1", "9007199254740993", " "]],
      [`/documents/${id}/sessions?`, [uuid.toUpperCase(), "1"]],
      ...(store === "postgres" ? [["/webhooks?", timed] as const] : []),
    ] as const) {
      for (const cursor of [...unreadable, ...wrong]) {
        const answer = await ada("GET", `${path}cursor=${encodeURIComponent(cursor)}`);
        expect(told(answer), `${path} ${Buffer.from(cursor, "base64url")}`).toEqual(
          invalid("cursor", "expected the nextCursor of the page before"),
        );
      }
    }
  });

  test("[rest/refusals-4] every field says what was expected in it, in words of its own", async () => {
    const id = await create({ conflictPolicy: "manual" });
    const conflict = `/documents/${id}/conflicts/${crypto.randomUUID()}/resolve`;
    const choose = 'expected "current", "incoming" or {set?, unset?}';
    const time = "expected RFC 3339, such as 2026-01-31T12:00:00Z";
    const limit = "expected a whole number from 1 to 200";
    const version = "expected a whole number of at least 0";
    for (const [method, path, body, field, message] of [
      ["POST", conflict, { choose: "later" }, "choose", choose],
      ["POST", conflict, {}, "choose", choose],
      ["POST", conflict, { choose: [] }, "choose", choose],
      [
        "POST",
        conflict,
        { choose: { set: { "a b": 1 } } },
        "choose.set",
        `expected a property's name: ${name}`,
      ],
      ["POST", conflict, { choose: { set: 1 } }, "choose.set", "expected an object of properties"],
      [
        "POST",
        conflict,
        { choose: { unset: ["a", 1] } },
        "choose.unset.1",
        `expected a property's name: ${name}`,
      ],
      [
        "POST",
        conflict,
        { choose: { set: { a: { prototype: 1 } } } },
        "choose.set.a.prototype",
        "forbidden key",
      ],
      ["POST", conflict, { choose: "current", base: "1" }, "base", version],
      ["POST", conflict, { choose: "current", base: 1.5 }, "base", version],
      ["POST", conflict, { choose: "current", base: -1 }, "base", version],
      [
        "POST",
        conflict,
        { choose: "current", base: 1e300 },
        "base",
        "expected a whole number from 0 to 9007199254740991",
      ],
      ...["abc", "", "0", "201", "1.5", "-1", "0x10", "1e1", " 5"].map(
        (text) => ["GET", `/documents?limit=${encodeURIComponent(text)}`, undefined, "limit", limit] as const,
      ),
      ["GET", "/documents?limit=1&limit=2", undefined, "limit", `${limit}, not an array`],
      ["GET", "/documents?q=a&q=b", undefined, "q", "expected a string, not an array"],
      ["GET", `/documents?tag=${"t".repeat(256)}`, undefined, "tag", "expected at most 255 characters"],
      ["GET", "/documents?tag=%00", undefined, "tag", "expected text without \\u0000 and lone surrogates"],
      ["GET", "/documents?public=maybe", undefined, "public", 'expected "true" or "false"'],
      ["GET", "/documents?order=up", undefined, "order", 'expected "asc" or "desc"'],
      ...["", "-1", "abc", "1.5", "0x1"].map(
        (text) => ["GET", `/documents/${id}/content?version=${text}`, undefined, "version", version] as const,
      ),
      [
        "GET",
        `/documents/${id}/content?version=9007199254740993`,
        undefined,
        "version",
        "expected a whole number from 0 to 9007199254740991",
      ],
      ["GET", `/documents/${id}/operations?from=`, undefined, "from", version],
      ...["monday", "", "2026-02-30T12:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00"].map(
        (text) =>
          ["GET", `/documents/${id}/operations?fromTime=${text}`, undefined, "fromTime", time] as const,
      ),
      [
        "GET",
        `/documents/${id}/blame?element=a%20b`,
        undefined,
        "element",
        `expected an element id: ${name}`,
      ],
      ["POST", "/documents", undefined, "name", "is missing, expected a string"],
      ["POST", "/documents", { name: "" }, "name", "expected 1 to 255 characters"],
      ["POST", "/documents", { name: 1 }, "name", "expected a string"],
      ["POST", "/documents", { name: "d", id: "x" }, "id", "expected a lower-case UUID"],
      ["POST", "/documents", { name: "d", public: "yes" }, "public", "expected true or false"],
      ["POST", "/documents", { name: "d", tags: "a" }, "tags", "expected an array"],
      [
        "POST",
        "/documents",
        { name: "d", tags: Array.from({ length: 101 }, () => "t") },
        "tags",
        "expected at most 100 items",
      ],
      ["POST", "/documents", { name: "d", tags: [""] }, "tags.0", "expected 1 to 255 characters"],
      [
        "POST",
        "/documents",
        { name: "d", type: "film" },
        "type",
        'expected "whiteboard" or "text" or "canvas" or "sheet"',
      ],
      [
        "POST",
        "/documents",
        { name: "d", properties: { "\ud800": 1 } },
        "properties",
        "key with \\u0000 or a lone surrogate",
      ],
      ["PATCH", `/documents/${id}`, { version: 1 }, "version", "unknown, or not to be changed"],
      ["POST", `/documents/${id}/operations`, {}, "ops", "is missing, expected an array"],
      ["POST", `/documents/${id}/operations`, { ops: [] }, "ops", "expected at least 1 item"],
      [
        "POST",
        `/documents/${id}/operations`,
        { ops: [1], onConflict: "x" },
        "onConflict",
        'expected "reject"',
      ],
      [
        "POST",
        `/documents/${id}/locks`,
        { clientId: "c", ttlMs: 1 },
        "ttlMs",
        "expected a whole number from 1000 to 300000",
      ],
      [
        "POST",
        `/documents/${id}/locks`,
        { clientId: "c", element: "a b" },
        "element",
        `expected an element id: ${name}; or null, the document`,
      ],
      [
        "POST",
        `/documents/${id}/locks`,
        { clientId: "c", element: 1 },
        "element",
        `expected an element id: ${name}; or null, the document`,
      ],
      [
        "POST",
        `/documents/${id}/revert`,
        { from: 0, to: 1 },
        "from",
        "expected a whole number of at least 1",
      ],
      ["POST", `/documents/${id}/revert`, { from: 2, to: 1 }, "to", "expected at least 2, as from"],
      ...(store === "postgres"
        ? ([
            [
              "POST",
              "/webhooks",
              { url: "https://hooks.example.com", events: [] },
              "events",
              "expected at least 1 item",
            ],
            ["POST", "/webhooks", { url: 1, events: ["operations"] }, "url", "expected a string"],
          ] as const)
        : []),
    ] as const) {
      const answer = await ada(method, path, body);
      expect(told(answer), `${method} ${path} ${JSON.stringify(body)}`).toEqual(invalid(field, message));
    }
    expect(told(await ada("POST", "/documents", []))).toEqual({
      status: 400,
      code: "invalid",
      detail: "expected an object, not an array",
      errors: [{ path: "", message: "expected an object, not an array" }],
    });
  });

  test("[rest/refusals-5] elements and operations of the wrong shape say what an id and a name are", async () => {
    const id = await create();
    for (const [elements, path, message] of [
      [{ "a b": {} }, "elements.a b", `expected an element id: ${name}`],
      [{ a: 1 }, "elements.a", "expected an object of properties"],
      [{ a: { "b c": 1 } }, "elements.a.b c", `expected a property's name: ${name}`],
    ] as const) {
      expect(await ada("POST", "/documents", { name: "d", elements })).toMatchObject({
        status: 422,
        body: { code: "invalid_operation", detail: `${path}: ${message}`, details: { path } },
      });
    }
    const update = { id: crypto.randomUUID(), type: "update", element: "e" };
    for (const [fields, path, message] of [
      [{ element: "a b" }, "element", `expected an element id: ${name}`],
      [{ id: "1" }, "id", "expected a lower-case UUID"],
      [{ unset: [1] }, "unset.0", `expected a property's name: ${name}`],
      [{ set: { "a b": 1 } }, "set", `expected a property's name: ${name}`],
      [{ splice: { t: [[0, 1]] } }, "splice.t.0", "expected an edit: [position, deleteCount, insert]"],
    ] as const) {
      const answer = await ada("POST", `/documents/${id}/operations`, { ops: [{ ...update, ...fields }] });
      expect(answer).toMatchObject({
        status: 422,
        body: { detail: `ops.0.${path}: ${message}`, details: { path: `ops.0.${path}` } },
      });
    }
  });

  test("[rest/refusals-6] a version beyond the current one is named with the highest that there is", async () => {
    const fields = { conflictPolicy: "manual", elements: { e: { x: 0 } }, editors: ["bob"] };
    const id = await create(fields);
    const set = (x: number) => ({ id: crypto.randomUUID(), type: "update", element: "e", set: { x } });
    await ada("POST", `/documents/${id}/operations`, { base: 1, ops: [set(1)] });
    await caller(running, "bob")("POST", `/documents/${id}/operations`, { base: 1, ops: [set(2)] });
    const [conflict] = (await ada("GET", `/documents/${id}/conflicts`)).body.items;
    const message = "expected at most 3, the current version";
    for (const [method, path, body, field] of [
      ["POST", "restore", { version: 4 }, "version"],
      ["POST", "revert", { from: 4, to: 5 }, "from"],
      ["POST", "revert", { from: 3, to: 4 }, "to"],
      ["POST", "versions", { name: "v", version: 4 }, "version"],
      ["GET", "content?version=4", undefined, "version"],
      ["POST", `conflicts/${conflict.id}/resolve`, { choose: "current", base: 4 }, "base"],
    ] as const) {
      const answer = await ada(method, `/documents/${id}/${path}`, body);
      expect(told(answer), path).toEqual(invalid(field, message));
    }
    for (const path of ["restore", "revert"])
      expect(
        (await ada("POST", `/documents/${id}/${path}`, { version: 4, from: 3, to: 4 })).body,
      ).toMatchObject({ version: 3 });
  });
});

test("[rest/refusals-7] a body that is cut short is not called JSON that is wrong, and no outage a cursor", () => {
  const cut = Object.assign(new Error("x"), { code: "FST_ERR_CTP_INVALID_CONTENT_LENGTH", statusCode: 400 });
  expect(problemOf(cut)).toEqual({
    code: "invalid",
    detail: "the body is not as long as Content-Length says",
  });
  expect(problemOf(new StoreRefused("x")).errors).toBeUndefined();
});
