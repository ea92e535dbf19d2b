import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askOn, runMigrate } from "../../server/commands/migrate.ts";
import { ConfigError } from "../../server/config.ts";
import { silentLog } from "../../server/database/log.ts";
import { migrate, pendingMigrations } from "../../server/database/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { startMigrator } from "./migrator-process.ts";

let dir: string;
let database: TestDatabase;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-migrations-"));
  database = await createTestDatabase({ empty: true });
});
afterEach(async () => {
  await database.drop();
  await rm(dir, { recursive: true });
});

async function write(name: string, up: string, down?: string): Promise<void> {
  await writeFile(path.join(dir, `${name}.sql`), up);
  if (down !== undefined) await writeFile(path.join(dir, `${name}.down.sql`), down);
}

async function writeTwo(): Promise<void> {
  const breakpoint = "\n--> statement-breakpoint\n";
  await write("0000_first", `CREATE TABLE a (n int);${breakpoint}INSERT INTO a VALUES (1);`, "DROP TABLE a;");
  await write("0001_second", "CREATE TABLE b (n int);", "DROP TABLE b;");
}

const tables = async () => {
  const { rows } = await database.pool.query(
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  );
  return rows.map((row) => row.tablename);
};

test("[migrate/up] applies what is pending in order, once; status and pendingMigrations say so", async () => {
  await writeTwo();
  expect(await pendingMigrations(database.pool, dir)).toEqual(["0000_first", "0001_second"]);
  const lines: object[] = [];
  const log = {
    ...silentLog,
    info: (fields: object, message: string) => void lines.push({ ...fields, message }),
  };
  const first = await migrate(database.url, "up", { dir, log });
  expect(lines).toEqual([{ migrations: ["0000_first", "0001_second"], message: "migrated" }]);
  expect(first.applied).toEqual(["0000_first", "0001_second"]);
  expect(await tables()).toEqual(["a", "aetherflow_migrations", "b"]);
  expect((await migrate(database.url, "up", { dir })).applied).toEqual([]);
  expect(await pendingMigrations(database.pool, dir)).toEqual([]);
  const { migrations } = await migrate(database.url, "status", { dir });
  expect(migrations.map(({ name, state }) => [name, state])).toEqual([
    ["0000_first", "applied"],
    ["0001_second", "applied"],
  ]);
});

test("[migrate/down] takes one step back, and none when there is none", async () => {
  await writeTwo();
  await migrate(database.url, "up", { dir });
  expect((await migrate(database.url, "down", { dir })).reverted).toEqual(["0001_second"]);
  expect(await tables()).toEqual(["a", "aetherflow_migrations"]);
  await migrate(database.url, "down", { dir });
  expect((await migrate(database.url, "down", { dir })).reverted).toEqual([]);
});

test("[migrate/reset] rebuilds everything of ours in one transaction, and nothing of others", async () => {
  await writeTwo();
  await migrate(database.url, "up", { dir });
  await database.pool.query("CREATE TABLE strangers AS SELECT 1 AS n; INSERT INTO a VALUES (2)");
  const result = await migrate(database.url, "reset", { dir });
  expect([result.reverted, result.applied]).toEqual([
    ["0001_second", "0000_first"],
    ["0000_first", "0001_second"],
  ]);
  expect((await database.pool.query("SELECT n FROM a")).rows).toEqual([{ n: 1 }]);
  expect(await tables()).toContain("strangers");
  await write("0001_second", "SELECT 1/0;");
  await expect(migrate(database.url, "reset", { dir })).rejects.toThrow(/division by zero/);
  expect(await tables()).toEqual(["a", "aetherflow_migrations", "b", "strangers"]);
});

test("[migrate/failed] a step that fails leaves nothing of itself and says which it was", async () => {
  await write("0000_good", "CREATE TABLE a (n int);");
  await write("0001_bad", "CREATE TABLE b (n int);\n--> statement-breakpoint\nSELECT nonsense;");
  await expect(migrate(database.url, "up", { dir })).rejects.toThrow(/migration 0001_bad failed.*nonsense/);
  expect(await tables()).toEqual(["a", "aetherflow_migrations"]);
});

