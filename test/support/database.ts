/** Databases for tests: clones of the migrated template, one for each test file or test. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";
import { createPool, type DatabasePool, type PoolOptions } from "../../server/database/pool.ts";
import { waitFor } from "./wait-for.ts";

export interface TestDatabase {
  readonly url: string;
  /** For the test's own look at the tables, and for the code under test where it takes a pool. */
  readonly pool: DatabasePool;
  /** Another pool on this database; `drop` closes it. */
  createPool(options?: Omit<PoolOptions, "url">): DatabasePool;
  /** Closes the pools and drops the database. Throws when anybody else is still connected: a leaked connection. */
  drop(): Promise<void>;
}

/**
 * Clones the template. Call `drop()` in `afterAll`.
 * @param options `empty`: a database without our tables. `name`: shown in its name.
 */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const adminUrl = inject("databaseUrl");
  const name = `aetherflow_test_${process.pid}_${randomBytes(4).toString("hex")}`;
  const template = options.empty === true ? "template0" : inject("templateDatabase");
  await asAdmin(adminUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));

  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const pools: DatabasePool[] = [];
  const open = (poolOptions: Omit<PoolOptions, "url"> = {}): DatabasePool => {
    const pool = createPool({ url: url.href, max: 8, applicationName: "aetherflow-test", ...poolOptions });
    pools.push(pool);
    return pool;
  };
  const drop = async () => {
    await Promise.all(pools.map((pool) => pool.close()));
    await asAdmin(adminUrl, async (client) => {
      const connected = async () => {
        const { rows } = await client.query<{ application_name: string; query: string }>(
          "SELECT application_name, query FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
          [name],
        );
        return rows;
      };
      // Closed here is not yet gone there: a backend ends some milliseconds after its socket.
      const gone = await waitFor(async () => (await connected()).length === 0, { timeoutMs: 3_000 }).then(
        () => true,
        () => false,
      );
      const leaked = gone ? [] : await connected();
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      if (leaked.length > 0) {
        const list = leaked.map((row) => `${row.application_name}: ${row.query.slice(0, 80)}`).join("\n  ");
        throw new Error(`${leaked.length} leaked database connection(s):\n  ${list}`);
      }
    });
  };
  return { url: url.href, pool: open(), createPool: open, drop };
}

/** Holds a document's row as a stranger's open transaction does. */
export async function holdRow(
  { pool }: Pick<TestDatabase, "pool">,
  docId: string,
): Promise<{ release(): Promise<void> }> {
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("SELECT FROM documents WHERE id = $1 FOR NO KEY UPDATE", [docId]);
  return {
    async release() {
      await client.query("ROLLBACK");
      client.release();
    },
  };
}

async function asAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: "aetherflow-test-admin" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
