/** The files of one PostgreSQL cluster: creation, password, port, and what postmaster.pid says. */
import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import type { Account } from "./account.ts";
import type { Layout } from "./layout.ts";
import { EmbeddedProblem } from "./problem.ts";
import { processCommand } from "./process-identity.ts";
import type { PlatformPackage } from "./runtime.ts";

/** The role and the database that the embedded server has. */
export const embeddedUser = "aetherflow";
export const embeddedDatabase = "aetherflow";

/**
 * Written into postgresql.conf when the cluster is made; a person may change them there afterwards. The memory
 * settings are below those for a server of its own (deploy/postgresql.conf), since this one shares a laptop or a small container.
 */
export const initialSettings: Readonly<Record<string, string>> = {
  max_connections: "100",
  shared_buffers: "128MB",
  effective_cache_size: "512MB",
  work_mem: "8MB",
  maintenance_work_mem: "64MB",
  random_page_cost: "1.1",
  wal_level: "replica",
  max_wal_size: "1GB",
  min_wal_size: "80MB",
  checkpoint_timeout: "10min",
  checkpoint_completion_target: "0.9",
  // A killed instance's statement must not keep its row locks until it happens to write to the dead socket.
  client_connection_check_interval: "2s",
  log_timezone: "UTC",
  timezone: "UTC",
  log_line_prefix: "%m [%p] ",
  log_min_duration_statement: "1000",
  // Documents are people's content and have no place in a log: no parameters, no DETAIL with values of a row.
  log_parameter_max_length: "0",
  log_parameter_max_length_on_error: "0",
  log_error_verbosity: "terse",
};

/**
 * Makes the cluster unless it exists. Made beside and renamed: a process killed within initdb leaves a draft that
 * the next one deletes, never half a cluster. Where initdb fails, the runtime goes as well. Call under the start lock.
 * @throws EmbeddedProblem when initdb fails, or the cluster is of another major version.
 */
