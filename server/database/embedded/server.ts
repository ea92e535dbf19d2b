/** Starting, finding and stopping the PostgreSQL process of a cluster. All of it is called under the start lock. */
import { spawn } from "node:child_process";
import { open, readFile, rename, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Log } from "../log.ts";
import {
  disownPostmasterFile,
  embeddedDatabase,
  embeddedUser,
  findPostmaster,
  freePort,
  isPostmaster,
  readPassword,
  readPort,
  serverEnvironment,
  writePort,
} from "./cluster.ts";
import type { Layout } from "./layout.ts";
import { EmbeddedProblem } from "./problem.ts";

/** `server.log` is put aside at a start when it is larger than this. */
const logMaxBytes = 8 * 1024 * 1024;
/** Fast shutdown writes a checkpoint: long on a slow disk, but our own shutdown must end within 10 s. */
const fastStopMs = 5_000;

/** A running server and an open connection to it. */
export interface Running {
  readonly port: number;
  readonly client: pg.Client;
}

export interface StartOptions {
  readonly layout: Layout;
  readonly runtimeDir: string;
  /** Beyond those in postgresql.conf, as `name: value`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly log: Log;
  /** Called each time its process has been started and is not ready yet. */
  readonly whileStarting: () => void;
  /** Crash recovery replays up to max_wal_size, which takes a while on a slow disk. */
  readonly timeoutMs: number;
}

/** Connects to the cluster's server if it runs (waiting while it starts or recovers), else starts it. */
export async function joinOrStart(options: StartOptions): Promise<Running> {
  const { layout, log } = options;
  const deadline = performance.now() + options.timeoutMs;
  let reason = "no attempt was made";
  while (performance.now() < deadline) {
    const found = await findPostmaster(layout);
    if (found !== undefined) {
      const client = await tryConnect(layout, found.port);
      if (client instanceof pg.Client) {
        log.info({ port: found.port, serverPid: found.pid }, "joined the running embedded PostgreSQL");
        return { port: found.port, client };
      }
      reason = client;
      await delay(100);
      continue;
    }
    await disownPostmasterFile(layout);
    const started = await start(options, deadline);
    if (typeof started !== "string") return started;
    reason = started;
    await delay(250);
  }
  throw new EmbeddedProblem(
    `the embedded PostgreSQL in ${layout.baseDir} did not come up within ` +
      `${Math.round(options.timeoutMs / 1000)} s (${reason}); its log is ${layout.logFile}`,
  );
}

/** Connects if a server is there and ready; never starts one. */
export async function joinIfRunning(layout: Layout): Promise<Running | undefined> {
  const found = await findPostmaster(layout);
  if (found === undefined) return undefined;
  const client = await tryConnect(layout, found.port);
  return typeof client === "string" ? undefined : { port: found.port, client };
}

/** The new server, or why it is worth trying again. */
async function start(options: StartOptions, deadline: number): Promise<Running | string> {
  const { layout, log } = options;
  const port = await freePort(await readPort(layout));
  const logStart = await rotateLog(layout.logFile);
  const output = await open(layout.logFile, "a", 0o600);
  const settings = Object.entries(options.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(
    path.join(options.runtimeDir, "bin", "postgres"),
    [
      ...["-D", layout.clusterDir, "-p", String(port), "-c", "listen_addresses=127.0.0.1"],
      // No socket file: its path may be at most 107 bytes, a data directory's may be longer.
      ...["-c", "unix_socket_directories=", ...settings],
    ],
    {
      ...(layout.account ?? {}),
      cwd: layout.baseDir,
      env: serverEnvironment,
      // A session of its own: Ctrl-C goes to the terminal's process group, and would stop PostgreSQL (fast mode)
      // before our own shutdown has flushed what it holds.
      detached: true,
      stdio: ["ignore", output.fd, output.fd],
    },
  );
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code, signal) => {
    ended = `exit ${code ?? signal}`;
  });
  child.unref();
  await output.close();
  options.whileStarting();

  let reason = "";
  while (performance.now() < deadline) {
    if (ended !== undefined) return await explainEnd(layout.logFile, logStart, ended);
    const client = await tryConnect(layout, port);
    if (client instanceof pg.Client) {
      await writePort(layout, port);
      await createDatabase(client);
      log.info({ port, serverPid: child.pid }, "started the embedded PostgreSQL");
      return { port, client };
    }
    reason = client;
    await delay(50);
  }
  return reason;
}

/** Why the process ended, when trying again can help; throws otherwise. */
async function explainEnd(logFile: string, from: number, ended: string): Promise<string> {
  const said = (await readFile(logFile)).subarray(from).toString().trim();
  const lastLines = said.split("\n").slice(-6).join("\n");
  // Somebody took the port between the look and the bind: the next attempt takes another.
  if (/could not bind|Address already in use|could not create any TCP/.test(said)) return lastLines;
  // Backends of a killed postmaster notice within seconds that it is gone; until then nothing may be started.
  if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(said))
    return lastLines;
  throw new EmbeddedProblem(`the embedded PostgreSQL did not start (${ended}): ${lastLines || "no output"}`);
}

/**
 * Stops the server as its last user: connections of anybody else are cut. Returns when the process is gone.
 * If a checkpoint takes too long, the server is stopped at once; it then recovers from its log at the next start.
 */
export async function stop(layout: Layout, log: Log): Promise<void> {
  const found = await findPostmaster(layout);
  if (found === undefined) return;
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    try {
      process.kill(found.pid, signal);
    } catch {
      return; // gone between the look and the signal
    }
    const deadline = performance.now() + fastStopMs;
    while (performance.now() < deadline) {
      if (!(await isPostmaster(layout, found.pid))) {
        log.info({ serverPid: found.pid }, "stopped the embedded PostgreSQL");
        return;
      }
      await delay(20);
    }
    log.warn({ serverPid: found.pid, signal }, "the embedded PostgreSQL takes long to stop");
  }
}

/** An open connection to the maintenance database, or why there is none now. */
async function tryConnect(layout: Layout, port: number): Promise<pg.Client | string> {
  if (port === 0) return "the server has not written its port yet";
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: embeddedUser,
    password: await readPassword(layout),
    database: "postgres",
    ssl: false,
    application_name: "aetherflow-supervisor",
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  client.on("error", () => {}); // the loss of the connection is seen by "end"
  try {
    await client.connect();
    // SCRAM proves that the other side knows our password; a copied data directory's server knows it as well.
    const { rows } = await client.query<{ dir: string }>("SELECT current_setting('data_directory') AS dir");
    if (rows[0]?.dir === layout.clusterDir) return client;
    await client.end();
    return "a server on another data directory answers on this port";
  } catch (error) {
    await client.end().catch(() => {});
    if (error instanceof pg.DatabaseError && error.code === "28P01") {
      throw new EmbeddedProblem(
        `the embedded PostgreSQL refuses the password in ${layout.passwordFile}: file and cluster do not belong together`,
        { cause: error },
      );
    }
    return error instanceof Error ? error.message : String(error);
  }
}

async function createDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [embeddedDatabase]);
  if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(embeddedDatabase)}`);
}

/** Returns the size that the log has now. */
async function rotateLog(logFile: string): Promise<number> {
  const size = await stat(logFile).then(
    (file) => file.size,
    () => 0,
  );
  if (size <= logMaxBytes) return size;
  await rename(logFile, `${logFile}.1`);
  return 0;
}
