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
  port: integer(9002, 0, 65_535, "Port to listen on; 0 picks a free one."),
  instances: integer(1, 1, 64, "Server processes that share the port."),
  demo: flag(true, "Serve the demo client at `/`."),
  docs: flag(true, "Serve the description of REST as a page at `/docs`."),
  migrate: flag(
    true,
    "Bring the database schema up to date at start; `false`: not ready (`/readyz`) on an older one.",
  ),
  trustedProxies: integer(
    0,
    0,
    10,
    "How many proxies stand before the server, each adding an address to `X-Forwarded-For`: the client's is that many from its end.",
  ),
  drainMs: integer(10_000, 100, 300_000, "Longest time that a shutdown may take."),
});

const postgres = z.strictObject({
  url: url(
    ["postgres:", "postgresql:"],
    "Connection string; instead of the single keys below. With neither, an embedded PostgreSQL is started.",
  ).optional(),
  host: text("Database server.").optional(),
  port: integer(5432, 1, 65_535, "Port of the database server."),
  user: text("Database user.").default("postgres"),
  password: z.string("expected text").optional().meta({ description: "Password of the database user." }),
  dbName: text("Database name.").default("aetherflow"),
  sslMode: choice(["disable", "require", "verify-full"], "TLS to the database server; see above.").default(
    "disable",
  ),
  maxOpenConns: integer(25, 2, 1_000, "Most pooled connections of one instance."),
  maxIdleConns: integer(5, 0, 1_000, "Connections that stay open when idle."),
});

const store = z.strictObject({
  type: choice(
    ["postgres", "memory"],
    "Where documents live. `memory` loses everything on restart and is for one instance only.",
  ).default("postgres"),
  dataDir: text("Folder of the embedded database.").default("./.aetherflow"),
  postgres: postgres.prefault({}),
});

const manager = z
  .strictObject({
    lockTimeout: duration("30s", "1s", "5m", "Lease of a lock that names no `ttlMs`."),
    cleanupInterval: duration("5m", "1s", "1d", "How often what ended (locks, leases, sessions) is swept."),
    autoResolveConflicts: flag(
      true,
      "New documents get the conflict policy `lww`; `false`: `manual`, where collisions wait for somebody to choose.",
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
    "`dev`: anybody gets a token from `POST /v1/dev/token`. Default: `jwt` when a secret or a JWKS URL is configured, else `dev`.",
  ).optional(),
  jwtSecret: text("Shared secret of HS256 tokens.").optional(),
  jwtSecretFile: text("File that holds the shared secret.").optional(),
  jwksUrl: url(["https:", "http:"], "Where the public keys of the token issuer are.").optional(),
  algorithms: list(
    z.enum(jwksAlgorithms, `expected some of ${jwksAlgorithms.join(", ")}`),
    `Algorithms that a token of the JWKS may use. Empty: ${jwksAlgorithms.join(", ")}.`,
  ),
  issuer: text("Required `iss` of a token.").optional(),
  audience: text("Required `aud` of a token.").optional(),
  allowedOrigins: list(
    origin,
    "Origins, beside the server's own, whose pages may connect (CORS and WebSocket).",
  ),
});

