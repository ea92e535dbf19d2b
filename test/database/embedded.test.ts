import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { acquireEmbedded } from "../../server/database/embedded/acquire.ts";
import { prepareCluster } from "../../server/database/embedded/cluster.ts";
import { hasCluster, prepareLayout } from "../../server/database/embedded/layout.ts";
import { asProblem } from "../../server/database/embedded/problem.ts";
import { processCommand } from "../../server/database/embedded/process-identity.ts";
import { installRuntime } from "../../server/database/embedded/runtime.ts";
import { migrate, schemaProblem } from "../../server/database/migrate.ts";
import { createPool } from "../../server/database/pool.ts";
import { verifyAll } from "../../server/store/verify.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { query, startUser, type UserOptions, type UserProcess } from "./user-process.ts";

// Each test starts several processes and servers; on two busy cores that takes long.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const isRoot = process.getuid?.() === 0;
let root: string;
/** Used by most tests in turn, to make a cluster only once; each leaves its server stopped. */
let shared: string;
let users: UserProcess[] = [];

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "aetherflow-embedded-"));
  await chmod(root, 0o711);
  shared = path.join(root, "shared");
});
afterEach(async () => {
  for (const user of users) await user.kill();
  users = [];
  await leaveAsLast(shared);
});
afterAll(() => rm(root, { recursive: true, force: true }));

function start(dataDir: string, options: UserOptions = {}): UserProcess {
  const user = startUser(dataDir, options);
  users.push(user);
  return user;
}

async function leaveAsLast(dataDir: string): Promise<void> {
  const database = await acquireEmbedded({ dataDir, settings: { fsync: "off" } });
  await database.close();
  expect(await database.serverPid()).toBeUndefined();
}

async function ready(user: UserProcess): Promise<{ url: string; serverPid: number }> {
  const { url = "", serverPid = 0 } = await user.said("ready");
  return { url, serverPid };
}

const isRunning = async (pid: number) => (await processCommand(pid)) !== undefined;

async function postmasterPid(dataDir: string): Promise<number> {
  const text = await readFile(path.join(dataDir, "postgres", "cluster", "postmaster.pid"), "utf8");
  return Number(text.split("\n")[0]);
}

/** Waits for a living server that is not the one that was killed, and that answers. */
function recovered(url: string, killed: number): Promise<number> {
  return waitFor(
    async () => {
      const pid = await postmasterPid(shared);
      await query(url, "SELECT 1");
      return pid !== killed && (await isRunning(pid)) ? pid : undefined;
    },
    { timeoutMs: 30_000, what: "the server is back" },
  );
}

