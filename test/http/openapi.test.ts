import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { OpenAPIV3_1 } from "openapi-types";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorCode, errorCodes } from "../../shared/protocol/codes.ts";
import { chromiumPath, createPerson, launchBrowser } from "../demo/browser.ts";
import { caller, useInstance } from "./setup.ts";

const running = useInstance("memory", {});

describe("/v1/openapi.json", () => {
  let description: OpenAPIV3_1.Document;
  const operations = () =>
    Object.entries(description.paths ?? {}).flatMap(([route, item]) =>
      Object.entries(item ?? {}).map(([method, operation]) => ({
        name: `${method} ${route}`,
        route,
        operation: operation as OpenAPIV3_1.OperationObject,
      })),
    );
  beforeAll(async () => {
    description = (await (await fetch(`${running().url}/v1/openapi.json`)).json()) as OpenAPIV3_1.Document;
  });

  test("[openapi-1] is valid OpenAPI 3.1", async () => {
    const result = await new Validator().validate(
      structuredClone(description) as object as Record<string, unknown>,
    );
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(description.openapi).toBe("3.1.0");
  });

  test("[openapi-2] every route says what it does, takes and answers", () => {
    expect(operations().length).toBeGreaterThan(10);
    const tags = new Set(description.tags?.map(({ name }) => name));
    for (const { name, route, operation } of operations()) {
      expect(operation.summary, name).toMatch(/^\S.+/);
      expect(operation.tags, name).toHaveLength(1);
      expect(tags.has(operation.tags?.[0] ?? ""), `${name}: tag ${operation.tags}`).toBe(true);
      const parameters = (operation.parameters ?? []) as OpenAPIV3_1.ParameterObject[];
      for (const [, parameter] of route.matchAll(/\{(\w+)\}/g)) {
        const found = parameters.find((one) => one.in === "path" && one.name === parameter);
        expect(found?.description, `${name}: ${parameter}`).toMatch(/\w/);
      }
      const { default: problem, ...statuses } = operation.responses ?? {};
      expect(problem, name).toMatchObject({ content: { "application/problem+json": {} } });
      const errors = Object.entries(statuses).filter(([status]) => /^4\d\d$/.test(status));
      for (const [status, error] of errors) {
        const { description: codes, ...rest } = error as OpenAPIV3_1.ResponseObject;
        expect({ description: expect.any(String), ...rest }, `${name}: ${status}`).toEqual({
          ...problem,
          description: expect.any(String),
        });
        for (const code of codes.split(", "))
          expect(errorCodes[code.replaceAll("`", "") as ErrorCode]?.http, code).toBe(Number(status));
      }
      const good = Object.fromEntries(Object.entries(statuses).filter(([status]) => !/^4\d\d$/.test(status)));
      expect(
        Object.keys(good).every((status) => /^2\d\d$/.test(status)),
        name,
      ).toBe(true);
      expect(Object.keys(good).length, name).toBeGreaterThan(0);
      expect(operation.security, name).toBeDefined();
      if (good["204"] !== undefined) expect(good["204"]).not.toHaveProperty("content");
    }
  });

  test("[openapi-4] every route says how it refuses: a bad token, too many requests, and what it looks for", () => {
    const statuses = (name: string) =>
      Object.keys(operations().find((one) => one.name === name)?.operation.responses ?? {}).join(" ");
    for (const { name, route, operation } of operations()) {
      expect(Object.keys(operation.responses ?? {}), name).toEqual(
        expect.arrayContaining(["400", "401", "429", ...(route.includes("{") ? ["404"] : [])]),
      );
    }
    const document = "/v1/documents/{docId}";
    expect(statuses("post /v1/documents")).toBe("201 400 401 409 413 422 429 default");
    expect(statuses(`patch ${document}`)).toBe("200 400 401 403 404 412 429 default");
    expect(statuses(`post ${document}/operations`)).toBe(
      "200 400 401 403 404 409 410 413 422 423 429 default",
    );
    expect(statuses(`put ${document}/content`)).toBe(
      "200 400 401 403 404 409 412 413 422 423 428 429 default",
    );
    expect(statuses(`get ${document}/content`)).toBe("200 400 401 404 410 429 default");
  });

  test("[openapi-5] it names the package's version, and every schema in it is referred to", async () => {
    const manifest = await readFile(path.resolve(import.meta.dirname, "../../package.json"), "utf8");
    expect(description.info.version).toBe(JSON.parse(manifest).version);
    const all = JSON.stringify(description);
    const names = Object.keys(description.components?.schemas ?? {});
    expect(names).toContain("Document");
    expect(names.filter((name) => !all.includes(`"#/components/schemas/${name}"`))).toEqual([]);
    for (const [, name = ""] of all.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      expect(names).toContain(name);
  });

  test("[openapi-3] every body of JSON has an example that can be sent as it stands", () => {
    const bodies = operations().flatMap(({ name, operation }) => {
      const body = operation.requestBody as OpenAPIV3_1.RequestBodyObject | undefined;
      const json = body?.content["application/json"];
      return json === undefined ? [] : [{ name, json }];
    });
    expect(bodies.length).toBeGreaterThan(8);
    // That of a choice is lost on the way through @fastify/swagger 9.9.
    const isLost = (name: string) => name.endsWith("/resolve");
    const without = bodies.filter(({ json }) => json.example === undefined && json.examples === undefined);
    expect(without.map(({ name }) => name).filter((name) => !isLost(name))).toEqual([]);
  });
});

describe.skipIf(chromiumPath === undefined)("the page at /docs", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  test("[docs-1] shows every route, asks nobody else, breaks no policy, and can be tried out", async () => {
    const { page, problems } = await createPerson(browser);
    await page.goto(`${running().url}/docs`);
    await page.waitForSelector(".opblock-summary", { timeout: 30_000 });
    expect(await page.title()).toBe("AetherFlow REST");
    expect(await page.locator("[data-path='/v1/documents/{docId}']").count()).toBe(3);
    expect(await page.locator(".info a.link").first().getAttribute("href")).toMatch(/\/v1\/openapi\.json$/);
    // A token is taken everywhere but where one is given: nothing looks locked or open before there is one.
    expect(await page.locator(".opblock .authorization__btn.locked").count()).toBe(0);
    if (process.env.SCREENSHOTS !== undefined) {
      await mkdir(process.env.SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, "docs.png"), fullPage: true });
    }
    const tokens = page.locator(".opblock", { has: page.locator("[data-path='/v1/dev/token']") });
    await tokens.locator(".opblock-summary-control").click();
    await tokens.locator(".try-out__btn").click();
    await tokens.locator(".execute").click();
    await tokens.locator(".live-responses-table .response-col_status").first().waitFor();
    expect(await tokens.locator(".live-responses-table .response-col_status").last().textContent()).toMatch(
      /^200/,
    );
    if (process.env.SCREENSHOTS !== undefined)
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, "docs-open.png"), fullPage: true });
    expect(problems).toEqual([]);
  });

  test("[docs-2] has a policy of its own, stricter than the demo's, and can be switched off", async () => {
    const { headers } = await fetch(`${running().url}/docs`);
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/script-src 'self';/);
    const api = await fetch(`${running().url}/v1/openapi.json`);
    expect(api.headers.get("content-security-policy")).not.toContain("default-src 'none'");
    expect(await (await fetch(`${running().url}/docs/json`)).json()).toEqual(await api.json());
  });
});

describe("without server.docs", () => {
  const quiet = useInstance("memory", { server: { docs: false, port: 0 } });
  const nobody = caller(quiet, undefined);

  test("[docs-3] there is nothing at /docs, and the description is still there", async () => {
    expect((await fetch(`${quiet().url}/docs`)).status).toBe(404);
    expect((await nobody("GET", "/openapi.json")).status).toBe(200);
  });
});
