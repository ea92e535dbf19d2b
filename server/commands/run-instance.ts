/** One server process: database, schema, instance; and their end in the reverse order. */
import type { Config } from "../config.ts";
import { migrate, schemaProblem } from "../database/migrate.ts";
import { createPool } from "../database/pool.ts";
import type { Logger } from "../observability/log.ts";
import { type OpenDatabase, openDatabase, withAccess } from "./database.ts";
import { checkDatabase } from "./database-check.ts";
import { findDemoDir } from "./package-root.ts";

export interface RunningInstance {
  readonly url: string;
  /** For people: which database is used, where the demo is, and whether anybody gets a token. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/** Starts everything that one process needs. What was opened before a failure is closed again. */
export async function runInstance(config: Config, log: Logger): Promise<RunningInstance> {
  // Read and compiled while the embedded PostgreSQL starts, or before anything else.
  let loading: Promise<typeof import("../compose.ts")> | undefined;
  const load = () => {
    loading ??= import("../compose.ts");
    return loading;
  };
  const database =
    config.store.type === "memory"
      ? undefined
      : await withAccess(config, () => openDatabase(config, log, { whileStarting: () => void load() }));
  try {
    if (database !== undefined) await withAccess(config, () => prepare(config, database, log));
    const demoDir = config.server.demo ? findDemoDir() : undefined;
    const { startInstance } = await load();
    const instance = await startInstance(config, {
      databaseUrl: database === undefined ? undefined : () => database.url(),
      log,
      ...(demoDir === undefined ? {} : { demoDir }),
    });
    return {
      url: instance.url,
      notes: [
        `store: ${database?.description ?? "memory (everything is lost when this process ends)"}`,
        ...(demoDir === undefined ? [] : [`demo: ${instance.url}/`]),
        ...(config.auth.mode === "dev"
          ? ["auth: development mode, anybody who reaches the server gets a token for any user"]
          : []),
      ],
      async close() {
        await instance.close();
        await database?.close();
      },
    };
  } catch (error) {
    await database?.close();
    throw error;
  }
}

/**
 * Brings the schema up to date, and reports settings that void what this server promises. With `--no-migrate` an older
 * one is somebody else's to migrate, before or after this start: `/readyz` says 503 until then.
 */
async function prepare(config: Config, database: OpenDatabase, log: Logger): Promise<void> {
  if (config.server.migrate) await migrate(database.url(), "up", { log });
  const pool = createPool({ url: database.url(), max: 1, log });
  try {
    const problem = config.server.migrate ? undefined : await schemaProblem(pool);
    if (problem !== undefined) log.warn(`not ready: ${problem.message}`);
    for (const { level, name, message } of await checkDatabase(pool, config, Date.now)) {
      if (level !== "ok") log.warn({ setting: name }, message);
    }
  } finally {
    await pool.end();
  }
}
