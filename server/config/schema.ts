/**
 * Every configuration key with its default, bounds and meaning. `docs/configuration.md` is checked against this
 * file by a test; the flags and variables are in `sources.ts`.
 */
import { z } from "zod";
import { choice, duration, flag, integer, limit, list, text } from "./fields.ts";

const MiB = 1024 * 1024;
const KiB = 1024;

const origin = z.string().refine((value) => {
  try {
    return new URL(value).origin === value;
  } catch {
    return false;
  }
}, "expected an origin such as https://app.example.com, without a path or a trailing slash");

const url = (protocols: readonly string[], says: string) =>
  text(says).refine(
    (value) => {
      try {
        return protocols.includes(new URL(value).protocol);
      } catch {
        return false;
      }
    },
    `expected a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
  );

const server = z.strictObject({
  host: text("Address to listen on.").default("127.0.0.1"),
  port: integer(9002, 0, 65_535, "Port to listen on; 0 picks a free port."),
  instances: integer(1, 1, 64, "Server processes that share the port."),
  demo: flag(true, "Serve the demo client at `/`."),
  docs: flag(true, "Serve the REST documentation as a page at `/docs`."),
  migrate: flag(
    true,
    "Bring the database schema up to date at start. `false`: the server is not ready (`/readyz`) while the schema is older.",
  ),
  trustedProxies: integer(
    0,
    0,
    10,
    "Number of proxies in front of the server that append an address to `X-Forwarded-For`. The client's address is that many entries from the end.",
  ),
  drainMs: integer(10_000, 100, 300_000, "Maximum time for a shutdown."),
});

const postgres = z.strictObject({
  url: url(
    ["postgres:", "postgresql:"],
    "Connection string, used instead of the separate keys below. With neither, an embedded PostgreSQL is started.",
  ).optional(),
  host: text("Host name of the database server.").optional(),
  port: integer(5432, 1, 65_535, "Port of the database server."),
  user: text("Database user.").default("postgres"),
  password: z.string("expected text").optional().meta({ description: "Password of the database user." }),
  dbName: text("Database name.").default("aetherflow"),
  sslMode: choice(["disable", "require", "verify-full"], "TLS to the database server; see above.").default(
    "disable",
  ),
  maxOpenConns: integer(25, 2, 1_000, "Maximum number of pooled connections of one instance."),
  maxIdleConns: integer(5, 0, 1_000, "Pooled connections that are kept open when idle."),
});

const store = z.strictObject({
  type: choice(
    ["postgres", "memory"],
    "Where documents are stored. `memory` loses everything on restart and supports one instance only.",
  ).default("postgres"),
  dataDir: text("Folder of the embedded database.").default("./.aetherflow"),
  postgres: postgres.prefault({}),
});

const manager = z
  .strictObject({
    lockTimeout: duration("30s", "1s", "5m", "Lease time of a lock that is requested without `ttlMs`."),
    cleanupInterval: duration(
      "5m",
      "1s",
      "1d",
      "How often expired locks are marked as ended in the database.",
    ),
    autoResolveConflicts: flag(
      true,
      "New documents get the conflict policy `lww`. `false`: `manual`, under which conflicts wait until somebody resolves them.",
    ),
  })
  .transform(({ lockTimeout, cleanupInterval, ...rest }) => ({
    lockTimeoutMs: lockTimeout,
    cleanupIntervalMs: cleanupInterval,
    ...rest,
  }));

/** Algorithms of a JWKS; a shared secret is always HS256. */
export const jwksAlgorithms = ["RS256", "ES256", "EdDSA"] as const;

const auth = z.strictObject({
  mode: choice(
    ["dev", "jwt"],
    "`dev`: anybody gets a token from `POST /v1/dev/token`. Default: `jwt` if a secret or a JWKS URL is configured, otherwise `dev`.",
  ).optional(),
  jwtSecret: text("Shared secret for HS256 tokens.").optional(),
  jwtSecretFile: text("File that contains the shared secret.").optional(),
  jwksUrl: url(["https:", "http:"], "URL of the token issuer's public keys.").optional(),
  algorithms: list(
    z.enum(jwksAlgorithms, `expected some of ${jwksAlgorithms.join(", ")}`),
    `Algorithms allowed for tokens that are verified with the JWKS. Empty: ${jwksAlgorithms.join(", ")}.`,
  ),
  issuer: text("Required `iss` of a token.").optional(),
  audience: text("Required `aud` of a token.").optional(),
  allowedOrigins: list(
    origin,
    "Origins, in addition to the server's own, whose pages may connect (CORS and WebSocket).",
  ),
});

const limits = z.strictObject({
  maxMessageBytes: limit(MiB, "Maximum size of a message from a client."),
  maxServerMessageBytes: limit(
    MiB,
    "Maximum size of the elements and operations in one frame from the server.",
  ),
  maxOpsPerSubmit: limit(1_000, "Maximum number of operations in one submit."),
  maxInFlight: limit(64, "Maximum number of unanswered submits of one session."),
  maxInFlightBytes: limit(
    8 * MiB,
    "Maximum total size of the unanswered submits of one session; a single submit may be larger.",
  ),
  opsPerSecond: limit(2_000, "Operations per second of one session."),
  maxPresenceBytes: limit(
    4 * KiB,
    "Maximum size of a presence state, as JSON. One of more than 7 KiB is seen on its own instance only.",
  ),
  presencePerSecond: limit(60, "Presence updates per second of one session; more are coalesced."),
  maxElements: limit(100_000, "Maximum number of elements in one document."),
  maxDocumentBytes: limit(64 * MiB, "Maximum size of one document."),
  socketsPerUser: limit(50, "Maximum number of open sockets of one user on one instance."),
  socketsPerAddress: limit(500, "Maximum number of open sockets of one address on one instance."),
  unauthenticatedSockets: limit(
    200,
    "Maximum number of open sockets on one instance that have not sent `hello` yet, or sent it without a token.",
  ),
  requestsPerSecond: limit(
    100,
    "REST requests per second of one user (without a token: of one address) on one instance.",
  ),
  maxSendBufferBytes: limit(
    8 * MiB,
    "Bytes that may wait for one slow reader before its connection is closed with 4413.",
  ),
  locksPerAuthor: limit(1_000, "Maximum number of active locks of one author in one document."),
  maxAssetBytes: limit(10 * MiB, "Maximum size of an asset."),
  maxAssetsBytesPerDocument: limit(KiB * MiB, "Maximum total size of the assets of one document."),
  maxBodyBytes: limit(64 * MiB, "Maximum size of the body of `PUT …/content` and `POST /documents`."),
  webhooksPerUser: limit(20, "Maximum number of webhooks of one user."),
});

const sockets = z.strictObject({
  helloTimeoutMs: integer(5_000, 100, 60_000, "Time within which a connection has to send `hello`."),
  pingMs: integer(10_000, 100, 60_000, "Interval of the server's pings."),
  silenceMs: integer(20_000, 200, 300_000, "Silence after which a connection is dropped."),
});

const presence = z.strictObject({
  frameMs: integer(
    50,
    10,
    1_000,
    "Time over which the presence updates of one document are collected into one frame.",
  ),
  heartbeatMs: integer(3_000, 100, 60_000, "How often an instance renews its lease."),
  leaseMs: integer(12_000, 500, 300_000, "Age at which the lease of an instance counts as expired."),
});

const snapshots = z.strictObject({
  everyOperations: integer(
    1_000,
    10,
    1_000_000,
    "Number of operations after which the changed part of a document's state is written; the whole state of a large document is written less often.",
  ),
  idleMs: integer(30_000, 0, 3_600_000, "Time for which a document without sessions stays open."),
});

const retention = z.strictObject({
  snapshotsPerDocument: integer(
    50,
    2,
    10_000,
    "Number of snapshots kept per document; older ones are thinned out.",
  ),
});

const fanout = z.strictObject({
  antiEntropyMs: integer(1_000, 50, 60_000, "How often open documents are compared with the database."),
  canaryMs: integer(
    2_000,
    100,
    60_000,
    "Interval of the notification with which the listener checks itself.",
  ),
});

const commit = z.strictObject({
  maxBatchOperations: integer(
    2_000,
    1,
    100_000,
    "Maximum number of operations in one call to the database, over all documents.",
  ),
  maxBatchBytes: integer(
    4 * MiB,
    1_024,
    1_024 * MiB,
    "Maximum size of the operations in one call to the database; a single submit may be larger.",
  ),
  flights: integer(3, 1, 32, "Maximum number of concurrent commit calls to the database."),
});

const webhooks = z
  .strictObject({
    allowPrivateAddresses: flag(
      false,
      "Also call webhooks at addresses that are not public. In development mode loopback is always allowed.",
    ),
    timeout: duration("10s", "100ms", "1m", "Maximum time for a receiver to answer."),
    retryFor: duration(
      "1d",
      "1s",
      "30d",
      "How long a delivery is retried. If none arrived in all that time, the webhook is disabled.",
    ),
    firstRetryMs: integer(
      1_000,
      10,
      3_600_000,
      "Wait before the second attempt; it doubles with each attempt, up to an hour.",
    ),
    pollMs: integer(500, 20, 60_000, "How often an idle instance looks for events to deliver."),
    concurrency: integer(64, 1, 1_000, "Maximum number of concurrent webhook calls of one instance."),
  })
  .transform(({ timeout, retryFor, ...rest }) => ({ timeoutMs: timeout, retryForMs: retryFor, ...rest }));

const log = z.strictObject({
  level: choice(
    ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    "Lowest severity that is logged.",
  ).default("info"),
});

const metrics = z.strictObject({
  enabled: flag(true, "Serve `GET /metrics`."),
});

/** The file's shape; what `loadConfig` resolves further is optional here. */
export const configSchema = z.strictObject({
  server: server.prefault({}),
  store: store.prefault({}),
  manager: manager.prefault({}),
  auth: auth.prefault({}),
  limits: limits.prefault({}),
  sockets: sockets.prefault({}),
  presence: presence.prefault({}),
  snapshots: snapshots.prefault({}),
  retention: retention.prefault({}),
  fanout: fanout.prefault({}),
  commit: commit.prefault({}),
  webhooks: webhooks.prefault({}),
  log: log.prefault({}),
  metrics: metrics.prefault({}),
});

/** The configuration as written, every default filled in. */
export type ParsedConfig = z.output<typeof configSchema>;

/** One leaf of the schema. */
export interface ConfigKey {
  /** Dotted, as in the file. */
  readonly key: string;
  readonly schema: z.ZodType;
  readonly says: string;
  /** The default, undefined when there is none. Durations in milliseconds. */
  readonly initial: unknown;
  readonly isDuration: boolean;
  /** The values that it takes, as people read it; empty for text. */
  readonly allows: string;
}

/** Removes what wraps an object schema (defaults, transforms); undefined for a leaf. */
function objectOf(schema: z.ZodType): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema;
  if (schema instanceof z.ZodPrefault) return objectOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return objectOf(schema.in as z.ZodType);
  return undefined;
}

/** Every leaf of the schema, in the file's order. */
export function configKeys(schema: z.ZodType = configSchema, path: readonly string[] = []): ConfigKey[] {
  const object = objectOf(schema);
  if (object !== undefined) {
    return Object.entries(object.shape).flatMap(([name, part]) =>
      configKeys(part as z.ZodType, [...path, name]),
    );
  }
  let described: z.ZodType = schema;
  // `.optional()` and `.default()` wrap the leaf that carries the description.
  while (
    described.meta()?.description === undefined &&
    (described instanceof z.ZodOptional || described instanceof z.ZodDefault)
  ) {
    described = described.unwrap() as z.ZodType;
  }
  const meta = described.meta();
  const initial = schema.safeParse(undefined);
  return [
    {
      key: path.join("."),
      schema,
      says: meta?.description ?? "",
      initial: initial.success ? initial.data : undefined,
      isDuration: meta?.kind === "duration",
      allows: typeof meta?.allows === "string" ? meta.allows : "",
    },
  ];
}
