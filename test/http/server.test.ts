import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTokens } from "../../server/access/tokens.ts";
import { loadConfig } from "../../server/config.ts";
import { createHttp } from "../../server/http/app.ts";
import type { App } from "../../server/http/route.ts";
import { createLog } from "../../server/observability/log.ts";
import { createMetrics, type Metrics } from "../../server/observability/metrics.ts";
import type { DocumentEdits } from "../../server/room/edits.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { StoreUnavailable } from "../../server/store/store.ts";
import { devToken, rest } from "../instances/start.ts";
import { caller, jwtAuth, secret, token, useInstance } from "./setup.ts";

describe("the rate of requests", () => {
  const perSecond = 5;
  const running = useInstance("memory", { ...jwtAuth, limits: { requestsPerSecond: perSecond } });

  test("[rest/limits] requestsPerSecond holds for each user apart and says when to come back", async () => {
    const mallory = caller(running, "mallory");
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 60 }, () => mallory("GET", "/documents")));
    const allowed = perSecond + ((performance.now() - startedAt) / 1_000) * perSecond;
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    const passed = answers.filter(({ status }) => status === 200).length;
    expect(passed).toBeGreaterThanOrEqual(perSecond);
    expect(passed).toBeLessThanOrEqual(Math.ceil(allowed));
    expect(refused[0]?.body).toMatchObject({
      code: "rate_limited",
      details: { retryAfterMs: expect.any(Number) },
    });
    expect(Number(refused[0]?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await caller(running, "frank")("GET", "/documents")).status).toBe(200);
  });
});

