/** The store on PostgreSQL: the truth that all instances share. */
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { uuidv7 } from "uuidv7";
import { settings } from "../../../drizzle/settings.ts";
import type { DatabasePool } from "../../database/pool.ts";
import type { Store } from "../store.ts";
import { createAssets } from "./assets.ts";
import { commit } from "./commit.ts";
import { createConflicts } from "./conflicts.ts";
import { Database, promptMs, refusing } from "./database.ts";
import { createDocuments } from "./documents.ts";
import { loadDocument, readHeads } from "./heads.ts";
import { createLocks } from "./locks.ts";
import { createOperations } from "./operations.ts";
import { createSessions } from "./sessions.ts";
import { createSnapshots } from "./snapshots.ts";
import { readDocumentStats, readStats } from "./stats.ts";
import { createVersions } from "./versions.ts";
import { createWebhooks } from "./webhooks.ts";

export interface PostgresStoreOptions {
  readonly pool: DatabasePool;
  /** Ids of locks and snapshot writes: version-7 UUIDs by default. */
  readonly newId?: () => string;
  /** A clock that never goes back. */
  readonly monotonicMs?: () => number;
}

/**
 * The store over a pool, which belongs to the caller: `close()` leaves it open, since listeners of the pool's owner
 * and other stores may use it.
 */
export function createPostgresStore(options: PostgresStoreOptions): Store {
  const { pool, newId = uuidv7, monotonicMs = () => performance.now() } = options;
  const database = new Database(pool);
  const orm = drizzle(pool);
  const sessions = createSessions(database, monotonicMs);
  return {
    kind: "postgres",
    documents: {
      ...createDocuments(database, orm),
      heads: (queries) => readHeads(database, queries),
      load: (docId) => loadDocument(database, docId),
    },
    operations: createOperations(database),
    conflicts: createConflicts(database),
    locks: createLocks(database, newId),
    snapshots: createSnapshots(database, newId),
    assets: createAssets(database),
    webhooks: createWebhooks(database),
    versions: createVersions(database),
    sessions,
    commit: (batches, commitOptions) => commit(database, batches, commitOptions, sessions.isRecorded),

    async secret(name, make) {
      const read = async () => {
        const rows = await refusing(() => orm.select().from(settings).where(eq(settings.name, name)));
        return rows[0]?.value;
      };
      const known = await read();
      if (known !== undefined) return known;
      // Whoever is first decides; the others read it.
      await refusing(() => orm.insert(settings).values({ name, value: make() }).onConflictDoNothing());
      const decided = await read();
      if (decided === undefined) throw new Error(`the setting ${name} vanished while it was made`);
      return decided;
    },

    stats: () => readStats(database),
    documentStats: (docIds) => readDocumentStats(database, docIds),

    async ping() {
      const rows = await database.rows<{ now: string }>({
        name: "ping",
        answerWithinMs: promptMs,
        text: "SELECT clock_timestamp()::timestamptz(3) AS now",
      });
      return { now: rows[0]?.now ?? "" };
    },

    async close() {},
  };
}
