/** How the store's files speak to the pool: one place for the errors in the store's own terms. */
import { DrizzleQueryError } from "drizzle-orm";
import type pg from "pg";
import type { DatabasePool } from "../../database/pool.ts";
import { asStoreError, sqlstateOf } from "../../database/sqlstate.ts";
import { withTransaction } from "../../database/transaction.ts";
import { StoreRefused } from "../store.ts";

/** Runs a drizzle query with the store's errors. */
export async function refusing<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    // drizzle wraps what the driver throws, with the query and its values in the message: only the cause goes on.
    const cause = error instanceof DrizzleQueryError && error.cause !== undefined ? error.cause : error;
    throw asRefusal(asStoreError(cause));
  }
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint): the value itself is at fault. */
function asRefusal(error: unknown): unknown {
  const code = sqlstateOf(error);
  if (code === undefined || !/^2[23]/.test(code)) return error;
  return new StoreRefused(`the database refused a value (SQLSTATE ${code})`, { cause: error });
}

export interface Statement {
  /** Named statements are parsed and planned once a connection: 96 µs of PostgreSQL CPU a call against 263. */
  readonly name?: string;
  readonly text: string;
  /**
   * For what recovery depends on and is fast by nature: an answer later than this is none, and the connection is
   * given up. Default: the pool's, which is long enough for a whole document.
   */
  readonly answerWithinMs?: number;
}

/**
 * Timeout of the statements that rooms and sessions cannot go on without (commit, catch-up, comparison, leases, what is
 * read before anything is decided). Half of the 10 s in which everything is to recover after a fault, because only a
 * timeout notices a silent connection.
 */
export const promptMs = 5_000;

/** The same for a read of so many bytes, at 5 MB a second: with 64 MB, what the pool allows any statement. */
export const promptMsOf = (bytes: number): number => promptMs + bytes / 5_000;

/** The pool with the store's errors: `StoreUnavailable` for outages, `StoreRefused` for values. */
export class Database {
  readonly pool: DatabasePool;

  constructor(pool: DatabasePool) {
    this.pool = pool;
  }

  /** Rows of one statement. */
  async rows<R extends pg.QueryResultRow>(
    statement: Statement,
    values: readonly unknown[] = [],
  ): Promise<R[]> {
    return (await this.#result<R>(statement, values)).rows;
  }

  /** How many rows a statement touched. */
  async count(statement: Statement, values: readonly unknown[] = []): Promise<number> {
    return (await this.#result(statement, values)).rowCount ?? 0;
  }

  /** Several statements in one transaction; see `withTransaction`. */
  async transaction<T>(
    work: (
      query: <R extends pg.QueryResultRow>(
        statement: Statement,
        values?: readonly unknown[],
      ) => Promise<pg.QueryResult<R>>,
    ) => Promise<T>,
    options: {
      readonly isolation?: "repeatable read";
      readonly readOnly?: boolean;
      readonly idempotent?: boolean;
    } = {},
  ): Promise<T> {
    try {
      return await withTransaction(
        this.pool,
        (client) => work((statement, values = []) => client.query(toQuery(statement, values))),
        { ...options, beginWithinMs: promptMs },
      );
    } catch (error) {
      throw asRefusal(error);
    }
  }

  async #result<R extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]) {
    try {
      return await this.pool.run<R>(toQuery(statement, values));
    } catch (error) {
      throw asRefusal(error);
    }
  }
}

/** As the driver takes it. Field by field: what is spread lives on, with a call's buffers, until all of the heap is collected. */
function toQuery(
  { name, text, answerWithinMs }: Statement,
  values: readonly unknown[],
): pg.QueryConfig<unknown[]> {
  const query = { name, text, values: values as unknown[], query_timeout: answerWithinMs };
  // The driver takes what is undefined as absent; its types do not say so.
  return query as pg.QueryConfig<unknown[]>;
}