const limits = z.strictObject({
  maxMessageBytes: limit(MiB, "Largest message of a client."),
  maxServerMessageBytes: limit(MiB, "Bytes of elements and operations in one frame of the server."),
  maxOpsPerSubmit: limit(1_000, "Operations of one submit."),
  maxInFlight: limit(64, "Unanswered submits of one session."),
  maxInFlightBytes: limit(
    8 * MiB,
    "Size of the unanswered submits of one session together; a single one may be larger.",
  ),
  opsPerSecond: limit(2_000, "Operations a second of one session."),
  maxPresenceBytes: limit(4 * KiB, "Largest presence state, as JSON."),
  presencePerSecond: limit(60, "Presence updates a second of one session; more are coalesced."),
  maxElements: limit(100_000, "Elements of one document."),
  maxDocumentBytes: limit(64 * MiB, "Size of one document."),
  socketsPerUser: limit(50, "Open sockets of one user on one instance."),
  socketsPerAddress: limit(500, "Open sockets of one address on one instance."),
  unauthenticatedSockets: limit(
    200,
    "Open sockets of one instance that have not said hello, or did so without a token.",
  ),
  requestsPerSecond: limit(
    100,
    "REST requests a second of one user (without a token: of one address) on one instance.",
  ),
  maxSendBufferBytes: limit(8 * MiB, "Bytes that wait for one slow reader before it is closed with 4413."),
  locksPerAuthor: limit(1_000, "Active locks of one author in one document."),
  maxAssetBytes: limit(10 * MiB, "Largest asset."),
  maxAssetsBytesPerDocument: limit(KiB * MiB, "All assets of one document together."),
  maxBodyBytes: limit(64 * MiB, "Largest body of PUT content and of document creation."),
  webhooksPerUser: limit(20, "Webhooks of one user."),
});

const sockets = z.strictObject({
  helloTimeoutMs: integer(5_000, 100, 60_000, "Time until a connection must have said hello."),
  pingMs: integer(10_000, 100, 60_000, "Period of the server's pings."),
  silenceMs: integer(20_000, 200, 300_000, "Silence after which a connection is dropped."),
});

const presence = z.strictObject({
  frameMs: integer(50, 10, 1_000, "Time over which presence of one document is collected into a frame."),
  heartbeatMs: integer(3_000, 100, 60_000, "How often an instance renews its lease."),
  leaseMs: integer(12_000, 500, 300_000, "Age at which the lease of an instance counts as lost."),
});

const snapshots = z.strictObject({
  everyOperations: integer(
    1_000,
    10,
    1_000_000,
    "Operations after which a document's state is written, as far as it changed; the whole of a large one more rarely.",
  ),
  idleMs: integer(30_000, 0, 3_600_000, "Time that a document without sessions stays open."),
});

const retention = z.strictObject({
  snapshotsPerDocument: integer(
    50,
    2,
    10_000,
    "Snapshots that a document keeps; older ones are thinned out.",
  ),
});

const fanout = z.strictObject({
  antiEntropyMs: integer(1_000, 50, 60_000, "How often open documents are compared with the database."),
  canaryMs: integer(2_000, 100, 60_000, "Period of the notification by which the listener checks itself."),
});

const commit = z.strictObject({
  maxBatchOperations: integer(
    2_000,
    1,
    100_000,
    "Operations of one call to the database, over all documents.",
  ),
  maxBatchBytes: integer(
    4 * MiB,
    1_024,
    1_024 * MiB,
    "Size of the operations of one call to the database; a single submit may be larger.",
  ),
  flights: integer(3, 1, 32, "Calls to the database that may be under way at once."),
});

const webhooks = z
  .strictObject({
    allowPrivateAddresses: flag(
      false,
      "Call webhooks at addresses that are not public, too. In development mode loopback is allowed anyway.",
    ),
    timeout: duration("10s", "100ms", "1m", "Longest time that a receiver may take."),
    retryFor: duration(
      "1d",
      "1s",
      "30d",
      "How long a delivery is tried again; then the webhook is disabled.",
    ),
    firstRetryMs: integer(
      1_000,
      10,
      3_600_000,
      "Wait before the second attempt; it doubles each time, up to an hour.",
    ),
    pollMs: integer(500, 20, 60_000, "How often an idle instance looks for events to deliver."),
    concurrency: integer(64, 1, 1_000, "Calls of webhooks that one instance has under way at once."),
  })
  .transform(({ timeout, retryFor, ...rest }) => ({ timeoutMs: timeout, retryForMs: retryFor, ...rest }));

const log = z.strictObject({
  level: choice(
    ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    "Least severity that is logged.",
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
