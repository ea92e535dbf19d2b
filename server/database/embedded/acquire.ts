/**
 * One process's use of the embedded PostgreSQL of a data directory.
 *
 *   starting ──► ready ──connection lost──► recovering ──► ready
 *                  └──────── close() ─────────────┴──────► closing ──► closed
 *
 * - A user holds a shared advisory lock on a connection of its own for as long as it uses the server. Its end, for
 *   whatever reason, is how a user notices that the server is gone; while this process lives it joins the server
 *   that somebody else started meanwhile, or starts it.
 * - Joining, starting and leaving happen under the directory's start lock (start-lock.ts), so nobody joins a server
 *   that is being stopped.
 * - Leaving: who gets the advisory lock exclusively is the last user, and stops the server. A user whose connection
 *   happens to be broken at that moment does not count; it is cut off and starts the server again.
 * - A process that dies without leaving leaves the server running; the next user finds and finally stops it.
 * - The server keeps its port over restarts unless somebody else took it; then `url` changes, and `onMoved` says so.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { type Log, silentLog } from "../log.ts";
import { embeddedDatabase, embeddedUser, findPostmaster, prepareCluster, readPassword } from "./cluster.ts";
import { hasCluster, type Layout, prepareLayout } from "./layout.ts";
import { asProblem, EmbeddedProblem } from "./problem.ts";
import { findPlatformPackage, installRuntime, removeOtherRuntimes } from "./runtime.ts";
import { joinIfRunning, joinOrStart, type Running, stop } from "./server.ts";
import { withStartLock } from "./start-lock.ts";

/** Key of the users' advisory lock, in the maintenance database `postgres`, where nobody else takes locks. */
const usersLock = 0x61_65_74_68; // "aeth"

const startTimeoutMs = 90_000;
const retryFirstMs = 100;
const retryMaxMs = 5_000;

export interface AcquireOptions {
  readonly dataDir: string;
  /** Where there is none yet, make none: what only reads has nothing to read there. Default true. */
  readonly create?: boolean;
  readonly log?: Log;
  /** PostgreSQL settings for a start by this process, beyond those in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** As root: where to go when the data directory is out of reach for an unprivileged account. */
  readonly reachableRoot?: string;
  /** Called while PostgreSQL's process starts: for work of a tenth of a second that has to be done anyway. */
  readonly whileStarting?: () => void;
  /** Jitter of retries: uniform in [0, 1). */
  readonly random?: () => number;
}

export interface EmbeddedDatabase {
  /** Connection string, password included: never log it. Changes only when the server had to move to another port. */
  readonly url: string;
  readonly state: "ready" | "recovering" | "closing" | "closed";
  /** Process id of the server that runs now. */
  serverPid(): Promise<number | undefined>;
  /** Calls the listener with the new `url` whenever it changes. Returns what removes the listener. */
  onMoved(listener: (url: string) => void): () => void;
  /** Stops using the server; stops the server when nobody else uses it. May be called repeatedly. */
  close(): Promise<void>;
}

/**
 * Starts the embedded PostgreSQL of a data directory, or joins the one that another process started.
 * Resolves when it accepts connections.
 * @throws EmbeddedProblem when that is impossible here, saying what to change.
 */
export async function acquireEmbedded(options: AcquireOptions): Promise<EmbeddedDatabase> {
  try {
    return await acquire(options);
  } catch (error) {
    throw asProblem(error, options.dataDir);
  }
}

async function acquire(options: AcquireOptions): Promise<EmbeddedDatabase> {
  if (options.create === false && !(await hasCluster(options.dataDir)))
    throw new EmbeddedProblem(`there is no embedded database in ${options.dataDir}; check --data-dir`);
  const platform = await findPlatformPackage(process.platform, process.arch);
  const layout = await prepareLayout(options.dataDir, options.reachableRoot);
  const log = options.log ?? silentLog;

  const join = () =>
    withStartLock(layout.baseDir, startTimeoutMs, async (): Promise<Running> => {
      const runtimeDir = await installRuntime(platform, layout.baseDir);
      await prepareCluster(layout, runtimeDir, platform);
      if ((await findPostmaster(layout)) === undefined) await removeOtherRuntimes(layout.baseDir, runtimeDir);
      const settings = options.settings ?? {};
      const { whileStarting = () => undefined } = options;
      const start = { layout, runtimeDir, settings, log, whileStarting, timeoutMs: startTimeoutMs };
      const running = await joinOrStart(start);
      await shareLock(running.client);
      return running;
    });
  const running = await join();
  const password = await readPassword(layout);
  return new EmbeddedUse({ layout, log, join, running, password, random: options.random ?? Math.random });
}

