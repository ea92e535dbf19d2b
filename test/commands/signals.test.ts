import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { processCommand } from "../../server/database/embedded/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, command, start } from "./run-command.ts";

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

/** Of the PostgreSQL that runs, or undefined. */
async function postmaster(): Promise<number | undefined> {
  const base = path.join(dataDir, "postgres");
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
    const pid = await waitFor(postmaster, { timeoutMs: 60_000 });
    child.kill(signal);
    expect(await ended).toEqual({ code: null, out: "", err: "" });
    expect(child.signalCode).toBe(signal);
    expect(await processCommand(pid)).toBeUndefined();
  },
);

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
