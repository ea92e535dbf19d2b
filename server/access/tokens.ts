/** Verifies and, where this server has the secret, signs JSON Web Tokens. */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { isText } from "../../shared/document/json.ts";
import type { AuthConfig } from "../config.ts";
import type { Identity } from "./identity.ts";

/** `unavailable`: the keys could not be fetched, the token may be good. */
export type Verified =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly reason: "invalid" | "expired" | "unavailable"; readonly message: string };

export interface TokenClaims {
  readonly user: string;
  readonly name?: string;
  readonly docs?: { readonly [docId: string]: "owner" | "editor" | "viewer" };
  readonly ttlMs: number;
}

export interface SignedToken {
  readonly token: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

export interface Tokens {
  /** Checks signature, algorithm, `exp`, and `iss` and `aud` where configured. Throws when the store is needed and does not answer. */
  verify(token: string): Promise<Verified>;
  /** Signs with the configured secret or the one of development mode. Throws for a JWKS, whose private keys are elsewhere. */
  sign(claims: TokenClaims): Promise<SignedToken>;
}

export interface TokenParts {
  readonly auth: AuthConfig;
  /** Keeps the secret of development mode, so that all instances share it. */
  readonly store: { secret(name: string, make: () => string): Promise<string> };
  /** Makes a new secret of at least 256 bits. */
  readonly makeSecret: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The reserved beginning of what callers without a token are called. */
export const anonymousPrefix = "anonymous:";

/** A user id: what the database can keep, and nothing that looks anonymous. */
export const userIdSchema = z
  .string()
  .min(1)
  .max(255)
  .refine((id) => !id.startsWith(anonymousPrefix), `must not begin with ${anonymousPrefix}`)
  .refine(isText, "contains characters that cannot be stored");

const claimsSchema = z.object({
  sub: userIdSchema,
  exp: z.number(),
  name: z.string().max(255).refine(isText).optional(),
  color: z.string().max(64).refine(isText).optional(),
  docs: z.record(z.string(), z.enum(["owner", "editor", "viewer"])).optional(),
});

/** Makes the verifier of one instance. Nothing is fetched before the first token comes. */
export function createTokens({ auth, store, makeSecret, now }: TokenParts): Tokens {
  const expected: JWTVerifyOptions = {
    requiredClaims: ["exp", "sub"],
    ...(auth.issuer === undefined ? {} : { issuer: auth.issuer }),
    ...(auth.audience === undefined ? {} : { audience: auth.audience }),
  };
  const { key } = auth;
  const jwks = key.kind === "jwks" ? createRemoteJWKSet(new URL(key.url)) : undefined;
  let kept: Uint8Array | undefined = key.kind === "secret" ? new TextEncoder().encode(key.secret) : undefined;

  async function secret(): Promise<Uint8Array> {
    // Remembered once it is there; a failure is not, so that the next token asks again.
    kept ??= new TextEncoder().encode(await store.secret("dev-jwt", makeSecret));
    return kept;
  }

  async function payloadOf(token: string): Promise<JWTPayload> {
    const options = { ...expected, currentDate: new Date(now()) };
    if (key.kind === "jwks" && jwks !== undefined) {
      return (await jwtVerify(token, jwks, { ...options, algorithms: [...key.algorithms] })).payload;
    }
    return (await jwtVerify(token, await secret(), { ...options, algorithms: ["HS256"] })).payload;
  }

  return {
    async verify(token) {
      let payload: JWTPayload;
      try {
        payload = await payloadOf(token);
      } catch (error) {
        if (error instanceof errors.JWTExpired)
          return { ok: false, reason: "expired", message: "the token has expired" };
        if (error instanceof errors.JWKSTimeout)
          return { ok: false, reason: "unavailable", message: "the key server did not answer" };
        // jose throws a plain JOSEError for a bad answer of the key server, and fetch a TypeError for none.
        if (
          key.kind === "jwks" &&
          (!(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC")
        ) {
          return { ok: false, reason: "unavailable", message: "the key server did not answer" };
        }
        if (error instanceof errors.JOSEError)
          return { ok: false, reason: "invalid", message: reasonOf(error) };
        throw error;
      }
      const claims = claimsSchema.safeParse(payload);
      if (!claims.success) {
        return {
          ok: false,
          reason: "invalid",
          message: `claim ${claims.error.issues[0]?.path[0]?.toString() ?? ""} is not valid`,
        };
      }
      const { sub, exp, name, color, docs } = claims.data;
      return {
        ok: true,
        identity: {
          userId: sub,
          expiresAt: exp * 1_000,
          ...(name === undefined ? {} : { name }),
          ...(color === undefined ? {} : { color }),
          ...(docs === undefined
            ? {}
            : { docs: new Map(Object.entries(docs).map(([docId, role]) => [docId.toLowerCase(), role])) }),
        },
      };
    },

    async sign({ user, name, docs, ttlMs }) {
      if (key.kind === "jwks")
        throw new Error("tokens are signed by whoever holds the keys of the JWKS, not by this server");
      // `exp` counts whole seconds.
      const expiresAt = Math.floor((now() + ttlMs) / 1_000);
      const jwt = new SignJWT({
        ...(name === undefined ? {} : { name }),
        ...(docs === undefined ? {} : { docs }),
      })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setSubject(user)
        .setIssuedAt(Math.floor(now() / 1_000))
        .setExpirationTime(expiresAt);
      if (auth.issuer !== undefined) jwt.setIssuer(auth.issuer);
      if (auth.audience !== undefined) jwt.setAudience(auth.audience);
      return { token: await jwt.sign(await secret()), expiresAt: new Date(expiresAt * 1_000).toISOString() };
    },
  };
}

/** What may be told about a refused token: the rule that it broke, never its content. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `claim ${error.claim} is missing or not as expected`;
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not allowed";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature is wrong";
  return "the token cannot be read";
}
