/** What of a database's settings would break what this server promises. For the start of the server and for `doctor`. */
import pg from "pg";
import type { Config } from "../config.ts";
import type { Queryable } from "../database/migrate.ts";
import { counted } from "./count.ts";

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
  readonly read_only: string;
  readonly encoding: string;
  readonly schema: string | null;
  readonly may_create: boolean;
  /** Of `writtenTables`, those that are there, and those of them that the role may not read and write. */
  readonly tables: number;
  readonly closed_tables: readonly string[];
}

/** Enough to tell a role that may only read. */
const writtenTables = ["documents", "operations", "snapshots", "sessions", "instances", "locks"];

const ownTables = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
  AND c.relname IN (${writtenTables.map((name) => `'${name}'`).join(", ")}) AND c.relkind IN ('r', 'p')`;

/** Asks the database for its settings and judges them. Throws `StoreUnavailable` when it does not answer. */
export async function checkDatabase(
  database: Queryable,
  config: Config,
  nowMs: () => number,
): Promise<Finding[]> {
  const { rows } = await database.query<Settings & pg.QueryResultRow>(`
    SELECT current_setting('server_version') AS version,
      current_setting('server_version_num')::int AS version_number,
      current_setting('fsync') AS fsync,
      current_setting('full_page_writes') AS full_page_writes,
      current_setting('synchronous_commit') AS synchronous_commit,
      current_setting('max_connections')::int AS max_connections,
      (SELECT count(*) FROM pg_stat_replication)::text AS standbys,
      current_setting('synchronous_standby_names') AS synchronous_standbys,
      current_setting('transaction_read_only') AS read_only,
      current_setting('server_encoding') AS encoding,
      current_schema() AS schema,
      coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
      (SELECT count(*) FROM ${ownTables})::int AS tables,
      ARRAY(SELECT c.relname::text FROM ${ownTables} WHERE NOT (has_table_privilege(c.oid, 'SELECT')
        AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
        AND has_table_privilege(c.oid, 'DELETE')) ORDER BY 1) AS closed_tables`);
  const found = rows[0];
  if (found === undefined) throw new Error("the database answered nothing about its settings");
  const clockMs = await clockDifference(database, nowMs);
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
    found.read_only === "on"
      ? failure(
          "writes",
          "read-only: a standby, or default_transaction_read_only = on; connect to the primary, set it off",
        )
      : ok("writes", "possible"),
    found.encoding === "UTF8"
      ? ok("encoding", found.encoding)
      : failure(
          "encoding",
          `${found.encoding} does not hold every character; make the database with ENCODING 'UTF8'`,
        ),
    privileges(found, config),
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

/** By how much the database's clock is ahead; of a few answers the quickest, which says it best. */
async function clockDifference(database: Queryable, nowMs: () => number): Promise<number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, differsMs: 0 };
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = nowMs();
    const { rows } = await database.query<{ clock_ms: number }>(
      "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS clock_ms",
    );
    const tookMs = nowMs() - before;
    const differsMs = Math.round((rows[0]?.clock_ms ?? before) - before - tookMs / 2);
    if (tookMs < best.tookMs) best = { tookMs, differsMs };
  }
  return best.differsMs;
}

function privileges({ schema, may_create, tables, closed_tables }: Settings, config: Config): Finding {
  if (closed_tables.length > 0) {
    const names = closed_tables.join(", ");
    return failure(
      "privileges",
      `the role may not read and write ${names}; grant it, or connect as their owner`,
    );
  }
  if (may_create) return ok("privileges", "the role may create, read and write tables");
  const message = `the role may create nothing in schema ${schema ?? "(none of its search_path exists)"}`;
  if (tables === 0) return failure("privileges", `${message}; grant CREATE on it`);
  if (!config.server.migrate) return ok("privileges", "the role may read and write tables");
  return warning("privileges", `${message}: migrations need a role that may (npx aetherflow migrate up)`);
}

function connections(max: number, config: Config): Finding {
  const { instances } = config.server;
  const wanted = instances * (config.store.postgres.maxOpenConns + connectionsBesidePool);
  const message = `${counted(instances, "instance")} ${instances === 1 ? "uses" : "use"} up to ${wanted} of max_connections ${max}`;
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