export async function prepareCluster(
  layout: Layout,
  runtimeDir: string,
  platform: PlatformPackage,
): Promise<void> {
  const version = await readOptional(path.join(layout.clusterDir, "PG_VERSION"));
  if (version !== undefined) {
    if (version.trim() === platform.major) return;
    throw new EmbeddedProblem(
      `${layout.clusterDir} holds data of PostgreSQL ${version.trim()}, this package brings ${platform.major}: ` +
        "dump it with the old version and restore it, or choose another --data-dir",
    );
  }
  for (const name of await readdir(layout.baseDir)) {
    if (name.startsWith("cluster.draft-")) await rm(path.join(layout.baseDir, name), { recursive: true });
  }
  const draft = path.join(layout.baseDir, `cluster.draft-${randomBytes(6).toString("hex")}`);
  await mkdir(draft, { mode: 0o700 });
  await give(draft, layout.account);
  await writeSecret(layout.passwordFile, randomBytes(24).toString("base64url"), layout.account);
  const settings = Object.entries(initialSettings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  try {
    await runInitdb(layout, path.join(runtimeDir, "bin", "initdb"), [
      ...["-D", draft, "-U", embeddedUser, `--pwfile=${layout.passwordFile}`],
      ...["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
      // Unicode case mapping without depending on what the machine has installed or upgrades.
      ...["--locale-provider=builtin", "--builtin-locale=C.UTF-8", ...settings],
    ]);
  } catch (error) {
    // Nobody runs from the binaries before there is a cluster, and they are a hundred megabytes.
    for (const left of [draft, runtimeDir, layout.passwordFile])
      await rm(left, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  await rename(draft, layout.clusterDir);
}

async function runInitdb(layout: Layout, initdb: string, args: string[]): Promise<void> {
  const child = spawn(initdb, args, {
    ...(layout.account ?? {}),
    cwd: layout.baseDir,
    env: serverEnvironment,
    // As for the server: Ctrl-C ends what we are doing in our own time.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const result = await new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "ended"));
  });
  if (result === 0) return;
  if (/^SIG(INT|TERM|HUP)$/.test(String(result)) || output.includes("caught signal"))
    throw new EmbeddedProblem("initdb was interrupted; nothing of it stays, the next start begins anew");
  throw new EmbeddedProblem(
    `initdb failed (${result}): ${output.trim().split("\n").slice(-5).join("\n") || "no output"}\n` +
      "(the embedded binaries need glibc, a user with a name in /etc/passwd, and a directory that permits execution)",
  );
}

/** Nothing of ours leaks into PostgreSQL, and no PGDATA, PGOPTIONS or locale of the caller changes what it does. */
export const serverEnvironment = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

/** The password of `embeddedUser`; undefined before the cluster was made. */
export async function readPassword(layout: Layout): Promise<string> {
  return (await readFile(layout.passwordFile, "utf8")).trim();
}

/** The port that the server had last. */
export async function readPort(layout: Layout): Promise<number | undefined> {
  const port = Number(await readOptional(layout.portFile));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Records the port, so that it stays the same over restarts and connection strings stay valid. */
export async function writePort(layout: Layout, port: number): Promise<void> {
  await writeSecret(layout.portFile, String(port), layout.account);
}

/**
 * A free port on loopback: the wanted one if possible, else a random one below the range that systems take
 * outgoing connections' ports from (Linux 32768, macOS 49152), where it would soon be taken again.
 */
export async function freePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await isFree(wanted))) return wanted;
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(15_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new EmbeddedProblem("found no free port on 127.0.0.1 between 15000 and 32000");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** What a running, starting or killed server left in postmaster.pid. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/**
 * The living postmaster of this cluster. A postmaster.pid whose process is gone, or is another program that got
 * the same pid, is no postmaster.
 */
export async function findPostmaster(layout: Layout): Promise<Postmaster | undefined> {
  const lines = (await readOptional(path.join(layout.clusterDir, "postmaster.pid")))?.split("\n");
  const pid = Number(lines?.[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (!(await isPostmaster(layout, pid))) return undefined;
  return { pid, port: Number(lines?.[3]) || 0 };
}

/** Whether this process is a PostgreSQL server on this cluster. */
export async function isPostmaster(layout: Layout, pid: number): Promise<boolean> {
  const command = await processCommand(pid);
  return command?.includes("postgres") === true && command.includes(layout.clusterDir);
}

/**
 * Makes a postmaster.pid whose process is dead or a stranger harmless. PostgreSQL copes with a dead one itself but
 * gives up when the pid belongs to another process of the same user. The file is not deleted: its last line names
 * the shared memory by which PostgreSQL notices backends that outlived their killed postmaster, and to start
 * beside those destroys data. So only the pid is replaced, by one above every system's limit.
 */
export async function disownPostmasterFile(layout: Layout): Promise<void> {
  const file = path.join(layout.clusterDir, "postmaster.pid");
  const text = await readOptional(file);
  const command = await processCommand(Number(text?.split("\n", 1)[0]));
  // A PostgreSQL that we do not recognise as ours may still be on this cluster, started by hand: leave it to them.
  if (text === undefined || command === undefined || command.includes("postgres")) return;
  await writeFile(file, text.replace(/^[^\n]*/, "2147483647"));
}

async function writeSecret(file: string, text: string, account: Account | undefined): Promise<void> {
  const draft = `${file}.draft-${randomBytes(6).toString("hex")}`;
  await writeFile(draft, `${text}\n`, { mode: 0o600 });
  await chmod(draft, 0o600);
  await give(draft, account);
  await rename(draft, file);
}

async function give(file: string, account: Account | undefined): Promise<void> {
  if (account !== undefined) await chown(file, account.uid, account.gid);
}

async function readOptional(file: string): Promise<string | undefined> {
  return await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
}
