import pg from "pg";
import { expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";

test("[harness] a test database is a clone of the migrated template", async () => {
  const database = await createTestDatabase();
  const { rows } = await database.pool.query("SELECT count(*) AS n FROM aetherflow_migrations");
  expect(rows[0].n).toBeGreaterThan(0);
  await database.drop();
});

test("[harness] a leaked connection fails the test and the database is dropped nevertheless", async () => {
  const database = await createTestDatabase();
  const leaked = new pg.Client({ connectionString: database.url });
  leaked.on("error", () => {});
  await leaked.connect();
  await expect(database.drop()).rejects.toThrow(/1 leaked database connection/);
  await expect(leaked.query("SELECT 1")).rejects.toThrow();
});
