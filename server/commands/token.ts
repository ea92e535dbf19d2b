/** `aetherflow token`: a JWT signed with the configured secret. */
import { randomBytes } from "node:crypto";
import type { z } from "zod";
import { isUuid } from "../../shared/document/identifier.ts";
import type { Role } from "../../shared/protocol/messages.ts";
import { createTokens, type SignedToken, type TokenParts, userIdSchema } from "../access/tokens.ts";
import { ConfigError } from "../config.ts";
import type { DatabasePool } from "../database/pool.ts";
import { createPostgresStore } from "../store/postgres/store.ts";
import {
  type Command,
  commandConfig,
  commandLog,
  databaseOptions,
  readArguments,
  readDuration,
  refusePositionals,
} from "./command.ts";
import { withDatabase } from "./database.ts";

export const tokenCommand: Command = { run };

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("token", args, {
    ...databaseOptions,
    auth: { type: "string" },
    "jwt-secret-file": { type: "string" },
    user: { type: "string" },
    name: { type: "string" },
    doc: { type: "string", multiple: true },
    ttl: { type: "string" },
    json: { type: "boolean" },
  });
  refusePositionals(positionals);
  const config = commandConfig("token", values);
  const user = userIdSchema.safeParse(values.user);
  if (!user.success) throw new ConfigError([`--user: ${userProblem(values.user, user.error)}`]);
  const ttlMs = readDuration("--ttl", values.ttl ?? "1h", 1, "30m, 1h or 7d");
  const docs = Object.fromEntries((values.doc ?? []).map(readGrant));
  const { auth } = config;
  if (auth.key.kind === "jwks") {
    throw new ConfigError(["auth.jwksUrl: tokens are signed by whoever holds the private keys, not here"]);
  }
  const claims = {
    user: user.data,
    ttlMs,
    docs,
    ...(values.name === undefined ? {} : { name: values.name }),
  };
  const sign = (store: TokenParts["store"]) =>
    createTokens({
      auth,
      store,
      makeSecret: () => randomBytes(32).toString("base64url"),
      now: Date.now,
    }).sign(claims);

  let signed: SignedToken;
  if (auth.key.kind === "secret") {
    signed = await sign({ secret: () => Promise.reject(new Error("the secret is configured")) });
  } else if (config.store.type === "memory") {
    throw new ConfigError(["store.type: the memory store keeps no secret; configure AETHERFLOW_JWT_SECRET"]);
  } else {
    const log = commandLog(config);
    const work = (pool: DatabasePool) => sign(createPostgresStore({ pool }));
    signed = await withDatabase(config, log, work, { create: true });
  }
  process.stdout.write(`${values.json === true ? JSON.stringify(signed) : signed.token}\n`);
  return 0;
}

function userProblem(user: string | undefined, { issues }: z.ZodError): string {
  if (user === undefined) return "is required";
  const isLength = issues.some(({ code }) => code === "too_small" || code === "too_big");
  return isLength ? "expected 1 to 255 characters" : (issues[0]?.message ?? "not a user id");
}

function readGrant(grant: string): [docId: string, role: Role] {
  const separator = grant.lastIndexOf(":");
  const docId = grant.slice(0, separator);
  const role = grant.slice(separator + 1);
  if (!isUuid(docId) || (role !== "owner" && role !== "editor" && role !== "viewer")) {
    throw new ConfigError([
      `--doc: expected DOCID:ROLE, a UUID in lower case and a role of owner, editor or viewer, got ${grant}`,
    ]);
  }
  return [docId, role];
}
