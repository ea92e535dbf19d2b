import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe } from "vitest";
import { createPostgresStore } from "../../server/store/postgres/store.ts";
import type { Store } from "../../server/store/store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { storeContract } from "./contract.ts";
import { commitContract } from "./contract-commit.ts";
import { ofRecordedSessions } from "./recorded.ts";

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await createTestDatabase();
  store = createPostgresStore({ pool: database.pool });
});
afterAll(async () => {
  await store.close();
  await database.drop();
});

// Only the database's clock counts, and it cannot be moved: leases in these tests are short.
storeContract("PostgreSQL", () => ({ store, pass: (ms) => delay(ms + 5) }));

describe("PostgreSQL store, of recorded sessions", () => {
  commitContract(() => ({ store: ofRecordedSessions(store), pass: (ms) => delay(ms + 5) }));
});