test("[migrate/changed] a changed file of an applied migration is an error; changed line ends are not", async () => {
  await write("0000_first", "CREATE TABLE a (n int);\nSELECT 1;\n");
  await migrate(database.url, "up", { dir });
  await write("0000_first", "CREATE TABLE a (n int);\r\nSELECT 1;\r\n");
  await migrate(database.url, "up", { dir });
  await write("0000_first", "CREATE TABLE a (n bigint);");
  await expect(migrate(database.url, "up", { dir })).rejects.toThrow(
    /0000_first.sql differs from what was applied/,
  );
  const { migrations } = await migrate(database.url, "status", { dir });
  expect(migrations.map(({ state }) => state)).toEqual(["changed"]);
});

test("[migrate/newer] what a newer version applied does not stop an older one from starting", async () => {
  await writeTwo();
  await migrate(database.url, "up", { dir });
  await rm(path.join(dir, "0001_second.sql"));
  await rm(path.join(dir, "0001_second.down.sql"));
  expect((await migrate(database.url, "up", { dir })).migrations.map(({ state }) => state)).toEqual([
    "applied",
    "unknown",
  ]);
  await expect(migrate(database.url, "down", { dir })).rejects.toThrow(/applied by a newer version/);
});

test("[migrate/journal] the journal decides the order; a file that is missing or unlisted is an error", async () => {
  await writeTwo();
  await mkdir(path.join(dir, "meta"));
  const journal = (...tags: string[]) =>
    writeFile(
      path.join(dir, "meta", "_journal.json"),
      JSON.stringify({ entries: tags.map((tag, idx) => ({ idx, tag })) }),
    );
  await journal("0001_second", "0000_first");
  expect(await pendingMigrations(database.pool, dir)).toEqual(["0001_second", "0000_first"]);
  await journal("0000_first");
  await expect(migrate(database.url, "up", { dir })).rejects.toThrow(/0001_second.sql is not in/);
  await journal("0000_first", "0001_second", "0002_third");
  await expect(migrate(database.url, "up", { dir })).rejects.toThrow(
    /0002_third.sql is in the journal but not there/,
  );
});

test("[migrate/lock_timeout] a table in use does not make a migration wait for ever: it tries again", async () => {
  await write("0000_first", "CREATE TABLE a (n int);");
  await migrate(database.url, "up", { dir });
  await write("0001_second", "ALTER TABLE a ADD COLUMN m int;");
  const reader = await database.pool.connect();
  await reader.query("BEGIN; SELECT * FROM a");
  await expect(migrate(database.url, "up", { dir, lockTimeoutMs: 50, attempts: 2 })).rejects.toThrow(/55P03/);
  const patient = migrate(database.url, "up", { dir, lockTimeoutMs: 50, attempts: 50 });
  await waitFor(async () => {
    const { rows } = await database.pool.query("SELECT 1 FROM pg_locks WHERE NOT granted");
    return rows.length > 0;
  });
  await reader.query("COMMIT");
  reader.release();
  expect((await patient).applied).toEqual(["0001_second"]);
});

test("[migrate/race] several processes that migrate at once apply each step once", async () => {
  await write("0000_first", "CREATE TABLE a (n int);\n--> statement-breakpoint\nSELECT pg_sleep(0.3);");
  await write("0001_second", "INSERT INTO a VALUES (1);\n--> statement-breakpoint\nSELECT pg_sleep(0.3);");
  const results = await Promise.all([1, 2, 3, 4].map(() => startMigrator(database.url, dir).done));
  expect(results.map(({ code, error }) => [code, error])).toEqual(results.map(() => [0, ""]));
  expect(results.flatMap(({ applied }) => applied).toSorted()).toEqual(["0000_first", "0001_second"]);
  expect((await database.pool.query("SELECT n FROM a")).rows).toEqual([{ n: 1 }]);
});

