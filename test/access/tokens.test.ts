import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTokens } from "../../server/access/tokens.ts";
import type { AuthConfig } from "../../server/config.ts";

const now = Date.parse("2026-01-31T12:00:00.000Z");
const inAnHour = now / 1_000 + 3_600;
const secret = "0123456789abcdef0123456789abcdef";
const base = { issuer: undefined, audience: undefined, allowedOrigins: [] };
const jwt: AuthConfig = { ...base, mode: "jwt", key: { kind: "secret", secret } };
const unused = { secret: () => Promise.reject(new Error("the store is not asked")) };

const tokensOf = (
  auth: AuthConfig,
  store: { secret(name: string, make: () => string): Promise<string> } = unused,
) => createTokens({ auth, store, makeSecret: () => "made once", now: () => now });

const sign = (payload: JWTPayload, key = secret, alg = "HS256") =>
  new SignJWT(payload).setProtectedHeader({ alg }).sign(new TextEncoder().encode(key));

describe("a configured secret", () => {
  test("[auth] sub, name, color and docs become the identity", async () => {
    const docs = { "0197A3C2-7C1E-7A00-8000-000000000001": "editor" };
    const verified = await tokensOf(jwt).verify(
      await sign({ sub: "ada", exp: inAnHour, name: "Ada", color: "#123456", docs }),
    );
    expect(verified).toEqual({
      ok: true,
      identity: {
        userId: "ada",
        name: "Ada",
        color: "#123456",
        docs: new Map([["0197a3c2-7c1e-7a00-8000-000000000001", "editor"]]),
        expiresAt: inAnHour * 1_000,
      },
    });
  });

  test.each<[string, JWTPayload]>([
    ["no exp", { sub: "ada" }],
    ["no sub", { exp: inAnHour }],
    ["an empty sub", { sub: "", exp: inAnHour }],
    ["a sub over 255", { sub: "x".repeat(256), exp: inAnHour }],
    ["an anonymous sub", { sub: "anonymous:12345678", exp: inAnHour }],
    ["\\u0000 in sub", { sub: "a\u0000", exp: inAnHour }],
    ["an unknown role", { sub: "ada", exp: inAnHour, docs: { x: "admin" } }],
    ["not yet valid", { sub: "ada", exp: inAnHour, nbf: now / 1_000 + 10 }],
  ])("[auth] refused: %s", async (_title, payload) => {
    expect(await tokensOf(jwt).verify(await sign(payload))).toMatchObject({ ok: false, reason: "invalid" });
  });

  test("[auth] expired at exp, not before; another secret, another algorithm, none and garbage are refused", async () => {
    const tokens = tokensOf(jwt);
    expect(await tokens.verify(await sign({ sub: "a", exp: now / 1_000 }))).toMatchObject({
      ok: false,
      reason: "expired",
    });
    expect(await tokens.verify(await sign({ sub: "a", exp: now / 1_000 + 1 }))).toMatchObject({ ok: true });
    expect(await tokens.verify(await sign({ sub: "a", exp: inAnHour }, "another secret"))).toMatchObject({
      ok: false,
    });
    expect(await tokens.verify(await sign({ sub: "a", exp: inAnHour }, secret, "HS512"))).toMatchObject({
      ok: false,
    });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    expect(
      await tokens.verify(`${part({ alg: "none" })}.${part({ sub: "a", exp: inAnHour })}.`),
    ).toMatchObject({ ok: false });
    for (const text of ["", "x", "a.b.c"])
      expect(await tokens.verify(text)).toMatchObject({ ok: false, reason: "invalid" });
  });

  test("[auth] iss and aud are checked when configured", async () => {
    const tokens = tokensOf({ ...jwt, issuer: "https://login", audience: "boards" });
    const good = { sub: "a", exp: inAnHour, iss: "https://login", aud: ["boards", "other"] };
    expect(await tokens.verify(await sign(good))).toMatchObject({ ok: true });
    expect(await tokens.verify(await sign({ ...good, iss: "https://evil" }))).toMatchObject({ ok: false });
    expect(await tokens.verify(await sign({ ...good, aud: "other" }))).toMatchObject({ ok: false });
    const own = await tokens.sign({ user: "b", name: "B", ttlMs: 60_000 });
    expect(own.expiresAt).toBe("2026-01-31T12:01:00.000Z");
    expect(await tokens.verify(own.token)).toMatchObject({ ok: true, identity: { userId: "b", name: "B" } });
  });
});

