/** The database that is configured, or the embedded one: opened alike for every command. */
import os from "node:os";
import { type Config, databaseUrl } from "../config.ts";
import { asAccessProblem } from "../database/access-problem.ts";
import { type AcquireOptions, acquireEmbedded } from "../database/embedded/acquire.ts";
import { migrate, schemaProblem } from "../database/migrate.ts";
import { MigrationProblem } from "../database/migration-files.ts";
import { createPool, type DatabasePool } from "../database/pool.ts";
import type { Logger } from "../observability/log.ts";
import { type EndingSignal, onEndingSignal } from "./signals.ts";

export interface OpenDatabase {
  /** The connection string, password included: never log it. It changes when the embedded server moves. */
  url(): string;
  /** For people, without secrets. */
  readonly description: string;
  /** Stops using it; the embedded server stops with its last user. */
  close(): Promise<void>;
}

/**
 * Opens the database, starting the embedded one when none is configured. Not for `store.type: memory`.
 * `options`: see {@link AcquireOptions}.
 */
export async function openDatabase(
  config: Config,
  log: Logger,
  options: Pick<AcquireOptions, "whileStarting" | "create"> = {},
): Promise<OpenDatabase> {
  const configured = databaseUrl(config.store.postgres);
  if (configured !== undefined) {
    return {
      url: () => configured,
      description: `PostgreSQL at ${shownAddress(configured)}`,
      async close() {},
    };
  }
  const { dataDir } = config.store;
  const embedded = await acquireEmbedded({ dataDir, log, ...options });
  return {
    url: () => embedded.url,
    description: `embedded PostgreSQL in ${dataDir}`,
    close: () => embedded.close(),
  };
}

/** Does something with the configured database; what fails of it names that and says what to change. */
export async function withAccess<T>(config: Config, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asAccessProblem(error, placeOf(config));
  }
}

function placeOf({ store: { dataDir, postgres }, origins }: Config): string {
  const url = databaseUrl(postgres);
  if (url === undefined) return `the embedded database in ${dataDir}`;
  const setting = origins.get(`store.postgres.${postgres.url === undefined ? "host" : "url"}`);
  return `the database at ${hostAndPort(new URL(url))}${setting === undefined ? "" : ` (${setting})`}`;
}

/**
 * Opens the database for a command's work, and closes it however that ends: a signal too lets go of it first, or the
 * embedded server would stay behind. The process then ends by that signal.
 */
export function whileOpen<T>(
  config: Config,
  log: Logger,
  work: (database: OpenDatabase) => Promise<T>,
  options: Pick<AcquireOptions, "create"> = {},
): Promise<T> {
  return withAccess(config, () => openAndClose(config, log, work, options));
}

async function openAndClose<T>(
  config: Config,
  log: Logger,
  work: (database: OpenDatabase) => Promise<T>,
  options: Pick<AcquireOptions, "create">,
): Promise<T> {
  const opening = openDatabase(config, log, options);
  let isInterrupted = false;
  const off = onEndingSignal(
    (signal) => {
      isInterrupted = true;
      log.level = "silent";
      const close = async () => (await opening).close();
      void close()
        .catch(() => undefined)
        .then(() => endBy(signal));
    },
    () => process.exit(1),
  );
  function endBy(signal: EndingSignal): void {
    off();
    process.kill(process.pid, signal);
    // The first process of a container is ended by no signal of its own.
    setTimeout(() => process.exit(128 + os.constants.signals[signal]), 100);
  }
  try {
    const database = await opening;
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  } finally {
    // What is cut off fails, and nobody needs to hear of it.
    if (isInterrupted) await new Promise(() => undefined);
    off();
  }
}

/**
 * Opens the database with a small pool for one piece of work, and closes both. The schema is used as it is: a command
 * of a newer version, beside servers of an older one, changes nothing of theirs, and where there is no embedded database
 * none is made. `create`: what may come before the first server makes database and schema where there are none.
 * @throws MigrationProblem when the schema is not up to date.
 */
export async function withDatabase<T>(
  config: Config,
  log: Logger,
  work: (pool: DatabasePool, database: OpenDatabase) => Promise<T>,
  { create = false }: { readonly create?: boolean } = {},
): Promise<T> {
  const use = async (database: OpenDatabase) => {
    const pool = createPool({ url: database.url(), max: 3, log });
    try {
      const problem = await schemaProblem(pool);
      if (problem?.empty === true && create) await migrate(database.url(), "up", { log });
      else if (problem !== undefined) throw new MigrationProblem(problem.message);
      return await work(pool, database);
    } finally {
      await pool.end();
    }
  };
  return whileOpen(config, log, use, { create });
}

function shownAddress(connectionString: string): string {
  const url = new URL(connectionString);
  return `${hostAndPort(url)}${url.pathname}`;
}

function hostAndPort(url: URL): string {
  return `${url.searchParams.get("host") ?? url.hostname}:${url.port || "5432"}`;
}
