import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { startInstance } from "../../server/compose.ts";
import { loadConfig } from "../../server/config.ts";
import { createLog } from "../../server/observability/log.ts";
import { devToken, rest } from "../instances/start.ts";
import { createTestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, type Running, start } from "./run-command.ts";

beforeAll(buildCommands, 300_000);

const running: Running[] = [];
function serve(...args: string[]): Running {
  const process = start(["serve", "--port", "0", ...args]);
  running.push(process);
  return process;
}
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill("SIGTERM");
    await ended;
  }
});

const linesOf = (out: string) => out.split("\n").filter((line) => line.startsWith("listening on "));

test.each(["SIGTERM", "SIGINT"] as const)(
  "[cli] serve prints one line when ready; %s ends it within 10 s with exit 0",
  async (signal) => {
    const server = serve("--store", "memory");
    const url = await server.listening;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const token = await devToken(url, "ada");
    expect((await rest(url, token, "POST", "/documents", { name: "x", elements: { a: {} } })).status).toBe(
      201,
    );
    const before = performance.now();
    server.child.kill(signal);
    const { code, out } = await server.ended;
    expect(code).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(linesOf(out)).toHaveLength(1);
    expect(out).toContain("memory (everything is lost");
    expect(out).toMatch(/^auth: development mode, anybody .* gets a token for any user$/m);
  },
);

test("[cli] a port that is taken: exit 1, the message names --port", async () => {
  const url = await serve("--store", "memory").listening;
  const { port } = new URL(url);
  const dataDir = path.join(os.tmpdir(), `aetherflow-serve-none-${process.pid}`);
  const second = start(["serve", "--data-dir", dataDir, "--port", port]);
  const err = `aetherflow serve: port ${port} is already in use; choose another with --port\n`;
  expect(await second.ended).toEqual({ code: 1, out: "", err });
  // It is looked at before a database is made.
  await expect(stat(dataDir)).rejects.toThrow("ENOENT");
});

test("[cli] a port that is taken, with a database: what was begun ends without a word", async () => {
  const database = await createTestDatabase();
  const taken = createServer().listen(0, "127.0.0.1");
  try {
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const config = loadConfig({ flags: { port: String(port), "database-url": database.url }, env: {} });
    const lines: string[] = [];
    const log = createLog({ level: "warn", destination: { write: (line) => void lines.push(line) } });
    // A race: what the end has to wait for is under way in one of a few.
    for (let count = 0; count < 20; count++)
      await expect(startInstance(config, { databaseUrl: () => database.url, log })).rejects.toThrow(
        "EADDRINUSE",
      );
    expect(lines).toEqual([]);
  } finally {
    taken.close();
    await database.drop();
  }
});

test("[cli] a database that refuses: exit 1 and one line that says why, without a stack", async () => {
  const database = await createTestDatabase();
  try {
    const none = new URL(database.url);
    none.pathname = "/none_such";
    const { code, err } = await start(["serve", "--port", "0", "--database-url", none.href]).ended;
    expect(code).toBe(1);
    expect(err).toBe(
      `aetherflow serve: cannot connect to the database at ${none.host} (--database-url): ` +
        'database "none_such" does not exist; create it, or correct the name\n',
    );
  } finally {
    await database.drop();
  }
});

test("[cli] a short secret and a variable that nothing reads: one line of warning each, and it serves", async () => {
  const env = { AETHERFLOW_JWT_SECRET: "short", AETHERFLOW_SERVER_PROT: "1", AETHERFLOW_SERVER_PORT: "0" };
  const server = start(["serve", "--store", "memory"], env);
  running.push(server);
  await server.listening;
  server.child.kill("SIGTERM");
  const { err } = await server.ended;
  const warnings = err.split("\n").filter((line) => line.includes('"level":"warn"'));
  expect(warnings.map((line) => JSON.parse(line).setting)).toEqual([
    "auth.jwtSecret",
    "AETHERFLOW_SERVER_PROT",
  ]);
});

test("[cli] without a database the embedded one keeps documents over a restart; the secret of dev mode too", async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-serve-"));
  await chmod(dataDir, 0o711); // as root, PostgreSQL runs as somebody else
  try {
    const first = serve("--data-dir", dataDir);
    const url = await first.listening;
    const token = await devToken(url, "ada");
    const id = await createDocument(url, token, { a: { x: 1 } });
    first.child.kill("SIGTERM");
    expect((await first.ended).code).toBe(0);
    const again = await serve("--data-dir", dataDir).listening;
    const content = await rest(again, token, "GET", `/documents/${id}/content`);
    expect(content).toMatchObject({ status: 200, body: { version: 1, elements: { a: { x: 1 } } } });
    // Who looks into PostgreSQL's log finds no error where there was none.
    const log = await readFile(path.join(dataDir, "postgres", "server.log"), "utf8");
    expect(log.split("\n").filter((line) => / ERROR: /.test(line))).toEqual([]);
  } finally {
    for (const { child, ended } of running.splice(0)) {
      child.kill("SIGTERM");
      await ended;
    }
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("[cli] --instances: one port, a killed process is replaced, what one committed another answers", async () => {
  const database = await createTestDatabase();
  try {
    const server = serve("--instances", "2", "--database-url", database.url);
    const url = await server.listening;
    expect(linesOf(server.out())).toHaveLength(1);
    const token = await devToken(url, "ada");
    const id = await createDocument(url, token, { a: {} });
    const pids = async () => {
      const { rows } = await database.pool.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM instances",
      );
      return rows[0]?.count;
    };
    await waitFor(async () => (await pids()) === 2);
    const workers = await childrenOf(server.child.pid ?? 0);
    expect(workers).toHaveLength(2);
    process.kill(workers[0] ?? 0, "SIGKILL");
    await waitFor(async () => {
      const now = await childrenOf(server.child.pid ?? 0);
      return now.length === 2 && !now.includes(workers[0] ?? 0);
    });
    for (let count = 0; count < 6; count++) {
      expect((await rest(url, token, "GET", `/documents/${id}/content`)).body).toEqual({
        version: 1,
        elements: { a: {} },
      });
    }
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow();
  } finally {
    for (const { child, ended } of running.splice(0)) {
      child.kill("SIGTERM");
      await ended;
    }
    await database.drop();
  }
});

test("[cli] --instances: none of which can start: exit 1, each says why, nothing listens", async () => {
  const server = serve("--instances", "2", "--database-url", "postgres://u:hunter2@127.0.0.1:1/db");
  const { code, out, err } = await server.ended;
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/ECONNREFUSED/);
  expect(err).not.toMatch(/hunter2| {4}at /);
});

/** Creates a document; returns its id. */
async function createDocument(url: string, token: string, elements: object): Promise<string> {
  const { status, body } = await rest<{ id: string }>(url, token, "POST", "/documents", {
    name: "x",
    elements,
  });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.id;
}

async function childrenOf(pid: number): Promise<number[]> {
  const { execFileSync } = await import("node:child_process");
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
  return rows.flatMap((row) => {
    const [, child, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    return Number(parent) === pid && args?.includes("serve") ? [Number(child)] : [];
  });
}
