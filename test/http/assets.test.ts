import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { caller, jwtAuth, stores, token, useInstance } from "./setup.ts";

const sha256 = (body: Uint8Array | string) => createHash("sha256").update(body).digest("hex");

describe.each(stores)("assets over the %s store", (store) => {
  const running = useInstance(store, {
    ...jwtAuth,
    limits: {
      maxAssetBytes: 1_000,
      maxAssetsBytesPerDocument: 2_500,
      maxMessageBytes: 500,
      requestsPerSecond: 0,
    },
  });
  const ada = caller(running, "ada");

  const send = async (
    who: string | undefined,
    method: "GET" | "PUT" | "HEAD",
    path: string,
    body?: Uint8Array<ArrayBuffer> | string,
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`${running().url}/v1${path}`, {
      method,
      headers: { ...(who === undefined ? {} : { authorization: `Bearer ${await token(who)}` }), ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isJson = response.headers.get("content-type")?.includes("json");
    return {
      status: response.status,
      headers: response.headers,
      bytes,
      problem: isJson ? JSON.parse(bytes.toString()) : undefined,
    };
  };
  const put = (who: string | undefined, docId: string, body: string, type?: string, name = sha256(body)) =>
    send(
      who,
      "PUT",
      `/documents/${docId}/assets/${name}`,
      Buffer.from(body),
      type === undefined ? {} : { "content-type": type },
    );
  const create = async (fields: object = {}) =>
    (await ada("POST", "/documents", { name: "board", ...fields })).body.id as string;

  test("[assets-1] a stored asset comes back byte by byte, immutable, in a sandbox; a repeat is harmless", async () => {
    const docId = await create({ viewers: ["vic"] });
    const body = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const path = `/documents/${docId}/assets/${sha256(body)}`;
    for (const type of ["image/png", "image/png", "text/html"]) {
      const stored = await send("ada", "PUT", path, body, { "content-type": type });
      expect(stored).toMatchObject({ status: 204, bytes: Buffer.alloc(0) });
    }
    for (const who of ["ada", "vic"]) {
      const read = await send(who, "GET", path);
      expect(read.status).toBe(200);
      expect(read.bytes.equals(body)).toBe(true);
      expect(Object.fromEntries(read.headers)).toMatchObject({
        "content-type": "image/png",
        "content-length": "256",
        etag: `"${sha256(body)}"`,
        "cache-control": "private, max-age=31536000, immutable",
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "content-disposition": `inline; filename="${sha256(body)}"`,
      });
    }
    const known = await send("vic", "GET", path, undefined, { "if-none-match": `"${sha256(body)}"` });
    expect(known).toMatchObject({ status: 304, bytes: Buffer.alloc(0) });
    expect((await send("vic", "HEAD", path)).headers.get("content-length")).toBe("256");
  });

  test("[assets-2] the name must be the hash of the body, in lower-case hexadecimal", async () => {
    const docId = await create();
    for (const name of [sha256("other"), sha256("body").toUpperCase(), "abc", "x".repeat(64)]) {
      const refused = await put("ada", docId, "body", "text/plain", name);
      expect(refused, name).toMatchObject({ status: 400, problem: { code: "invalid" } });
      const path = `/documents/${docId}/assets/${name}`;
      expect((await send("ada", "GET", path)).status).toBe(404);
      expect((await send("ada", "GET", path, undefined, { "if-none-match": `"${name}"` })).status).toBe(404);
    }
  });

  test("[assets-3] editors put, readers get; without rights a document is an absent one", async () => {
    const docId = await create({ editors: ["eve"], viewers: ["vic"] });
    const path = `/documents/${docId}/assets/${sha256("body")}`;
    expect(await put("vic", docId, "body")).toMatchObject({ status: 403, problem: { code: "forbidden" } });
    expect(await put("mallory", docId, "body")).toMatchObject({
      status: 404,
      problem: { code: "not_found" },
    });
    expect(await put(undefined, docId, "body")).toMatchObject({ status: 401 });
    expect((await send("vic", "GET", path)).status).toBe(404);
    expect((await put("eve", docId, "body")).status).toBe(204);
    expect((await send("mallory", "GET", path)).status).toBe(404);
    expect((await send(undefined, "GET", path)).status).toBe(401);
    const other = await create();
    expect((await send("ada", "GET", `/documents/${other}/assets/${sha256("body")}`)).status).toBe(404);
    await ada("PATCH", `/documents/${docId}`, { state: "archived", public: true });
    expect(await put("eve", docId, "late")).toMatchObject({ status: 409, problem: { code: "not_active" } });
    expect((await send(undefined, "GET", path)).status).toBe(200);
    await ada("DELETE", `/documents/${docId}`);
    expect((await send("eve", "GET", path)).status).toBe(404);
  });

  test("[assets-4] maxAssetBytes holds at it and one past, by bytes of this route alone", async () => {
    const docId = await create();
    expect((await put("ada", docId, "a".repeat(1_000))).status).toBe(204);
    expect(await put("ada", docId, "b".repeat(1_001))).toMatchObject({
      status: 413,
      problem: { code: "too_large", details: { limit: "maxAssetBytes" } },
    });
    expect((await put("ada", docId, "")).status).toBe(204);
  });

  test("[assets-5] maxAssetsBytesPerDocument holds over all assets of a document, at it and one past", async () => {
    const docId = await create();
    for (const size of [1_000, 999]) expect((await put("ada", docId, "c".repeat(size))).status).toBe(204);
    expect(await put("ada", docId, "d".repeat(502))).toMatchObject({
      status: 413,
      problem: { code: "too_large", details: { limit: "maxAssetsBytesPerDocument" } },
    });
    expect((await put("ada", docId, "d".repeat(501))).status).toBe(204);
  });

  test("[assets-6] any type is stored; what could run is never shown in place, and no header is forged", async () => {
    const docId = await create();
    for (const [type, disposition, shown = type] of [
      ["text/html", "attachment"],
      ["image/svg+xml", "attachment"],
      ["application/javascript", "attachment"],
      ["IMAGE/PNG", "inline", "image/png"],
      ["text/plain; charset=utf-8", "inline"],
      [undefined, "attachment", "application/octet-stream"],
      ["application/json", "attachment"],
    ] as const) {
      const body = `{"type":"${type}"}`;
      expect((await put("ada", docId, body, type)).status, type).toBe(204);
      const { headers } = await send("ada", "GET", `/documents/${docId}/assets/${sha256(body)}`);
      expect(headers.get("content-type")).toBe(shown);
      expect(headers.get("content-disposition")).toMatch(new RegExp(`^${disposition};`));
    }
    for (const type of ["nonsense", "text/html; x=y", `image/${"p".repeat(255)}`, 'image/png"; a=b'])
      expect(await put("ada", docId, "x", type), type).toMatchObject({
        status: 415,
        problem: {
          code: "invalid",
          detail: "Content-Type: expected a media type such as image/png",
          errors: [{ path: "Content-Type", message: "expected a media type such as image/png" }],
        },
      });
  });
});
