/** Instances over both stores, and callers with tokens, for the tests of REST. */
import { SignJWT } from "jose";
import { afterAll, beforeAll } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { type ConfigChange, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

export const stores = ["memory", "postgres"] as const;

export const secret = "a secret of the tests, 32 bytes or more";

/** A token for a user, signed as a token issuer would. */
export function token(user: string, claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ exp: Math.floor(Date.now() / 1_000) + 600, ...claims, sub: user })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

/** Verifies the tokens of `token`. */
export const jwtAuth: ConfigChange = {
  auth: {
    mode: "jwt",
    key: { kind: "secret", secret },
    issuer: undefined,
    audience: undefined,
    allowedOrigins: [],
  },
};

export interface Running {
  readonly url: string;
  readonly instance: Instance;
}

/** One instance for the tests of a `describe`. */
export function useInstance(store: (typeof stores)[number], change: ConfigChange = jwtAuth): () => Running {
  let database: TestDatabase | undefined;
  let instance: Instance | undefined;
  beforeAll(async () => {
    database = store === "postgres" ? await createTestDatabase() : undefined;
    instance = await startTestInstance(database?.url, change);
  });
  afterAll(async () => {
    await instance?.close();
    await database?.drop();
  });
  return () => {
    if (instance === undefined) throw new Error("not started");
    return { url: instance.url, instance };
  };
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly body: any;
  readonly headers: Headers;
}

/** Somebody who calls REST. */
export type Caller = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export const caller =
  (running: () => Running, of: string | undefined): Caller =>
  async (method, path, body, headers) =>
    rest(running().url, of === undefined ? undefined : await token(of), method, path, body, headers);
