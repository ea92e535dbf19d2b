/**
 * Moves the schema: up to the newest, one step down, or down and up again entirely.
 *
 * - Several processes may do it at once (every instance does, at its start): a session-level advisory lock, polled
 *   with pg_try_advisory_lock. Waiting inside pg_advisory_lock holds a snapshot, which CREATE INDEX CONCURRENTLY of
 *   the holder waits for: a deadlock.
 * - Each step is one transaction with `lock_timeout`, so that a step that waits for a long transaction of an older
 *   instance does not make everybody else queue behind it; it is tried again.
 * - An applied file must never change; its hash is kept. What a newer version applied is left alone, so that an
 *   older instance can still start during a rolling deploy.
 */
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { type Log, silentLog } from "./log.ts";
import { type Migration, MigrationProblem, readMigrations } from "./migration-files.ts";
import { asStoreError, sqlstateOf } from "./sqlstate.ts";
import { valueTypes } from "./values.ts";

/** Where applied migrations are recorded. */
export const migrationsTable = "aetherflow_migrations";
/** Key of the advisory lock that migrating processes take. */
const migrateLock = 0x6d_69_67_72; // "migr"

export type MigrateDirection = "up" | "down" | "reset" | "status";

export interface MigrateOptions {
  readonly log?: Log;
  /** The folder with the SQL; default: the package's. */
  readonly dir?: string;
  /** Longest wait for a table's lock in one attempt. Default 5 s. */
  readonly lockTimeoutMs?: number;
  /** Longest wait for another process that migrates. Default 5 min. */
  readonly waitMs?: number;
  /** Attempts at a step whose lock was not to be had. Default 10. */
  readonly attempts?: number;
}

/** How one migration stands in a database. */
export interface MigrationState {
  readonly name: string;
  /** `changed`: applied, but the file is another now. `unknown`: applied by a newer version, without a file here. */
  readonly state: "applied" | "pending" | "changed" | "unknown";
  /** RFC 3339; null when pending. */
  readonly appliedAt: string | null;
}

export interface MigrateResult {
  /** Names in the order in which they were applied. */
  readonly applied: readonly string[];
  /** Names in the order in which they were taken back. */
  readonly reverted: readonly string[];
  /** How things stand afterwards. */
  readonly migrations: readonly MigrationState[];
}

/** What `pendingMigrations` needs of a connection or pool. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string): Promise<{ rows: R[] }>;
}

interface AppliedRow {
  readonly name: string;
  readonly hash: string;
  readonly applied_at: string;
}

/**
 * Migrates the database of a connection string over a connection of its own.
 * @throws MigrationProblem when files and database do not fit, or a step fails; what was committed before stays.
 * @throws StoreUnavailable when the database does not answer.
 */