describe("development mode", () => {
  test("[auth] instances share the secret of the store; a failure of the store is not remembered", async () => {
    let kept: string | undefined;
    let fails = true;
    const store = {
      async secret(_name: string, make: () => string) {
        if (fails) throw new Error("no database");
        kept ??= make();
        return kept;
      },
    };
    const dev: AuthConfig = { ...base, mode: "dev", key: { kind: "store" } };
    const [one, two] = [tokensOf(dev, store), tokensOf(dev, store)];
    await expect(one.sign({ user: "ada", ttlMs: 1_000 })).rejects.toThrow("no database");
    fails = false;
    const { token } = await one.sign({ user: "ada", ttlMs: 1_000 });
    expect(await two.verify(token)).toMatchObject({ ok: true, identity: { userId: "ada" } });
  });
});

describe("a JWKS", () => {
  let server: Server;
  let url = "";
  const keys: Record<string, CryptoKey> = {};
  let serve = true;

  beforeAll(async () => {
    const published: object[] = [];
    for (const alg of ["RS256", "ES256", "EdDSA", "PS256"]) {
      const { publicKey, privateKey } = await generateKeyPair(alg);
      keys[alg] = privateKey;
      published.push({ ...(await exportJWK(publicKey)), kid: alg, alg });
    }
    server = createServer((_request, response) => {
      response.statusCode = serve ? 200 : 500;
      response.end(JSON.stringify({ keys: published }));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const jwks = (algorithms = ["RS256", "ES256", "EdDSA"]): AuthConfig => ({
    ...base,
    mode: "jwt",
    key: { kind: "jwks", url, algorithms },
  });
  const signed = (alg: string) =>
    new SignJWT({ sub: "ada", exp: inAnHour })
      .setProtectedHeader({ alg, kid: alg })
      .sign(keys[alg] as CryptoKey);

  test.each(["RS256", "ES256", "EdDSA"])("[auth] %s is verified by its public key", async (alg) => {
    expect(await tokensOf(jwks()).verify(await signed(alg))).toMatchObject({
      ok: true,
      identity: { userId: "ada" },
    });
  });

  test("[auth] the algorithm is pinned: no other of the JWKS, and no secret made of a public key", async () => {
    expect(await tokensOf(jwks()).verify(await signed("PS256"))).toMatchObject({
      ok: false,
      reason: "invalid",
    });
    expect(await tokensOf(jwks(["ES256"])).verify(await signed("RS256"))).toMatchObject({
      ok: false,
      reason: "invalid",
    });
    expect(await tokensOf(jwks()).verify(await sign({ sub: "ada", exp: inAnHour }))).toMatchObject({
      ok: false,
      reason: "invalid",
    });
  });

  test("[auth] a key server that does not answer is an outage, not a bad token", async () => {
    const token = await signed("ES256");
    serve = false;
    expect(await tokensOf(jwks()).verify(token)).toMatchObject({ ok: false, reason: "unavailable" });
    serve = true;
    const nobody: AuthConfig = {
      ...base,
      mode: "jwt",
      key: { kind: "jwks", url: "http://127.0.0.1:1/", algorithms: ["ES256"] },
    };
    expect(await tokensOf(nobody).verify(token)).toMatchObject({ ok: false, reason: "unavailable" });
  });
});
