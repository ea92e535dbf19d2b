/** Transactions and their repetition. */
import { setTimeout as delay } from "node:timers/promises";
import type { PoolClient } from "pg";
import { StoreUnavailable } from "../store/store.ts";
import type { DatabasePool } from "./pool.ts";
import { isConnectionLoss, retryMeaning } from "./sqlstate.ts";

export interface RetryOptions {
  /** Attempts in all. Default 5. */
  readonly attempts?: number;
  /** No attempt begins later than this after the first. Default 10 s. */
  readonly withinMs?: number;
  /** Jitter: uniform in [0, 1). */
  readonly random?: () => number;
  /**
   * Whether to repeat when the connection broke, so that it is unknown whether the work happened. Only for work
   * that is the same when done twice (reads, compare-and-set, inserts by a unique id). Default false.
   */
  readonly idempotent?: boolean;
}

export interface TransactionOptions extends RetryOptions {
  /** Default: the server's (read committed). */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  readonly readOnly?: boolean;
  /** How long the first answer may take: only a timeout notices a silent connection. Default: the pool's. */
  readonly beginWithinMs?: number;
}

const backoffMaxMs = 2_000;

/**
 * Runs `work` in a transaction, repeated as a whole when it lost a race or its connection. `work` may run several
 * times: it must not have effects outside the database.
 * @throws StoreUnavailable when the database did not answer; the transaction may have been committed then.
 */
export function withTransaction<T>(
  pool: DatabasePool,
  work: (client: PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  const isolation =
    options.isolation === undefined ? "" : ` ISOLATION LEVEL ${options.isolation.toUpperCase()}`;
  const begin = `BEGIN${isolation}${options.readOnly === true ? " READ ONLY" : ""}`;
  const beginning = { text: begin, query_timeout: options.beginWithinMs };
  const repeatable = options.idempotent === true || options.readOnly === true;
  // Before COMMIT is sent, a lost connection means that nothing happened; afterwards nobody knows.
  let committing = false;
  const attempt = async (client: PoolClient): Promise<T> => {
    committing = false;
    await client.query(beginning);
    try {
      const result = await work(client);
      committing = true;
      await client.query("COMMIT");
      return result;
    } catch (error) {
      // On a broken connection this fails too, and the server rolls back by itself.
      if (!isConnectionLoss(error)) await client.query("ROLLBACK").catch(() => {});
      throw error;
    }
  };
  return repeat(
    () => pool.withClient(attempt),
    options,
    (error) => repeatable || !committing || !isConnectionLoss(error),
  );
}

/**
 * Repeats `work` after errors that pass (sqlstate.ts), with jittered, capped, growing pauses. Each attempt takes its
 * own connection.
 */
async function repeat<T>(
  work: () => Promise<T>,
  options: RetryOptions,
  isSafe: (error: unknown) => boolean,
): Promise<T> {
  const { attempts = 5, withinMs = 10_000, random = Math.random } = options;
  const deadline = performance.now() + withinMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const cause = error instanceof StoreUnavailable && error.cause !== undefined ? error.cause : error;
      const meaning = retryMeaning(cause);
      if (meaning === undefined || attempt >= attempts || !isSafe(cause)) throw error;
      const pauseMs = Math.min(backoffMaxMs, meaning.backoffMs * 2 ** (attempt - 1)) * (0.5 + random() / 2);
      if (performance.now() + pauseMs > deadline) throw error;
      await delay(pauseMs);
    }
  }
}