describe("what every answer has", () => {
  const origin = "https://app.example.com";
  const running = useInstance("memory", {
    ...jwtAuth,
    auth: { ...jwtAuth.auth, allowedOrigins: [origin] },
    limits: { maxMessageBytes: 2_000, maxBodyBytes: 4_000 },
  });
  const ada = caller(running, "ada");
  const raw = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${running().url}${path}`, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };

  test("[rest/problem] every error is a problem document, routes that do not exist too", async () => {
    for (const [path, init, status, code] of [
      ["/v1/nothing", {}, 404, "not_found"],
      ["/nothing.html", {}, 404, "not_found"],
      ["/v1/documents", { method: "POST" }, 401, "unauthenticated"],
      ["/v1/documents/%E0%A4%A", {}, 400, "invalid"],
    ] as const) {
      const answer = await raw(path, init);
      expect(answer.headers.get("content-type"), path).toMatch(/^application\/problem\+json/);
      expect(JSON.parse(answer.text)).toMatchObject({
        status,
        code,
        title: expect.any(String),
        type: expect.any(String),
        detail: expect.any(String),
      });
      expect(answer.status).toBe(status);
    }
  });

  test("[rest/problem] bodies: no JSON 400, another type 415, over the limit 413, at it 201", async () => {
    const post = async (body: string, type = "application/json", path = "/v1/documents") =>
      raw(path, {
        method: "POST",
        body,
        headers: { "content-type": type, authorization: `Bearer ${await token("eve")}` },
      });
    expect((await post("{")).status).toBe(400);
    expect((await post("")).status).toBe(400);
    expect((await post("[]")).status).toBe(400);
    expect((await post('{"name":"x"}', "text/plain")).status).toBe(415);
    const sized = (bytes: number) => `{"name":"x"${" ".repeat(bytes - 12)}}`;
    expect((await post(sized(4_000))).status).toBe(201);
    const over = await post(sized(4_001));
    expect(over.status).toBe(413);
    expect(JSON.parse(over.text)).toMatchObject({ code: "too_large", details: { limit: "maxBodyBytes" } });
    const operations = await post(`{"ops":[]${" ".repeat(2_000)}}`, undefined, "/v1/documents/x/operations");
    expect(JSON.parse(operations.text)).toMatchObject({
      code: "too_large",
      details: { limit: "maxMessageBytes" },
    });
  });

  test("[rest/problem] a refused upgrade is told as REST tells: the same type, code and kind of answer", async () => {
    const upgrade = (path: string, headers: Record<string, string>) =>
      new Promise<{ status: number | undefined; type: string | undefined; body: unknown }>(
        (resolve, reject) => {
          const sent = request(`${running().url}${path}`, {
            headers: { connection: "Upgrade", upgrade: "websocket", ...headers },
          });
          sent.on("error", reject).on("response", async (response) => {
            const { statusCode: status, headers } = response;
            resolve({ status, type: headers["content-type"], body: JSON.parse(await text(response)) });
          });
          sent.end();
        },
      );
    const path = "/v1/documents/0190b8f0-0000-7000-8000-000000000000/ws";
    const offers = { "sec-websocket-protocol": "aetherflow.v1" };
    for (const [to, headers, status, code] of [
      [path, {}, 400, "invalid"],
      [path, { ...offers, origin: "https://evil.example" }, 403, "forbidden"],
      ["/v1/nothing", offers, 404, "not_found"],
    ] as const) {
      const { headers: asked } = await raw("/v1/nothing");
      expect(await upgrade(to, headers)).toEqual({
        status,
        type: asked.get("content-type"),
        body: {
          type: `urn:aetherflow:problem:${code}`,
          title: expect.any(String),
          status,
          detail: expect.stringMatching(/\w/),
          code,
        },
      });
    }
  });

  test("[rest/problem] another method than those of an address: 405, which names them; 404 where nothing is", async () => {
    const document = "/v1/documents/0190b8f0-0000-7000-8000-000000000000";
    for (const [method, path, allow] of [
      ["PUT", "/v1/documents", "POST, GET, HEAD"],
      ["POST", document, "GET, HEAD, PATCH, DELETE"],
      ["DELETE", `${document}/assets/${"0".repeat(64)}`, "PUT, GET, HEAD"],
      ["PATCH", "/v1/openapi.json", "GET, HEAD"],
    ] as const) {
      // No token and no body that the address could take: neither would help.
      const answer = await raw(path, { method, body: "x" });
      expect(answer.status, path).toBe(405);
      expect(answer.headers.get("allow"), path).toBe(allow);
      expect(JSON.parse(answer.text)).toMatchObject({ status: 405, code: "invalid" });
    }
    expect((await raw("/v1/nothing", { method: "PUT" })).status).toBe(404);
    expect((await raw("/healthz", { method: "PUT" })).status).toBe(404);
  });

  test("[rest/problem] the WebSocket address says what it is for", async () => {
    const answer = await raw("/v1/documents/0190b8f0-0000-7000-8000-000000000000/ws");
    expect(answer.status).toBe(426);
    expect(answer.headers.get("upgrade")).toBe("websocket");
    expect(JSON.parse(answer.text)).toMatchObject({
      code: "invalid",
      detail: expect.stringContaining("aetherflow.v1"),
    });
  });

  test("[security] CORS admits exactly the configured origins and exposes ETag", async () => {
    const preflight = (from: string) =>
      raw("/v1/documents", {
        method: "OPTIONS",
        headers: { origin: from, "access-control-request-method": "PATCH" },
      });
    const allowed = await preflight(origin);
    expect(allowed.headers.get("access-control-allow-origin")).toBe(origin);
    expect(allowed.headers.get("access-control-allow-methods")).toContain("PATCH");
    const got = await raw("/v1/documents?public=true", { headers: { origin } });
    expect(got.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("etag");
    for (const from of [
      "null",
      "https://app.example.com.evil.org",
      "http://app.example.com",
      "https://APP.example.com:8443",
    ]) {
      expect((await preflight(from)).headers.get("access-control-allow-origin"), from).toBeNull();
    }
  });

  test("[security] a strict content security policy and nosniff on every answer", async () => {
    const { headers } = await raw("/healthz");
    expect(headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(headers.get("content-security-policy")).toContain("object-src 'none'");
    expect(headers.get("content-security-policy")).not.toContain("upgrade-insecure-requests");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("[rest/auth] a bad token is refused wherever it comes, also where none is needed", async () => {
    const expired = await token("ada", { exp: Math.floor(Date.now() / 1_000) - 1 });
    for (const bad of [expired, "x", `${await token("ada")}x`]) {
      const answer = await rest(running().url, bad, "GET", "/documents?public=true");
      expect(answer).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
    expect(
      (await raw("/v1/documents?public=true", { headers: { authorization: "Basic YTpi" } })).status,
    ).toBe(401);
  });

  test("[rest/stats] counts; dev/token does not exist in jwt mode", async () => {
    const { status, body } = await ada("GET", "/stats");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      documents: { total: expect.any(Number), active: expect.any(Number), archived: 0 },
      operations: expect.any(Number),
      conflicts: { total: 0, resolved: 0 },
      locks: { active: 0 },
      sessions: 0,
      instances: expect.any(Number),
    });
    expect((await raw("/v1/stats")).status).toBe(401);
    expect((await ada("POST", "/dev/token", { user: "x" })).status).toBe(404);
    const asked = await raw("/v1/dev/token", { method: "POST", body: "user=x" });
    expect(JSON.parse(asked.text)).toMatchObject({
      status: 404,
      code: "not_found",
      detail: "only in development mode; see docs/authentication.md",
    });
  });

  test("[rest/openapi] the document names every route that exists and no secret one", async () => {
    const { paths } = JSON.parse((await raw("/v1/openapi.json")).text) as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([route, methods]) =>
      Object.keys(methods).map((method) => `${method} ${route}`),
    );
    expect(routes.sort()).toEqual(
      [
        "post /v1/documents",
        "get /v1/documents/{docId}/conflicts",
        "get /v1/documents/{docId}/conflicts/{conflictId}",
        "post /v1/documents/{docId}/conflicts/{conflictId}/resolve",
        "get /v1/documents",
        "get /v1/documents/{docId}",
        "patch /v1/documents/{docId}",
        "delete /v1/documents/{docId}",
        "get /v1/documents/{docId}/content",
        "put /v1/documents/{docId}/content",
        "get /v1/documents/{docId}/operations",
        "post /v1/documents/{docId}/operations",
        "get /v1/documents/{docId}/locks",
        "post /v1/documents/{docId}/locks",
        "delete /v1/documents/{docId}/locks/{lockId}",
        "get /v1/documents/{docId}/versions",
        "post /v1/documents/{docId}/versions",
        "delete /v1/documents/{docId}/versions/{name}",
        "post /v1/documents/{docId}/restore",
        "post /v1/documents/{docId}/revert",
        "get /v1/documents/{docId}/blame",
        "get /v1/documents/{docId}/sessions",
        "put /v1/documents/{docId}/assets/{sha256}",
        "get /v1/documents/{docId}/assets/{sha256}",
        "get /v1/stats",
      ].sort(),
    );
  });

  test("[metrics] the names of section 7 are there, health and metrics are not limited", async () => {
    await ada("POST", "/documents", { name: "m", elements: { a: {} } });
    for (let count = 0; count < 40; count++) expect((await raw("/healthz")).status).toBe(200);
    const { text } = await raw("/metrics");
    for (const name of [
      ...["sessions", "rooms", "operations_total", "rejects_total", "conflicts_total", "commit_seconds"],
      ...["commit_batch_size", "fanout_lag_seconds", "notify_queue_usage", "send_buffer_bytes"],
    ]) {
      expect(text).toContain(`# TYPE aetherflow_${name} `);
    }
    expect(text).toMatch(/^aetherflow_operations_total [1-9]/m);
    for (const line of text.split("\n")) expect(line).toMatch(/^(#|aetherflow_|$)/);
  });
});

