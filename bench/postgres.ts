/** The PostgreSQL that every target of a run shares: the embedded one with its default durability, or `DATABASE_URL`. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { acquireEmbedded } from "../server/database/embedded/acquire.ts";
import { parentOf } from "./cpu.ts";

export interface BenchPostgres {
  /** For people: version and durability. */
  readonly description: string;
  /** The postmaster, when it runs on this machine. */
  readonly pid: number | undefined;
  /** Makes an empty database and returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Drops the databases that were made, and stops what was started. */
  close(): Promise<void>;
}

/** A folder that all of an embedded database fits into: as root, one that nobody else may enter has its cluster elsewhere. */
export async function makeDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "aetherflow-bench-"));
  await chmod(dataDir, 0o711);
  return dataDir;
}

export async function openPostgres(): Promise<BenchPostgres> {
  const given = process.env.DATABASE_URL;
  if (given !== undefined) return usePostgres(given, async () => {});
  const dataDir = await makeDataDir();
  const embedded = await acquireEmbedded({ dataDir });
  return usePostgres(embedded.url, async () => {
    await embedded.close();
    await rm(dataDir, { recursive: true, force: true });
  });
}

async function usePostgres(url: string, stop: () => Promise<void>): Promise<BenchPostgres> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number; says: string }>(
    `SELECT pg_backend_pid() AS pid, format('PostgreSQL %s, fsync %s, synchronous_commit %s',
       current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')) AS says`,
  );
  const [row] = rows;
  const made: string[] = [];
  return {
    description: row?.says ?? "PostgreSQL",
    pid: row === undefined ? undefined : await parentOf(row.pid, "postgres"),
    async createDatabase(name) {
      const database = `aetherflow_bench_${name}_${process.pid}`;
      await client.query(`CREATE DATABASE "${database}"`);
      made.push(database);
      const own = new URL(url);
      own.pathname = `/${database}`;
      return own.href;
    },
    async close() {
      for (const database of made) await client.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
      await client.end();
      await stop();
    },
  };
}
