/** The stored functions as all migrations together leave them, kept in one file for people: migrations only say what changed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test("[migrate/functions] docs/stored-functions.sql shows the functions as the migrations leave them", async () => {
  const { rows } = await database.pool.query<{ definition: string }>(
    `SELECT pg_get_functiondef(oid) AS definition FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace ORDER BY proname, oidvectortypes(proargtypes)`,
  );
  const head = [
    "-- The stored functions as they are once all migrations have run. Made from the database: after a migration that",
    "-- changes one, run `npx vitest run test/store/functions.test.ts -u`.",
  ];
  const text = [head.join("\n"), ...rows.map(({ definition }) => `${definition.trimEnd()};`)].join("\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot("../../docs/stored-functions.sql");
});
