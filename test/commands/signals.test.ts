import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { processCommand } from "../../server/database/embedded/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, command, main, start } from "./run-command.ts";

vi.setConfig({ testTimeout: 180_000 });

/** The embedded database of these tests; each leaves it stopped. */
let dataDir: string;
let fifo: string;
beforeAll(async () => {
  buildCommands();
  dataDir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-signals-"));
  await chmod(dataDir, 0o711);
  fifo = path.join(dataDir, "fifo");
  execFileSync("mkfifo", [fifo]);
  expect(await command(["migrate", "up", "--data-dir", dataDir])).toMatchObject({ code: 0 });
}, 300_000);
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const secret = { AETHERFLOW_JWT_SECRET: "a secret of the tests, 32 bytes or more" };

/** Starts a command that writes to files, `undefined` being a pipe; `ended`: its exit code, and what came on standard error. */
async function startWith(args: string[], out: string | undefined, err: string | undefined) {
  const files = await Promise.all(
    [out, err].map((name) => (name === undefined ? undefined : open(name, "w"))),
  );
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH ?? "", ...secret },
    stdio: ["ignore", files[0]?.fd ?? "pipe", files[1]?.fd ?? "pipe"],
  });
  await Promise.all(files.map((file) => file?.close()));
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  return { child, ended: once(child, "close").then(([code]) => ({ code, err: said })) };
}

/** Of the PostgreSQL that runs, or undefined. */
async function postmaster(dir = dataDir): Promise<number | undefined> {
  const base = path.join(dir, "postgres");
  const location = await readFile(path.join(base, "location"), "utf8").catch(() => ".");
  const file = path.resolve(base, location.trim(), "cluster", "postmaster.pid");
  const pid = Number((await readFile(file, "utf8").catch(() => "")).split("\n")[0]);
  return pid > 0 && (await processCommand(pid)) !== undefined ? pid : undefined;
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "[embedded/signal] %s to a command: it ends by it, without a word, and the embedded PostgreSQL stops",
  async (signal) => {
    // Nobody ever writes into it.
    const { child, ended } = start(["import", fifo, "--data-dir", dataDir]);
    const pid = await waitFor(() => postmaster(), { timeoutMs: 60_000 });
    child.kill(signal);
    expect(await ended).toEqual({ code: null, out: "", err: "" });
    expect(child.signalCode).toBe(signal);
    expect(await processCommand(pid)).toBeUndefined();
  },
);

test("[embedded/signal] Ctrl-C during the first start of serve: initdb does not hear it, exit 0, PostgreSQL stops", async () => {
  const fresh = await mkdtemp(path.join(os.tmpdir(), "aetherflow-signals-"));
  try {
    await chmod(fresh, 0o711);
    // A process group of its own, which gets what a terminal sends.
    const child = spawn(process.execPath, [main, "serve", "--port", "0", "--data-dir", fresh], {
      env: { PATH: process.env.PATH ?? "" },
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const names = (...folder: string[]) => readdir(path.join(fresh, "postgres", ...folder)).catch(() => []);
    // Its folder is made before it starts, and until it has a session of its own it hears what the group hears.
    const isAtWork = async () => {
      const draft = (await names()).find((name) => name.startsWith("cluster.draft-"));
      return draft !== undefined && (await names(draft)).length > 0;
    };
    await waitFor(isAtWork, { timeoutMs: 60_000 });
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(err).not.toContain("initdb");
    expect(await postmaster(fresh)).toBeUndefined();
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
});

test("[embedded/signal] SIGHUP to serve is an ordinary end, twice at once too: exit 0, PostgreSQL stops", async () => {
  const { child, ended, listening } = start(["serve", "--port", "0", "--data-dir", dataDir]);
  await listening;
  for (const signal of ["SIGHUP", "SIGTERM"] as const) child.kill(signal);
  expect(await ended).toMatchObject({ code: 0 });
  expect(await postmaster()).toBeUndefined();
});

test("[embedded/signal] SIGTERM to serve while a request is half sent: it is cut off, exit 0, PostgreSQL stops", async () => {
  const { child, ended, listening } = start(["serve", "--port", "0", "--data-dir", dataDir]);
  const { port } = new URL(await listening);
  const halves = [
    "POST /v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
    "GET /healthz HTTP/1.1\r\nHost:",
  ];
  const sockets = halves.map(() =>
    connect(Number(port), "127.0.0.1")
      .on("error", () => {})
      .setNoDelay(),
  );
  try {
    await Promise.all(
      sockets.map(
        (socket, at) => new Promise<void>((sent) => void socket.write(halves[at] ?? "", () => sent())),
      ),
    );
    // The server has taken what came before this.
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    const before = performance.now();
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0 });
    expect(performance.now() - before).toBeLessThan(9_000);
    expect(await postmaster()).toBeUndefined();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test.each(["SIGTERM", "SIGINT"] as const)(
  "[cli] %s to npm start ends the server too, and PostgreSQL",
  async (signal) => {
    const child = spawn("npm", ["start", "--", "--port", "0", "--data-dir", dataDir], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      env: { PATH: process.env.PATH ?? "", HOME: os.homedir() },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    const url = await waitFor(() => /^listening on (\S+)$/m.exec(out)?.[1], { timeoutMs: 120_000 });
    child.kill(signal);
    // Whoever holds its output has ended then.
    await once(child, "close");
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    expect(await postmaster()).toBeUndefined();
  },
);

test("[cli/output] a reader that leaves ends neither serve nor the embedded PostgreSQL's stop", async () => {
  const server = start(["serve", "--port", "0", "--data-dir", dataDir]);
  const url = await server.listening;
  server.child.stdout?.destroy();
  server.child.stderr?.destroy();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0 });
  expect(await postmaster()).toBeUndefined();

  const verify = start(["verify", "--data-dir", dataDir]);
  verify.child.stdout?.destroy();
  expect(await verify.ended).toEqual({ code: 0, out: "", err: "" });
  expect(await postmaster()).toBeUndefined();
});

test("[cli/output] serve goes on where its output is full or has no reader from the beginning", async () => {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as AddressInfo;
  await new Promise((closed) => free.close(closed));
  const args = ["serve", "--store", "memory", "--port", String(port), "--log-level", "debug"];
  for (const output of ["/dev/full", undefined]) {
    const { child, ended } = await startWith(args, output, output);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok, { timeoutMs: 60_000 });
    // Each is a line of the log.
    for (let count = 0; count < 5; count++) await fetch(`http://127.0.0.1:${port}/healthz`);
    child.kill("SIGTERM");
    expect(await ended, output).toMatchObject({ code: 0 });
  }
});

test("[cli/output] a command's result that cannot be written: exit 1 and one line; without a reader its own exit code", async () => {
  for (const args of [["--help"], ["verify", "--help"], ["token", "--user", "a"]]) {
    expect(await (await startWith(args, "/dev/full", undefined)).ended, args.join(" ")).toEqual({
      code: 1,
      err: "aetherflow: the output could not be written (ENOSPC)\n",
    });
    const { child, ended } = start(args, secret);
    child.stdout?.destroy();
    expect(await ended, args.join(" ")).toMatchObject({ code: 0, err: "" });
  }
});
