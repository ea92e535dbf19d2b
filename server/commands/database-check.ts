/** What of a database's settings would break what this server promises. For the start of the server and for `doctor`. */
import pg from "pg";
import type { Config } from "../config.ts";
import type { Queryable } from "../database/migrate.ts";

export interface Finding {
  readonly level: "ok" | "warning" | "failure";
  readonly name: string;
  /** What is so, and what to change. */
  readonly message: string;
}

const oldestVersion = 140_000;
/** Connections that are to be left for people and tools. */
const sparedConnections = 10;
/** Listener and notifier, beside the pool. */
const connectionsBesidePool = 2;

interface Settings {
  readonly version: string;
  readonly version_number: number;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly max_connections: number;
  readonly standbys: string;
  readonly synchronous_standbys: string;
  readonly clock_ms: number;
  readonly may_create: boolean;
}

/** Asks the database for its settings and judges them. Throws `StoreUnavailable` when it does not answer. */
export async function checkDatabase(
  database: Queryable,
  config: Config,
  nowMs: () => number,
): Promise<Finding[]> {
  const before = nowMs();
  const { rows } = await database.query<Settings & pg.QueryResultRow>(`
    SELECT current_setting('server_version') AS version,
      current_setting('server_version_num')::int AS version_number,
      current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS full_page_writes,
      current_setting('synchronous_commit') AS synchronous_commit,
      current_setting('max_connections')::int AS max_connections,
      (SELECT count(*) FROM pg_stat_replication)::text AS standbys,
      current_setting('synchronous_standby_names') AS synchronous_standbys,
      (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock_ms,
      has_database_privilege(current_database(), 'CREATE') AS may_create`);
  const found = rows[0];
  if (found === undefined) throw new Error("the database answered nothing about its settings");
  const clockMs = Math.round(found.clock_ms - (before + nowMs()) / 2);
  return [
    found.version_number >= oldestVersion
      ? ok("version", `PostgreSQL ${found.version}`)
      : failure("version", `PostgreSQL ${found.version} is too old: 14 or newer is needed`),
    ...(["fsync", "full_page_writes"] as const).map((name) =>
      found[name] === "on"
        ? ok(name, "on")
        : failure(name, `off: what is acknowledged can be lost in a crash; set ${name} = on`),
    ),
    found.synchronous_commit === "off"
      ? failure(
          "synchronous_commit",
          "off: what is acknowledged can be lost in a crash; set synchronous_commit = on",
        )
      : ok("synchronous_commit", found.synchronous_commit),
    connections(found.max_connections, config),
    Number(found.standbys) > 0 && found.synchronous_standbys === ""
      ? warning(
          "standbys",
          "a failover can lose acknowledged edits; name the standby in synchronous_standby_names",
        )
      : ok("standbys", found.standbys === "0" ? "none" : found.synchronous_standbys),
    Math.abs(clockMs) > 1_000
      ? warning(
          "clock",
          `this machine and the database differ by ${Math.abs(clockMs)} ms; synchronise both (NTP)`,
        )
      : ok("clock", `differs by ${Math.abs(clockMs)} ms`),
  ];
}

function connections(max: number, config: Config): Finding {
  const { instances } = config.server;
  const wanted = instances * (config.store.postgres.maxOpenConns + connectionsBesidePool);
  const message = `${instances} instance(s) use up to ${wanted} of max_connections ${max}`;
  if (wanted < max - sparedConnections) return ok("connections", message);
  return warning("connections", `${message}; lower store.postgres.maxOpenConns or raise max_connections`);
}

/** Sends a notification to itself: a transaction-pooling proxy accepts LISTEN and then hears nothing. */
export async function checkNotifications(url: string, withinMs: number): Promise<Finding> {
  const listener = new pg.Client({ connectionString: url, connectionTimeoutMillis: withinMs });
  const sender = new pg.Client({ connectionString: url, connectionTimeoutMillis: withinMs });
  for (const client of [listener, sender]) client.on("error", () => undefined);
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.all([listener.connect(), sender.connect()]);
    const heard = new Promise<boolean>((resolve) => {
      listener.on("notification", () => resolve(true));
      timer = setTimeout(() => resolve(false), withinMs);
    });
    const channel = `aetherflow_doctor_${process.pid}`;
    await listener.query(`LISTEN ${channel}`);
    await sender.query("SELECT pg_notify($1, '')", [channel]);
    if (await heard) return ok("notifications", "LISTEN and NOTIFY work");
    return failure(
      "notifications",
      "LISTEN hears nothing: is this a transaction-pooling proxy? Connect to PostgreSQL itself",
    );
  } finally {
    clearTimeout(timer);
    await Promise.all([listener.end(), sender.end()].map((end) => end.catch(() => undefined)));
  }
}

export const ok = (name: string, message: string): Finding => ({ level: "ok", name, message });
export const warning = (name: string, message: string): Finding => ({ level: "warning", name, message });
export const failure = (name: string, message: string): Finding => ({ level: "failure", name, message });