export async function migrate(
  url: string,
  direction: MigrateDirection,
  options: MigrateOptions = {},
): Promise<MigrateResult> {
  const migrations = await readMigrations(options.dir);
  const client = new pg.Client({
    connectionString: url,
    application_name: "aetherflow-migrate",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    types: valueTypes,
  });
  client.on("error", () => {}); // the statement in flight reports it
  try {
    await client.connect();
    await client.query("SET timezone = 'UTC'; SET datestyle = 'ISO'; SET statement_timeout = 0");
    return await new Migrator(client, migrations, options).run(direction);
  } catch (error) {
    throw asStoreError(error);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Names of this package's migrations that the database lacks; empty when it can be served. */
export async function pendingMigrations(database: Queryable, dir?: string): Promise<string[]> {
  return (await statesIn(database, dir)).pending;
}

async function statesIn(database: Queryable, dir: string | undefined) {
  const states = compare(await readMigrations(dir), await readApplied(database));
  return { states, pending: namesOf(states.filter(({ state }) => state === "pending")) };
}

export interface SchemaProblem {
  /** What is lacking, and what to run. */
  readonly message: string;
  /** None of the migrations was ever applied. */
  readonly empty: boolean;
}

/** What a database lacks of this package's migrations; undefined when it can be used. */
export async function schemaProblem(database: Queryable, dir?: string): Promise<SchemaProblem | undefined> {
  const { states, pending } = await statesIn(database, dir);
  if (pending.length === 0) return undefined;
  const empty = pending.length === states.length;
  const lacks = empty
    ? "the database has no schema yet"
    : `the schema is not up to date (pending: ${pending.join(", ")})`;
  return { message: `${lacks}; run npx aetherflow migrate up`, empty };
}

class Migrator {
  readonly #client: pg.Client;
  readonly #migrations: readonly Migration[];
  readonly #options: MigrateOptions;
  readonly #log: Log;

  constructor(client: pg.Client, migrations: readonly Migration[], options: MigrateOptions) {
    this.#client = client;
    this.#migrations = migrations;
    this.#options = options;
    this.#log = options.log ?? silentLog;
  }

  async run(direction: MigrateDirection): Promise<MigrateResult> {
    if (direction === "status") return this.#result([], []);
    // Instances start far more often than there is something to do.
    if (direction === "up" && (await this.#pending()).length === 0) return this.#result([], []);
    await this.#lock();
    try {
      await this.#client.query(
        `CREATE TABLE IF NOT EXISTS ${migrationsTable} (name text PRIMARY KEY, hash text NOT NULL, ` +
          "applied_at timestamptz(3) NOT NULL DEFAULT clock_timestamp())",
      );
      if (direction === "up") return await this.#up();
      if (direction === "down") return await this.#down();
      return await this.#reset();
    } finally {
      await this.#client.query("SELECT pg_advisory_unlock($1)", [migrateLock]).catch(() => {});
    }
  }

  async #up(): Promise<MigrateResult> {
    const pending = await this.#pending();
    const applied: string[] = [];
    try {
      for (const migration of pending) {
        await this.#step(migration.name, [{ up: migration }]);
        applied.push(migration.name);
      }
    } finally {
      if (applied.length > 0) this.#log.info({ migrations: applied }, "migrated");
    }
    return this.#result(applied, []);
  }

  async #down(): Promise<MigrateResult> {
    const last = (await this.#applied()).at(-1);
    if (last === undefined) return this.#result([], []);
    await this.#step(`down of ${last.name}`, [{ down: last }]);
    return this.#result([], [last.name]);
  }

  async #reset(): Promise<MigrateResult> {
    const applied = (await this.#applied()).toReversed();
    const steps = [...applied.map((down) => ({ down })), ...this.#migrations.map((up) => ({ up }))];
    await this.#step("reset", steps); // all or nothing
    return this.#result(namesOf(this.#migrations), namesOf(applied));
  }

  /** Applied migrations that this package knows, oldest first. */
  async #applied(): Promise<Migration[]> {
    const rows = await readApplied(this.#client);
    const known = new Map(this.#migrations.map((migration) => [migration.name, migration]));
    return rows.map((row) => {
      const migration = known.get(row.name);
      if (migration === undefined) {
        throw new MigrationProblem(
          `${row.name} was applied by a newer version of this package; only that version can take it back`,
        );
      }
      return migration;
    });
  }

  async #pending(): Promise<Migration[]> {
    const states = compare(this.#migrations, await readApplied(this.#client));
    const changed = states.find((migration) => migration.state === "changed");
    if (changed !== undefined) {
      throw new MigrationProblem(
        `migrations/${changed.name}.sql differs from what was applied to this database at ${changed.appliedAt}: ` +
          "an applied migration must not be changed; write a new one, or rebuild with `npx aetherflow migrate reset`",
      );
    }
    const unknown = states.filter((migration) => migration.state === "unknown");
    if (unknown.length > 0)
      this.#log.warn({ unknown: unknown.map(({ name }) => name) }, "the schema is newer than this version");
    const names = new Set(states.filter(({ state }) => state === "pending").map(({ name }) => name));
    return this.#migrations.filter((migration) => names.has(migration.name));
  }

  /** One transaction, repeated while a lock is not to be had. */
  async #step(what: string, parts: readonly ({ up: Migration } | { down: Migration })[]): Promise<void> {
    const { lockTimeoutMs = 5_000, attempts = 10 } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#client.query("BEGIN");
        await this.#client.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
        for (const part of parts) await ("up" in part ? this.#apply(part.up) : this.#revert(part.down));
        await this.#client.query("COMMIT");
        this.#log.debug({ migration: what }, "migrated one step");
        return;
      } catch (error) {
        await this.#client.query("ROLLBACK").catch(() => {});
        const state = sqlstateOf(error);
        const passes = state === "55P03" || state === "40P01";
        if (passes && attempt < attempts) {
          this.#log.warn({ migration: what, attempt }, "a table is in use; trying the migration again");
          await delay(200 + Math.random() * 800);
          continue;
        }
        if (error instanceof MigrationProblem || state === undefined || state.startsWith("57P")) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        throw new MigrationProblem(
          `migration ${what} failed and was rolled back: ${reason} (SQLSTATE ${state})`,
          {
            cause: error,
          },
        );
      }
    }
  }

  async #apply(migration: Migration): Promise<void> {
    for (const statement of migration.up) await this.#client.query(statement);
    await this.#client.query(`INSERT INTO ${migrationsTable} (name, hash) VALUES ($1, $2)`, [
      migration.name,
      migration.hash,
    ]);
  }

  async #revert(migration: Migration): Promise<void> {
    if (migration.down === undefined)
      throw new MigrationProblem(`migrations/${migration.name}.down.sql is missing`);
    for (const statement of migration.down) await this.#client.query(statement);
    await this.#client.query(`DELETE FROM ${migrationsTable} WHERE name = $1`, [migration.name]);
  }

  async #lock(): Promise<void> {
    const deadline = performance.now() + (this.#options.waitMs ?? 300_000);
    for (;;) {
      const { rows } = await this.#client.query<{ got: boolean }>("SELECT pg_try_advisory_lock($1) AS got", [
        migrateLock,
      ]);
      if (rows[0]?.got === true) return;
      if (performance.now() > deadline)
        throw new MigrationProblem("another process is migrating and does not end");
      await delay(50 + Math.random() * 100);
    }
  }

  async #result(applied: readonly string[], reverted: readonly string[]): Promise<MigrateResult> {
    return { applied, reverted, migrations: compare(this.#migrations, await readApplied(this.#client)) };
  }
}

