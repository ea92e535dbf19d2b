/**
 * The server's configuration: a YAML file, environment variables and flags, in rising order of precedence,
 * validated as a whole. Each part of the server takes only its own section.
 */
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import type { z } from "zod";
import { nearest } from "./config/nearest.ts";
import { configKeys, configSchema, jwksAlgorithms, type ParsedConfig } from "./config/schema.ts";
import {
  assign,
  ConfigError,
  configSources,
  type Environment,
  type Flags,
  isServiceLink,
  type Layers,
  readSources,
} from "./config/sources.ts";
import { type ConfigWarning, unknownVariables } from "./config/variables.ts";

export { formatDuration, parseDuration } from "./config/fields.ts";
export { configKeys } from "./config/schema.ts";
export { ConfigError, configSources, type Environment, type Flags } from "./config/sources.ts";
export { type ConfigWarning, unknownVariables } from "./config/variables.ts";

import { tlsProblems } from "./config/tls.ts";

export type ServerConfig = ParsedConfig["server"];
export type StoreConfig = ParsedConfig["store"];
/** Connection settings; `databaseUrl` makes one connection string of them. */
export type PostgresConfig = StoreConfig["postgres"];
export type ManagerConfig = ParsedConfig["manager"];
export type LimitsConfig = ParsedConfig["limits"];
export type SocketsConfig = ParsedConfig["sockets"];
export type PresenceConfig = ParsedConfig["presence"];
export type SnapshotsConfig = ParsedConfig["snapshots"];
export type RetentionConfig = ParsedConfig["retention"];
export type FanoutConfig = ParsedConfig["fanout"];
export type CommitConfig = ParsedConfig["commit"];
export type WebhooksConfig = ParsedConfig["webhooks"];
export type LogConfig = ParsedConfig["log"];
export type MetricsConfig = ParsedConfig["metrics"];

/** How tokens are verified. `dev` without a secret uses one that is kept in the store. */
export type AuthConfig = {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly allowedOrigins: readonly string[];
} & (
  | {
      readonly mode: "dev";
      readonly key: { readonly kind: "secret"; readonly secret: string } | { readonly kind: "store" };
    }
  | {
      readonly mode: "jwt";
      readonly key:
        | { readonly kind: "secret"; readonly secret: string }
        | { readonly kind: "jwks"; readonly url: string; readonly algorithms: readonly string[] };
    }
);

export interface Config {
  readonly server: ServerConfig;
  readonly store: StoreConfig;
  readonly manager: ManagerConfig;
  readonly auth: AuthConfig;
  readonly limits: LimitsConfig;
  readonly sockets: SocketsConfig;
  readonly presence: PresenceConfig;
  readonly snapshots: SnapshotsConfig;
  readonly retention: RetentionConfig;
  readonly fanout: FanoutConfig;
  readonly commit: CommitConfig;
  readonly webhooks: WebhooksConfig;
  readonly log: LogConfig;
  readonly metrics: MetricsConfig;
  /** Dotted key → what to call its source in a message; without those that have their default. */
  readonly origins: Layers["origins"];
}

/**
 * Reads and checks the configuration. Throws `ConfigError`, which lists everything that is wrong and names the
 * key, flag or variable of each.
 */
export function loadConfig({ flags, env }: { flags: Flags; env: Environment }): Config {
  const layers = readSources(flags, env);
  const parsed = configSchema.safeParse(layers.values);
  if (parsed.success) {
    const { problems, auth } = crossCheck(parsed.data, layers, []);
    if (problems.length > 0 || auth === undefined) throw new ConfigError(problems);
    return { ...parsed.data, auth, origins: layers.origins };
  }
  // One problem of a value is enough: what is empty is no URL either.
  const found = new Map(parsed.error.issues.toReversed().map((issue) => [issue.path.join("."), issue]));
  const issues = [...found.values()].toReversed();
  const problems = issues.flatMap((issue) => describe(issue, layers));
  // What is wrong between other keys is told at once: without those that were refused, the rest can be read.
  const refused = issues.flatMap(keysOf);
  const rest = configSchema.safeParse(valuesWithout(layers.values, refused));
  if (rest.success) problems.push(...crossCheck(rest.data, layers, refused).problems);
  throw new ConfigError(problems);
}