interface UseParts {
  readonly layout: Layout;
  readonly log: Log;
  readonly join: () => Promise<Running>;
  readonly running: Running;
  readonly password: string;
  readonly random: () => number;
}

class EmbeddedUse implements EmbeddedDatabase {
  readonly #parts: UseParts;
  readonly #moved = new Set<(url: string) => void>();
  readonly #closing = new AbortController();
  #running: Running;
  #lost = false;
  #recovery: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #state: EmbeddedDatabase["state"] = "ready";

  constructor(parts: UseParts) {
    this.#parts = parts;
    this.#running = parts.running;
    this.#watch(parts.running.client);
  }

  get url(): string {
    const { password } = this.#parts;
    // sslmode: PGSSLMODE in the environment is meant for another server.
    return `postgres://${embeddedUser}:${password}@127.0.0.1:${this.#running.port}/${embeddedDatabase}?sslmode=disable`;
  }

  get state(): EmbeddedDatabase["state"] {
    return this.#state;
  }

  async serverPid(): Promise<number | undefined> {
    return (await findPostmaster(this.#parts.layout))?.pid;
  }

  onMoved(listener: (url: string) => void): () => void {
    this.#moved.add(listener);
    return () => this.#moved.delete(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  #watch(client: Client): void {
    client.once("end", () => {
      this.#lost = true;
      if (this.#state === "ready") this.#recovery = this.#recover();
    });
  }

  async #recover(): Promise<void> {
    const { log, random } = this.#parts;
    this.#state = "recovering";
    log.warn({}, "lost the embedded PostgreSQL");
    for (let ceiling = retryFirstMs; ; ceiling = Math.min(ceiling * 2, retryMaxMs)) {
      // Full jitter: of several users that lose the server together, one is likely to be clearly first.
      await delay(random() * ceiling, undefined, { signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return;
      try {
        const running = await this.#parts.join();
        const moved = running.port !== this.#running.port;
        this.#running = running;
        this.#lost = false;
        this.#watch(running.client);
        if (this.#closing.signal.aborted) return;
        this.#state = "ready";
        log.info({ port: running.port }, "the embedded PostgreSQL is back");
        if (moved) for (const listener of this.#moved) listener(this.url);
        return;
      } catch (error) {
        log.error({ err: error }, "the embedded PostgreSQL cannot be started; trying again");
      }
    }
  }

  async #leave(): Promise<void> {
    const { layout, log } = this.#parts;
    this.#state = "closing";
    this.#closing.abort();
    await this.#recovery;
    await withStartLock(layout.baseDir, startTimeoutMs, async () => {
      let running: Running | undefined = this.#running;
      if (this.#lost) {
        // Others may rely on somebody stopping the server; look once whether it is there.
        running = await joinIfRunning(layout);
        if (running === undefined) return;
      }
      const isLast = await exclusiveLock(running.client);
      await running.client.end().catch(() => {});
      if (isLast) await stop(layout, log);
    });
    this.#state = "closed";
  }
}

/** Nobody holds it exclusively for longer than the stop of a server whose stopper was killed. */
async function shareLock(client: Client): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { rows } = await client.query<{ got: boolean }>("SELECT pg_try_advisory_lock_shared($1) AS got", [
      usersLock,
    ]);
    if (rows[0]?.got === true) return;
    await delay(50);
  }
  throw new EmbeddedProblem("another process holds the embedded PostgreSQL's users lock without leaving");
}

async function exclusiveLock(client: Client): Promise<boolean> {
  try {
    const { rows } = await client.query<{ got: boolean }>("SELECT pg_try_advisory_lock($1) AS got", [
      usersLock,
    ]);
    return rows[0]?.got === true;
  } catch {
    return false; // the server went away by itself
  }
}
