/**
 * The connection pool. What pg's own lacks, each of which has taken servers down:
 * - a bound on the queue of waiters (it waits without one, and for ever by default),
 * - an `error` listener (the process dies when an idle connection breaks),
 * - keeping a connection after an error that is not the connection's fault (pg closes it after a unique violation),
 * - a connection string that may change (the embedded server can move to another port),
 * - one kind of error for every outage: `StoreUnavailable`.
 */
import pg from "pg";
import { StoreUnavailable } from "../store/store.ts";
import { type Log, silentLog } from "./log.ts";
import { asStoreError, isSilence, needsNewConnection } from "./sqlstate.ts";
import { valueTypes } from "./values.ts";

export interface PoolOptions {
  /** A connection string, or what gives the current one; asked for each new connection. */
  readonly url: string | (() => string);
  /** Most connections. Default 10. */
  readonly max?: number;
  /** Connections kept when idle. Default 0: all may be closed. */
  readonly minIdle?: number;
  /** Most callers that wait for a connection; one more is told `StoreUnavailable` at once. Default 1000. */
  readonly maxWaiting?: number;
  /** For a connection: in the queue, or being made. Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** For a statement, enforced by the server. Default 15 s. */
  readonly statementTimeoutMs?: number;
  /**
   * For a row or table that others hold, enforced by the server: whoever wants one document whose row is held must not take
   * all connections for the whole of a statement's time. Default 3 s, as the stored functions that take locks have it.
   */
  readonly lockTimeoutMs?: number;
  /** For an answer, enforced here: a frozen network must not hold a caller. Default: statement timeout + 3 s. */
  readonly queryTimeoutMs?: number;
  /** An idle connection is closed after this. Default 30 s. */
  readonly idleTimeoutMs?: number;
  /** Shown in pg_stat_activity. Default `aetherflow`. */
  readonly applicationName?: string;
  readonly log?: Log;
}

/** A pg.Pool that is bounded, survives, and reports outages as `StoreUnavailable`. Close it with `close()`. */
export class DatabasePool extends pg.Pool {
  readonly #maxWaiting: number;
  #ended: Promise<void> | undefined;

  constructor(config: pg.PoolConfig, maxWaiting: number) {
    super(config);
    this.#maxWaiting = maxWaiting;
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(
    callback: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: Error | boolean) => void,
    ) => void,
  ): void;
  override connect(
    callback?: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: Error | boolean) => void,
    ) => void,
  ): Promise<pg.PoolClient> | undefined {
    const full = this.waitingCount >= this.#maxWaiting;
    const refusal = full
      ? new StoreUnavailable("too many callers wait for a database connection")
      : undefined;
    if (callback === undefined) {
      if (refusal !== undefined) return Promise.reject(refusal);
      return super.connect().catch((error: unknown) => {
        throw asStoreError(error);
      });
    }
    if (refusal !== undefined) process.nextTick(callback, refusal, undefined, () => {});
    else super.connect(callback);
    return undefined;
  }

  /**
   * Runs one statement on any connection. An outage is a `StoreUnavailable`, and whether the statement happened is
   * then unknown; other errors are the driver's `DatabaseError`. `query_timeout`: instead of the pool's, for this one.
   */
  run<R extends pg.QueryResultRow>(
    query: Omit<pg.QueryConfig<unknown[]>, "name"> & {
      readonly name?: string | undefined;
      readonly query_timeout?: number | undefined;
    },
  ): Promise<pg.QueryResult<R>> {
    // The driver takes what is undefined as absent; its types do not say so.
    return this.withClient((client) => client.query<R, unknown[]>(query as pg.QueryConfig<unknown[]>));
  }

  /** Lends a connection to `use`. It is closed afterwards when the error is the connection's, else used again. */
  async withClient<T>(use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    // Between two statements a broken connection emits `error`, and without a listener that ends the process.
    let broken: Error | undefined;
    const onError = (error: Error) => {
      broken = error;
    };
    client.on("error", onError);
    try {
      const result = await use(client);
      client.off("error", onError);
      client.release(broken);
      return result;
    } catch (error) {
      client.off("error", onError);
      const inTransaction = client.getTransactionStatus() !== "I";
      client.release(broken !== undefined || inTransaction || needsNewConnection(error));
      if (isSilence(error)) this.#closeIdle();
      throw asStoreError(error);
    }
  }

  /**
   * Where one connection is silent, those that idle beside it mostly are too, and each would cost its next borrower a
   * whole timeout. Making new ones costs milliseconds.
   */
  #closeIdle(): void {
    for (let count = this.idleCount; count > 0; count -= 1) {
      super.connect().then(
        (client) => client.release(true),
        () => undefined,
      );
    }
  }

  /** Waits for what is borrowed and closes all connections. May be called repeatedly. */
  close(): Promise<void> {
    this.#ended ??= this.end();
    return this.#ended;
  }
}

/** Creates a pool; connects at the first use. */
export function createPool(options: PoolOptions): DatabasePool {
  const { url, log = silentLog } = options;
  const statementTimeoutMs = options.statementTimeoutMs ?? 15_000;

  class CurrentUrlClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super({ ...config, connectionString: typeof url === "string" ? url : url() });
    }
  }

  const config: pg.PoolConfig & { Client: typeof CurrentUrlClient } = {
    Client: CurrentUrlClient as unknown as typeof CurrentUrlClient & (new () => pg.ClientBase),
    max: options.max ?? 10,
    min: options.minIdle ?? 0,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    idleTimeoutMillis: options.idleTimeoutMs ?? 30_000,
    query_timeout: options.queryTimeoutMs ?? statementTimeoutMs + 3_000,
    application_name: options.applicationName ?? "aetherflow",
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: valueTypes,
    // By SET, not as start-up parameters: pgbouncer refuses connections that bring those.
    onConnect: (client) =>
      client.query(
        `SET statement_timeout = ${statementTimeoutMs}; ` +
          `SET lock_timeout = ${options.lockTimeoutMs ?? 3_000}; ` +
          `SET idle_in_transaction_session_timeout = ${statementTimeoutMs}; ` +
          "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET standard_conforming_strings = on",
      ) as unknown as undefined, // typed as returning nothing, awaited nevertheless (pg-pool 3.14)
  };
  const pool = new DatabasePool(config, options.maxWaiting ?? 1_000);
  let broken = false;
  pool.on("error", (error) => {
    // A server that stops right after the pool was closed is faster than the connection's own farewell.
    if (pool.ending) return;
    // pg hangs the client on it, password included: only for a serializer of errors, never to be spread.
    if (broken) log.debug({ err: error }, "another idle database connection broke");
    else log.warn({ err: error }, "an idle database connection broke");
    broken = true;
  });
  pool.on("connect", () => {
    if (broken) log.info({}, "connected to the database again");
    broken = false;
  });
  return pool;
}