test("[migrate/killed] kill -9 in the middle of a step: the step is undone and the next process goes on", async () => {
  await write("0000_first", "CREATE TABLE a (n int);");
  await write("0001_slow", "CREATE TABLE b (n int);\n--> statement-breakpoint\nSELECT pg_sleep(2);");
  const killed = startMigrator(database.url, dir);
  await waitFor(
    async () => {
      const { rows } = await database.pool.query(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'",
      );
      return rows.length > 0;
    },
    { timeoutMs: 20_000 },
  );
  killed.kill();
  await killed.done;
  const next = await migrate(database.url, "up", { dir });
  expect(next.migrations.map(({ state }) => state)).toEqual(["applied", "applied"]);
  expect(await tables()).toEqual(["a", "aetherflow_migrations", "b"]);
});

test("[migrate/package] the package's own migrations go up, down to nothing, and up again", async () => {
  await migrate(database.url, "up");
  const objects = async () => {
    const { rows } = await database.pool.query(
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace " +
        "UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace " +
        "UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd') ORDER BY 1",
    );
    return rows.map((row) => row.name);
  };
  const complete = await objects();
  while ((await migrate(database.url, "down")).reverted.length > 0);
  expect(await objects()).toEqual(["aetherflow_migrations", "aetherflow_migrations_pkey"]);
  await migrate(database.url, "up");
  expect(await objects()).toEqual(complete);
});

test("[cli/migrate] reset asks first, on a terminal only; --yes does not; bad usage is named", async () => {
  const run = async (args: string[], answer?: string, env: Record<string, string> = {}) => {
    let out = "";
    let err = "";
    const code = await runMigrate([...args, "--database-url", database.url], {
      env,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      ask: answer === undefined ? undefined : async () => answer,
    });
    return { code, out, err };
  };
  expect(await run(["up"])).toMatchObject({ code: 0, out: expect.stringContaining("applied 0000_") });
  await expect(run(["reset"])).rejects.toThrow(/^--yes/);
  expect(await run(["reset"], "no")).toMatchObject({ code: 1, err: "nothing was changed\n" });
  expect((await run(["reset"], "yes")).code).toBe(0);
  expect(await run(["reset", "--yes"])).toMatchObject({ code: 0, err: "" });
  // Servers that renewed their lease, and one that is gone.
  await database.pool.query(
    "INSERT INTO instances (id, heartbeat_at) VALUES ('a', now()), ('b', now()), ('c', now() - interval '1 hour')",
  );
  const { reverted } = JSON.parse((await run(["down", "--json"])).out);
  expect(reverted).toHaveLength(1);
  expect(await run(["reset", "--yes"])).toMatchObject({
    code: 0,
    err: expect.stringMatching(
      /^aetherflow migrate: 2 servers use this database, .* what reset deletes; .*\n$/,
    ),
  });
  const status = await run(["status", "--json"]);
  expect(JSON.parse(status.out).migrations[0]).toMatchObject({ name: "0000_tables", state: "applied" });
  // Where a server would listen says nothing about who may migrate.
  expect(await run(["status"], undefined, { HOST: "0.0.0.0" })).toMatchObject({ code: 0, err: "" });
  await expect(run(["sideways"])).rejects.toThrow(/up, down, reset, status/);
  await expect(run(["up", "--nope"])).rejects.toThrow(/--nope/);
  const memory = run(["up"], undefined, { AETHERFLOW_STORE: "memory" });
  await expect(memory).rejects.toSatisfy(
    (error) => error instanceof ConfigError && /^store.type/.test(error.message),
  );
});

test.each([
  ["Ctrl-C", "\u0003", ""],
  ["Ctrl-D", "\u0004", ""],
  ["yes", "yes\r", "yes"],
])("[migrate/reset] %s at the question is an answer, no error", async (_title, typed, answer) => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const asked = askOn("Go on? ", input, output);
  input.write(typed);
  expect(await asked).toBe(answer);
});