describe("development mode", () => {
  const running = useInstance("memory", {});

  test("[rest/dev-token] gives anybody a token that works; reserved ids are refused", async () => {
    const { url } = running();
    const made = await rest<{ token: string; expiresAt: string }>(url, undefined, "POST", "/dev/token", {
      user: "ada",
      name: "Ada",
    });
    expect(made.status).toBe(200);
    expect(Date.parse(made.body.expiresAt)).toBeGreaterThan(Date.now());
    expect((await rest(url, made.body.token, "POST", "/documents", { name: "x" })).status).toBe(201);
    expect(await devToken(url, "bob")).not.toBe("");
    for (const body of [{}, { user: "" }, { user: "anonymous:x" }, { user: "x".repeat(256) }]) {
      expect((await rest(url, undefined, "POST", "/dev/token", body)).status).toBe(400);
    }
  });
});

describe("with parts that fail", () => {
  let app: App;
  let metrics: Metrics;
  let url = "";
  let demoDir = "";
  let reason: string | undefined;
  let failure: Error = new StoreUnavailable("gone");
  let logged: Record<string, unknown>[] = [];

  beforeAll(async () => {
    demoDir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-demo-"));
    await writeFile(path.join(demoDir, "index.html"), "<!doctype html><title>demo</title>");
    await mkdir(path.join(demoDir, "assets"));
    await writeFile(path.join(demoDir, "assets", "main-abc.js"), "export {};");
    const config = { ...loadConfig({ flags: { store: "memory" }, env: { AETHERFLOW_JWT_SECRET: secret } }) };
    const store = createMemoryStore({ nowMs: Date.now, newId: () => crypto.randomUUID() });
    metrics = createMetrics();
    const fails = () => Promise.reject(failure);
    const edits: DocumentEdits = {
      submit: fails,
      resolve: fails,
      replaceContent: fails,
      content: fails,
      sessions: fails,
      locks: fails,
      takeLock: fails,
      releaseLock: fails,
      metadataChanged: fails,
      documentChanged() {},
    };
    app = await createHttp({
      config,
      store: { ...store, documents: { ...store.documents, get: fails } },
      edits,
      history: { contentAt: fails, restore: fails, revert: fails, blame: fails },
      tokens: createTokens({ auth: config.auth, store, makeSecret: () => "x", now: Date.now }),
      metrics,
      log: createLog({ level: "warn", destination: { write: (line) => void logged.push(JSON.parse(line)) } }),
      readiness: async () => reason,
      webhookUrlProblem: () => undefined,
      makeSecret: () => "secret",
      newId: () => crypto.randomUUID(),
      nowMs: Date.now,
      version: "0.0.0",
      demoDir,
    });
    url = await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterAll(async () => {
    await app.close();
    metrics.close();
    await rm(demoDir, { recursive: true });
  });

  test("[readyz] 503 with the reason, healthz stays 200", async () => {
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    reason = "the database does not answer";
    const response = await fetch(`${url}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "unavailable", detail: reason });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("[rest/problem] an outage answers 503 unavailable with Retry-After, a bug 500 without its message", async () => {
    const get = async () => rest(url, await token("ada"), "GET", `/documents/${crypto.randomUUID()}`);
    const outage = await get();
    expect(outage).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(outage.headers.get("retry-after")).toBe("1");
    failure = new Error("secret row content");
    const bug = await get();
    expect(bug).toMatchObject({ status: 500, body: { code: "internal" } });
    expect(JSON.stringify(bug.body)).not.toContain("secret row content");
  });

  test("[log] an outage and a bug are logged once each, with cause and SQLSTATE, a bug with its stack, without credentials", async () => {
    const get = async () => rest(url, await token("ada"), "GET", `/documents/${crypto.randomUUID()}`);
    const sql = Object.assign(new Error("terminating postgres://u:hunter2@db/x"), {
      code: "57P01",
      detail: "a row",
    });
    failure = new StoreUnavailable("gone", { cause: sql });
    logged = [];
    await get();
    failure = new Error("a bug", { cause: sql });
    await get();
    const cause = { type: "Error", code: "57P01", message: "terminating postgres://[redacted]@db/x" };
    expect(logged).toMatchObject([
      { level: "warn", method: "GET", err: { type: "StoreUnavailable", message: "gone", cause } },
      {
        level: "error",
        err: { type: "Error", message: "a bug", stack: expect.stringContaining("at "), cause },
      },
    ]);
    // Who noticed an outage says nothing about it.
    expect(JSON.stringify(logged[0])).not.toContain('"stack"');
    expect(JSON.stringify(logged)).not.toMatch(/hunter2|a row|object Object/);
  });

  test("[demo] the page is served at /, a missing file answers 404 and not the page", async () => {
    const page = await fetch(`${url}/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("demo");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    const asset = await fetch(`${url}/assets/main-abc.js`);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect((await fetch(`${url}/fonts/missing.woff2`)).status).toBe(404);
    expect((await fetch(`${url}/../package.json`)).status).toBe(404);
    expect((await fetch(`${url}/%2e%2e/package.json`)).status).toBe(404);
  });
});