/** What is wrong between keys. A check that reads a refused key, which has its default here, is left out. */
function crossCheck(
  config: ParsedConfig,
  layers: Layers,
  refused: readonly string[],
): { readonly problems: string[]; readonly auth: AuthConfig | undefined } {
  const { presence, sockets, store, server } = config;
  const problems: string[] = [];
  const says = (key: string) => nameOf(key, layers);
  const isKnown = (...sections: readonly string[]) =>
    !refused.some((key) => sections.some((section) => isWithin(key, section) || isWithin(section, key)));
  if (isKnown("presence") && presence.leaseMs < 2 * presence.heartbeatMs) {
    problems.push(
      `${says("presence.leaseMs")}: expected at least twice presence.heartbeatMs (${presence.heartbeatMs})`,
    );
  }
  if (isKnown("sockets") && sockets.silenceMs <= sockets.pingMs) {
    problems.push(`${says("sockets.silenceMs")}: expected more than sockets.pingMs (${sockets.pingMs})`);
  }
  if (isKnown("store.postgres") && store.postgres.maxIdleConns > store.postgres.maxOpenConns) {
    problems.push(
      `${says("store.postgres.maxIdleConns")}: expected at most maxOpenConns (${store.postgres.maxOpenConns})`,
    );
  }
  if (isKnown("store.type", "server.instances") && store.type === "memory" && server.instances > 1) {
    problems.push(
      `${says("server.instances")}: the memory store cannot be shared, so only 1 instance is possible with it`,
    );
  }
  if (isKnown("store")) problems.push(...addressProblems(store, layers));
  const auth = isKnown("auth", "server.host")
    ? resolveAuth(config.auth, server.host, layers, problems)
    : undefined;
  return { problems, auth };
}

const isWithin = (key: string, section: string) => key === section || key.startsWith(`${section}.`);

function valuesWithout(values: Layers["values"], keys: readonly string[]): Layers["values"] {
  const kept = structuredClone(values);
  for (const key of keys) assign(kept, key, undefined);
  return kept;
}

/** Keys that together say where the database is; `store.postgres.url` says it alone. */
const addressKeys = ["host", "port", "user", "password", "dbName", "sslMode"] as const;
/** `sslMode` goes into the URL. */
const replacedByUrl = addressKeys.filter((name) => name !== "sslMode");