test("[embedded/join] a second process joins the server of the first; the last to leave stops it", async () => {
  const first = start(shared);
  const one = await ready(first);
  const second = start(shared);
  const two = await ready(second);
  expect(two).toEqual(one);
  await first.close();
  expect(await query(two.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  await second.close();
  expect(await isRunning(one.serverPid)).toBe(false);
});

test("[embedded/log] the server's process is `serverPid` in the log: `pid` is whoever logs", async () => {
  const first = start(shared);
  const { serverPid } = await ready(first);
  const lines: { message: string; fields: object }[] = [];
  const write = (fields: object, message: string) => void lines.push({ message, fields });
  const log = { debug: write, info: write, warn: write, error: write };
  const database = await acquireEmbedded({ dataDir: shared, settings: { fsync: "off" }, log });
  await first.close();
  await database.close();
  for (const message of ["joined the running embedded PostgreSQL", "stopped the embedded PostgreSQL"])
    expect(lines).toContainEqual({ message, fields: expect.objectContaining({ serverPid }) });
  for (const { fields, message } of lines) expect(fields, message).not.toHaveProperty("pid");
});

test("[embedded/two-owners] processes that start at once on an empty directory share one server", async () => {
  const dataDir = path.join(root, "empty");
  const all = [1, 2, 3, 4].map(() => start(dataDir));
  const answers = await Promise.all(all.map(ready));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  await Promise.all(all.map((user) => user.close()));
  const serverPid = answers[0]?.serverPid ?? 0;
  await waitFor(async () => !(await isRunning(serverPid)));
  const left = await readdir(path.join(dataDir, "postgres"));
  expect(left.filter((name) => name.includes("draft"))).toEqual([]);
});

test("[embedded/owner-killed] kill -9 of the process that started it disturbs nobody, and the last one stops it", async () => {
  const owner = start(shared);
  const { url, serverPid } = await ready(owner);
  const other = start(shared);
  await ready(other);
  await owner.kill();
  expect(await query(url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  expect(await postmasterPid(shared)).toBe(serverPid);
  await other.close();
  expect(await isRunning(serverPid)).toBe(false);
});

test("[embedded/all-killed] after kill -9 of all users the next one adopts the server and finally stops it", async () => {
  const only = start(shared);
  const { url, serverPid } = await ready(only);
  await query(url, "CREATE TABLE kept AS SELECT 42 AS n");
  await only.kill();
  expect(await isRunning(serverPid)).toBe(true);
  const next = start(shared);
  expect(await ready(next)).toEqual({ url, serverPid });
  expect(await query(url, "SELECT n FROM kept")).toEqual([{ n: 42 }]);
  await query(url, "DROP TABLE kept");
  await next.close();
  expect(await isRunning(serverPid)).toBe(false);
});

test("[embedded/postgres-killed] kill -9 of PostgreSQL: users start it again, once, at the same URL, nothing committed is lost", async () => {
  const all = [start(shared), start(shared)];
  const [first] = await Promise.all(all.map(ready));
  const { url = "", serverPid = 0 } = first ?? {};
  await query(url, "CREATE TABLE committed AS SELECT generate_series(1, 1000) AS n");
  process.kill(serverPid, "SIGKILL");
  const second = await recovered(url, serverPid);
  expect(await query(url, "SELECT count(*)::int AS n FROM committed")).toEqual([{ n: 1000 }]);
  await query(url, "DROP TABLE committed");
  // Both hold the users' lock again: the first to leave does not stop it.
  const holders = () =>
    query<{ n: number }>(
      url,
      "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted",
    );
  await waitFor(async () => (await holders())[0]?.n === 2);
  await all[0]?.close();
  expect(await postmasterPid(shared)).toBe(second);
  await all[1]?.close();
  expect(await isRunning(second)).toBe(false);
});

test("[embedded/stale-pid] a postmaster.pid whose pid is another program's now does not stop a start", async () => {
  const first = start(shared);
  const { url, serverPid } = await ready(first);
  await first.kill();
  process.kill(serverPid, "SIGKILL");
  await waitFor(async () => !(await isRunning(serverPid)));
  const file = path.join(shared, "postgres", "cluster", "postmaster.pid");
  // A process of the same user as PostgreSQL: PostgreSQL by itself gives up on such a file.
  const cluster = await stat(path.dirname(file));
  const { spawn } = await import("node:child_process");
  const stranger = spawn("sleep", ["60"], isRoot ? { uid: cluster.uid, gid: cluster.gid } : {});
  try {
    await writeFile(file, (await readFile(file, "utf8")).replace(/^\d+/, String(stranger.pid)));
    const next = start(shared);
    const again = await ready(next);
    expect(again.url).toBe(url);
    expect(again.serverPid).not.toBe(serverPid);
    await next.close();
  } finally {
    stranger.kill();
  }
});

test("[embedded/ctrl-c] SIGINT to the process group reaches the user only; PostgreSQL serves its drain and then stops", async () => {
  const user = start(shared);
  const { serverPid } = await ready(user);
  process.kill(-(user.child.pid ?? 0), "SIGINT");
  await user.said("closed");
  expect(user.messages.map(({ event }) => event)).toEqual(["ready", "drained", "closed"]);
  expect(await isRunning(serverPid)).toBe(false);
});

test("[embedded/port] the port is kept over restarts, and given up when somebody else has it", async () => {
  const first = start(shared);
  const { url } = await ready(first);
  await first.close();
  const second = start(shared);
  const again = await ready(second);
  expect(again.url).toBe(url);

  // Stolen while it runs: the user is held, so that it cannot be faster than the thief.
  const port = Number(new URL(url).port);
  second.child.kill("SIGSTOP");
  process.kill(again.serverPid, "SIGKILL");
  const thief = createServer((socket) => socket.destroy());
  await waitFor(
    () =>
      new Promise<boolean>((resolve) => {
        thief.once("error", () => resolve(false));
        thief.listen({ port, host: "127.0.0.1" }, () => resolve(true));
      }),
  );
  second.child.kill("SIGCONT");
  const moved = (await second.said("moved")).url ?? "";
  expect(new URL(moved).port).not.toBe(String(port));
  expect(await query(moved, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  await second.close();
  await new Promise((resolve) => thief.close(resolve));
});

test("[embedded/leave-join] who joins while the last one leaves has a server that stays", async () => {
  let current = await acquireEmbedded({ dataDir: shared, settings: { fsync: "off" } });
  for (let round = 0; round < 6; round++) {
    const leaving = current.close();
    current = await acquireEmbedded({ dataDir: shared, settings: { fsync: "off" } });
    await leaving;
    expect(await query(current.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  }
  await current.close();
});

test("[embedded/cut-off] a user whose lock connection broke when the last one left starts the server again", async () => {
  // A pause of 8 s before it comes back: time enough for the other one to leave.
  const cut = await acquireEmbedded({ dataDir: shared, settings: { fsync: "off" }, random: () => 80 });
  const leaver = start(shared);
  const { url, serverPid } = await ready(leaver);
  // The supervisor of `cut` loses its lock; before it is back, the other leaves as the last one.
  const [row] = await query<{ pid: number }>(
    url,
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'aetherflow-supervisor' ORDER BY backend_start LIMIT 1",
  );
  await query(url, `SELECT pg_terminate_backend(${row?.pid})`);
  // Its process may need a while to give the lock back, and until then the other is not the last.
  await waitFor(async () => {
    const rows = await query(url, `SELECT 1 FROM pg_stat_activity WHERE pid = ${row?.pid}`);
    return rows.length === 0;
  });
  await leaver.close();
  expect(await isRunning(serverPid)).toBe(false);
  expect(cut.state).toBe("recovering");
  await waitFor(() => cut.state === "ready", { timeoutMs: 30_000 });
  expect(cut.url).toBe(url);
  expect(await query(cut.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  await cut.close();
});

test("[embedded/secure] loopback only, SCRAM, password in a 0600 file, no socket file, durable by default", async () => {
  const user = start(shared, { env: { DURABLE: "1" } });
  const { url, serverPid } = await ready(user);
  const settings = await query(
    url,
    "SELECT name, setting FROM pg_settings WHERE name IN ('listen_addresses', 'unix_socket_directories', 'fsync', " +
      "'synchronous_commit', 'full_page_writes', 'password_encryption', 'client_connection_check_interval') ORDER BY name",
  );
  expect(Object.fromEntries(settings.map((row) => [row.name, row.setting]))).toEqual({
    client_connection_check_interval: "2000",
    fsync: "on",
    full_page_writes: "on",
    listen_addresses: "127.0.0.1",
    password_encryption: "scram-sha-256",
    synchronous_commit: "on",
    unix_socket_directories: "",
  });
  const methods = await query(url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules");
  expect(methods).toEqual([{ auth_method: "scram-sha-256" }]);
  const guess = new URL(url);
  guess.password = "guess";
  await expect(query(guess.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  expect((await stat(path.join(shared, "postgres", "password"))).mode & 0o777).toBe(0o600);
  const command = await processCommand(serverPid);
  expect(command).not.toContain(new URL(url).password);
  await user.close();
});

test("[embedded/cold-copy] a copy of the folder, made when every process had stopped, is a database of its own that verifies", async () => {
  const original = path.join(root, "original");
  const copy = path.join(root, "copy");
  const settings = { fsync: "off" };
  const database = await acquireEmbedded({ dataDir: original, settings });
  await migrate(database.url, "up");
  const instance = await startTestInstance(database.url);
  const token = await devToken(instance.url, "ada");
  const { body } = await rest<{ id: string }>(instance.url, token, "POST", "/documents", {
    name: "kept",
    elements: { note: { text: "hello" } },
  });
  await instance.close();
  await database.close();
  // As docs/embedded-database.md says: with owners and modes, the whole folder.
  await promisify(execFile)("cp", ["-a", original, copy]);

  const copied = await acquireEmbedded({ dataDir: copy, settings });
  const beside = await acquireEmbedded({ dataDir: original, settings });
  try {
    expect(await copied.serverPid()).not.toBe(await beside.serverPid());
    await query(beside.url, "DELETE FROM documents");
    const pool = createPool({ url: copied.url, max: 2 });
    try {
      expect(await schemaProblem(pool)).toBeUndefined();
      const documents = await pool.run({ text: "SELECT id, version FROM documents" });
      expect(documents.rows).toEqual([{ id: body.id, version: 1 }]);
      const findings = [];
      for await (const finding of verifyAll(pool)) findings.push(finding);
      expect(findings).toEqual([]);
    } finally {
      await pool.close();
    }
  } finally {
    await beside.close();
    await copied.close();
  }
});

test.runIf(isRoot)(
  "[embedded/root-unreachable] as root with a directory that nobody else can reach, it lives where they can",
  async () => {
    const hidden = path.join(root, "hidden");
    await mkdir(hidden, { mode: 0o700 });
    const options = { dataDir: path.join(hidden, "data"), reachableRoot: path.join(root, "lib") };
    const database = await acquireEmbedded({ ...options, settings: { fsync: "off" } });
    expect(await query(database.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
    const location = (await readFile(path.join(options.dataDir, "postgres", "location"), "utf8")).trim();
    expect(path.dirname(location)).toBe(options.reachableRoot);
    expect((await stat(path.join(location, "cluster"))).uid).not.toBe(0);
    const joined = await acquireEmbedded(options);
    expect(joined.url).toBe(database.url);
    await database.close();
    await joined.close();
  },
);

test.runIf(isRoot)(
  "[embedded/ordinary-user] an ordinary user has everything in the data directory, under its own id",
  async (context) => {
    const dataDir = path.join(root, "ordinary");
    await mkdir(dataDir);
    const { chown } = await import("node:fs/promises");
    await chown(dataDir, 65_534, 65_534);
    const user = start(dataDir, { uid: 65_534, gid: 65_534, env: { HOME: "/" } });
    const answer = await ready(user).catch(async (error) => {
      // A checkout under /root cannot be read by that user at all: nothing to test here then.
      if (user.child.exitCode !== null && user.messages.length === 0) return undefined;
      throw error;
    });
    if (answer === undefined) return context.skip();
    const base = path.join(dataDir, "postgres");
    for (const name of await readdir(base)) {
      if (name.startsWith("runtime-")) continue;
      expect((await stat(path.join(base, name))).uid, name).toBe(65_534);
    }
    // Root may join what a user started.
    const joined = await acquireEmbedded({ dataDir });
    expect(joined.url).toBe(answer.url);
    await joined.close();
    await user.close();
  },
);

test("[embedded/problems] a directory that cannot be, and data of another major version, are said clearly", async () => {
  const file = path.join(root, "file");
  await writeFile(file, "");
  await expect(acquireEmbedded({ dataDir: path.join(file, "data") })).rejects.toThrow(
    /cannot create the data directory/,
  );
  // There nothing can be made, and Node.js' own recursive mkdir tries for ever.
  if (process.platform === "linux")
    await expect(acquireEmbedded({ dataDir: "/proc/aetherflow/data" })).rejects.toThrow(
      /cannot create the data/,
    );
  const old = path.join(root, "old");
  await mkdir(path.join(old, "postgres", "cluster"), { recursive: true });
  await chmod(old, 0o711);
  await writeFile(path.join(old, "postgres", "cluster", "PG_VERSION"), "15\n");
  await expect(acquireEmbedded({ dataDir: old })).rejects.toThrow(/data of PostgreSQL 15.*brings 18/);
});

test("[embedded/problems] a full disk and a read-only one are said in words; another error stays what it is", () => {
  const failed = (code: string) =>
    Object.assign(new Error(`${code}: copyfile`), { code, syscall: "copyfile" });
  for (const [code, words] of Object.entries({
    ENOSPC: /disk is full/,
    EROFS: /read-only/,
    EACCES: /permissions/,
  })) {
    const problem = asProblem(failed(code), "/data");
    expect(problem).toMatchObject({ name: "EmbeddedProblem", message: expect.stringMatching(words) });
    expect(problem).toMatchObject({ message: expect.stringContaining("/data") });
  }
  const bug = failed("EBADF");
  expect(asProblem(bug, "/data")).toBe(bug);
});

test("[embedded/problems] a copy of the binaries that fails leaves no half of it", async () => {
  const base = path.join(root, "half");
  await mkdir(path.join(base, "native", "bin"), { recursive: true });
  await writeFile(path.join(base, "native", "bin", "postgres"), "x");
  await writeFile(path.join(base, "native", "pg-symlinks.json"), "no JSON");
  const source = { nativeDir: path.join(base, "native"), version: "1.0", major: "1" };
  await expect(installRuntime(source, base)).rejects.toThrow(SyntaxError);
  expect(await readdir(base)).toEqual(["native"]);
});

test("[embedded/problems] what only reads makes no database where there is none", async () => {
  const [absent, started] = [path.join(root, "mistyped"), path.join(root, "begun")];
  await mkdir(path.join(started, "postgres"), { recursive: true });
  await writeFile(path.join(started, "postgres", "location"), ".\n");
  for (const dataDir of [absent, started]) {
    const problem = {
      name: "EmbeddedProblem",
      message: `there is no embedded database in ${dataDir}; check --data-dir`,
    };
    await expect(acquireEmbedded({ dataDir, create: false })).rejects.toMatchObject(problem);
  }
  expect(await readdir(root)).not.toContain("mistyped");
  expect(await readdir(path.join(started, "postgres"))).toEqual(["location"]);
  expect(await hasCluster(shared)).toBe(true);
});

test("[embedded/problems] where initdb fails, neither half a cluster nor the binaries stay", async () => {
  const layout = await prepareLayout(path.join(root, "no-initdb"));
  const runtime = path.join(layout.baseDir, "runtime-1.0");
  await mkdir(path.join(runtime, "bin"), { recursive: true });
  await writeFile(
    path.join(runtime, "bin", "initdb"),
    "#!/bin/sh\necho could not look up your uid\nexit 1\n",
    { mode: 0o755 },
  );
  const platform = { nativeDir: "", version: "1.0", major: "1" };
  await expect(prepareCluster(layout, runtime, platform)).rejects.toThrow(
    /^initdb failed \(1\): could not look up/,
  );
  expect((await readdir(layout.baseDir)).filter((name) => name !== "location")).toEqual([]);
});