/** Without the table nothing was ever applied. Asked for first: a query that fails is an error in PostgreSQL's log. */
async function readApplied(database: Queryable): Promise<AppliedRow[]> {
  const [table] = (
    await database.query<{ exists: boolean }>(
      `SELECT to_regclass('${migrationsTable}') IS NOT NULL AS exists`,
    )
  ).rows;
  if (table?.exists !== true) return [];
  return (
    await database.query<AppliedRow>(`SELECT name, hash, applied_at FROM ${migrationsTable} ORDER BY name`)
  ).rows;
}

function compare(migrations: readonly Migration[], rows: readonly AppliedRow[]): MigrationState[] {
  const applied = new Map(rows.map((row) => [row.name, row]));
  const ours = migrations.map(({ name, hash }): MigrationState => {
    const row = applied.get(name);
    if (row === undefined) return { name, state: "pending", appliedAt: null };
    return { name, state: row.hash === hash ? "applied" : "changed", appliedAt: row.applied_at };
  });
  const known = new Set(migrations.map(({ name }) => name));
  const theirs = rows.filter(({ name }) => !known.has(name));
  return [
    ...ours,
    ...theirs.map((row): MigrationState => ({ name: row.name, state: "unknown", appliedAt: row.applied_at })),
  ];
}

function namesOf(migrations: readonly { readonly name: string }[]): string[] {
  return migrations.map(({ name }) => name);
}