/** Half an address of a database: what was meant must not end in the embedded one, or in another. */
function addressProblems({ type, postgres }: StoreConfig, layers: Layers): string[] {
  if (type === "memory") return [];
  const origin = (name: string) => layers.origins.get(`store.postgres.${name}`);
  if (postgres.url === undefined && postgres.host === undefined) {
    const given = addressKeys.filter((name) => origin(name) !== undefined);
    if (given.length === 0) return [];
    const names = namesOf(
      given.map((name) => `store.postgres.${name}`),
      layers,
    ).join(", ");
    return [
      `store.postgres.host: is missing, and so is store.postgres.url (DATABASE_URL): ${names} would not be used`,
    ];
  }
  const problems: string[] = [];
  if (origin("url")?.endsWith(": store.postgres.url")) {
    const beside = replacedByUrl.filter((name) => origin(name)?.endsWith(`: store.postgres.${name}`));
    if (beside.length > 0)
      problems.push(
        `${nameOf("store.postgres.url", layers)}: says it all; leave out ${beside.map((name) => `store.postgres.${name}`).join(", ")}`,
      );
  }
  if (postgres.url !== undefined) {
    const says = nameOf("store.postgres.url", layers);
    problems.push(...tlsProblems(postgres.url).map((problem) => `${says}: ${problem}`));
  }
  if (postgres.url === undefined && /[?#]/.test(postgres.dbName))
    problems.push(`${nameOf("store.postgres.dbName", layers)}: a name with ? or # cannot be connected to`);
  return problems;
}

/** Flags and variables that say where documents are stored and are not used, since something else says it. */
function unusedSettings({ store: { type, postgres }, origins }: Config, env: Environment): ConfigWarning[] {
  const keys = replacedByUrl.map((name) => `store.postgres.${name}`);
  if (type === "memory") {
    const unused = ["store.dataDir", "store.postgres.url", ...keys].flatMap((key) => origins.get(key) ?? []);
    return unused
      .filter((name) => !name.includes(": "))
      .map((name) => ({ name, message: "is not used: the memory store keeps everything in this process" }));
  }
  if (postgres.url === undefined) return [];
  return configSources()
    .filter(({ key, env: name }) => keys.includes(key) && env[name] && !isServiceLink(name, env[name]))
    .map(({ env: name }) => ({
      name,
      message: "is not used: DATABASE_URL, --database-url or store.postgres.url says it",
    }));
}

/** Flags and variables that are there and do nothing. */
export function unusedWarnings(config: Config, env: Environment): ConfigWarning[] {
  return [...unusedSettings(config, env), ...unknownVariables(env)];
}

/** HS256 takes keys of its hash's size (RFC 7518, 3.2); what is shorter can be guessed from one token. */
const minSecretBytes = 32;

/** What a server should not run with, and may. */
export function configWarnings(config: Config, env: Environment): ConfigWarning[] {
  const { auth, server } = config;
  const isWeak = auth.key.kind === "secret" && Buffer.byteLength(auth.key.secret) < minSecretBytes;
  const weak = `shorter than ${minSecretBytes} bytes; make one with: openssl rand -base64 48`;
  // Who configures a secret means to check tokens, not to hand them out.
  const isOpen = auth.mode === "dev" && auth.key.kind === "secret" && !isLoopback(server.host);
  const open =
    "development mode: whoever reaches the server gets a token for any user, signed with the configured secret; " +
    "--auth jwt (AETHERFLOW_AUTH=jwt) checks tokens instead";
  return [
    ...(isWeak ? [{ name: "auth.jwtSecret", message: weak }] : []),
    ...(isOpen ? [{ name: "auth.mode", message: open }] : []),
    ...unusedWarnings(config, env),
  ];
}

/**
 * The connection string of the configured database; undefined when none is configured (the embedded one is used).
 * `sslMode` goes into it unless the string has an `sslmode` of its own, which means what it means to libpq.
 */
export function databaseUrl(config: PostgresConfig): string | undefined {
  const url = new URL(config.url ?? "postgres://localhost");
  if (config.url === undefined) {
    if (config.host === undefined) return undefined;
    url.hostname = config.host.includes(":") ? `[${config.host}]` : config.host;
    url.port = String(config.port);
    url.username = encodeURIComponent(config.user);
    url.password = encodeURIComponent(config.password ?? "");
    // The driver decodes no character that a URL reserves, so that a slash has to stand as it is.
    url.pathname = `/${encodeURI(config.dbName)}`;
    if (config.host.startsWith("/")) {
      // A socket folder cannot be a URL's host; the driver takes it as a parameter.
      url.hostname = "localhost";
      url.searchParams.set("host", config.host);
    }
  }
  const parameters = url.searchParams;
  const mode = parameters.get("sslmode") ?? config.sslMode;
  const isLoose = mode === "prefer" || mode === "require" || mode === "verify-ca";
  if (config.url !== undefined && (parameters.has("sslmode") ? !isLoose : mode === "disable"))
    return config.url;
  if (mode === "disable") return url.toString();
  // Without an authority to check against, libpq refuses `verify-ca`; the driver checks all there is, as before.
  const checked = mode === "verify-ca" && !parameters.has("sslrootcert") ? "verify-full" : mode;
  parameters.set("sslmode", checked);
  // Without this the driver takes the looser ones for `verify-full`, and prints a warning.
  if (!parameters.has("uselibpqcompat")) parameters.set("uselibpqcompat", "true");
  return url.toString();
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

function resolveAuth(
  auth: ParsedConfig["auth"],
  host: string,
  layers: Layers,
  problems: string[],
): AuthConfig | undefined {
  const says = (key: string) => nameOf(key, layers);
  const { issuer, audience, allowedOrigins, jwksUrl, algorithms } = auth;
  const rest = { issuer, audience, allowedOrigins };
  const given = (["jwtSecret", "jwtSecretFile", "jwksUrl"] as const).filter(
    (name) => auth[name] !== undefined,
  );
  if (given.length > 1) {
    const names = namesOf(
      given.map((name) => `auth.${name}`),
      layers,
    );
    problems.push(`${names.join(" and ")}: give only one of them`);
    return undefined;
  }
  let secret = auth.jwtSecret;
  if (auth.jwtSecretFile !== undefined) {
    try {
      secret = readFileSync(auth.jwtSecretFile, "utf8").trim();
      if (secret === "") problems.push(`${says("auth.jwtSecretFile")}: ${auth.jwtSecretFile} is empty`);
    } catch (cause) {
      problems.push(`${says("auth.jwtSecretFile")}: ${cause instanceof Error ? cause.message : cause}`);
    }
  }
  const mode = auth.mode ?? (given.length > 0 ? "jwt" : "dev");
  if (mode === "dev") {
    if (auth.mode === undefined && !isLoopback(host)) {
      problems.push(
        `${says("server.host")}: ${host} can be reached from other machines, and in development mode anybody can get a token. ` +
          "Configure AETHERFLOW_JWT_SECRET, --jwt-secret-file or --jwks-url, or say --auth dev if that is what you want",
      );
    }
    if (jwksUrl !== undefined)
      problems.push(`${says("auth.jwksUrl")}: development mode signs its own tokens; it cannot use a JWKS`);
    return { ...rest, mode, key: secret === undefined ? { kind: "store" } : { kind: "secret", secret } };
  }
  if (jwksUrl !== undefined) {
    return {
      ...rest,
      mode,
      key: { kind: "jwks", url: jwksUrl, algorithms: algorithms.length > 0 ? algorithms : jwksAlgorithms },
    };
  }
  if (algorithms.length > 0 && secret !== undefined) {
    problems.push(`${says("auth.algorithms")}: a shared secret is always HS256; the list is for a JWKS`);
  }
  if (secret === undefined) {
    if (auth.jwtSecretFile === undefined) {
      problems.push(
        `${says("auth.mode")}: jwt needs AETHERFLOW_JWT_SECRET, --jwt-secret-file (auth.jwtSecretFile) or --jwks-url (auth.jwksUrl)`,
      );
    }
    return undefined;
  }
  return { ...rest, mode, key: { kind: "secret", secret } };
}

/** What to call a key in a message: where it was set, and the key when that is another name. */
function nameOf(key: string, layers: Layers): string {
  const origin = layers.origins.get(key);
  if (origin === undefined || origin.endsWith(key)) return origin ?? key;
  return `${origin} (${key})`;
}

/** Several of one file name it once. */
function namesOf(keys: readonly string[], layers: Layers): string[] {
  const [first = "", ...rest] = keys.map((key) => nameOf(key, layers));
  const file = first.slice(0, first.lastIndexOf(": ") + 1);
  const isOfThatFile = (name: string) => file !== "" && name.startsWith(`${file} `);
  return [first, ...rest.map((name) => (isOfThatFile(name) ? name.slice(file.length + 1) : name))];
}

/** An item of a list is named after the list. */
const keyOf = (issue: z.core.$ZodIssue) =>
  issue.path
    .map(String)
    .filter((part) => !/^\d+$/.test(part))
    .join(".");

/** The keys that a problem is about. */
function keysOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== "unrecognized_keys") return [keyOf(issue)];
  return issue.keys.map((name) => [...issue.path, name].join("."));
}

/** Lines for one problem, with what was given where that is no secret. */
function describe(issue: z.core.$ZodIssue, layers: Layers): string[] {
  const key = keyOf(issue);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => {
      const meant = nearest(name, keysBelow(key));
      const hint = meant === undefined ? "" : `; is ${meant} meant?`;
      return `${nameOf([...issue.path, name].join("."), layers)}: unknown key${hint}`;
    });
  }
  if (issue.code === "invalid_type" && issue.expected === "object")
    return [`${nameOf(key, layers)}: expected a section with keys`];
  return [`${nameOf(key, layers)}: ${issue.message}${given(key, issue.path, layers)}`];
}

/** Names of the keys and sections that a section has. */
function keysBelow(section: string): string[] {
  const path = section === "" ? [] : section.split(".");
  const names = configKeys()
    .filter(({ key }) => section === "" || isWithin(key, section))
    .map(({ key }) => key.split(".")[path.length] ?? "");
  return [...new Set(names)];
}

/** Passwords and keys, and URLs that may hold one. */
const secretKeys: readonly string[] = [
  ...["store.postgres.url", "store.postgres.password"],
  ...["auth.jwtSecret", "auth.jwksUrl"],
];
const maxShown = 60;

/** `, got "x"`; nothing of a secret, nor of what looks like a URL with a password, wherever that was put. */
function given(key: string, path: readonly PropertyKey[], layers: Layers): string {
  let value: unknown = layers.values;
  for (const part of path)
    if (typeof value === "object" && value !== null) value = (value as Record<PropertyKey, unknown>)[part];
  if (!["string", "number", "boolean"].includes(typeof value) || secretKeys.includes(key)) return "";
  const text = String(value);
  if (text === "" || text.length > maxShown || /:\/\/.*@/s.test(text)) return "";
  return `, got ${JSON.stringify(text)}`;
}
