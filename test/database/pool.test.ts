import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPool } from "../../server/database/pool.ts";
import { retryMeaning } from "../../server/database/sqlstate.ts";
import { withTransaction } from "../../server/database/transaction.ts";
import { parseTimestamp } from "../../server/database/values.ts";
import { createLog } from "../../server/observability/log.ts";
import { StoreUnavailable } from "../../server/store/store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test("[pool/bigint] BIGINT arrives as a number up to 2^53 - 1 and is refused beyond, alone and in an array", async () => {
  const { rows } = await database.pool.query(
    "SELECT 9007199254740991::bigint AS most, (-9007199254740991)::bigint AS least, ARRAY[1, NULL, 2]::bigint[] AS list",
  );
  expect(rows).toEqual([{ most: 9007199254740991, least: -9007199254740991, list: [1, null, 2] }]);
  await expect(database.pool.query("SELECT 9007199254740992::bigint")).rejects.toThrow(/beyond 2\^53 - 1/);
  await expect(database.pool.query("SELECT ARRAY[9007199254740993]::bigint[]")).rejects.toThrow(
    /beyond 2\^53 - 1/,
  );
  expect((await database.pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
});

test("[pool/time] timestamptz arrives as RFC 3339 in UTC with milliseconds", async () => {
  const { rows } = await database.pool.query(
    "SELECT '2026-01-02 03:04:05.678+02'::timestamptz(3) AS a, '2026-01-02 03:04:05Z'::timestamptz(3) AS b, " +
      "ARRAY['2026-01-02 03:04:05.6Z']::timestamptz(3)[] AS c, NULL::timestamptz AS d",
  );
  expect(rows).toEqual([
    {
      a: "2026-01-02T01:04:05.678Z",
      b: "2026-01-02T03:04:05.000Z",
      c: ["2026-01-02T03:04:05.600Z"],
      d: null,
    },
  ]);
  expect(parseTimestamp("2026-01-02 03:04:05.678+05:30")).toBe("2026-01-01T21:34:05.678Z");
  expect(parseTimestamp("2026-01-02 03:04:05-08")).toBe("2026-01-02T11:04:05.000Z");
  expect(() => parseTimestamp("infinity")).toThrow(RangeError);
});

test("[pool/queue] waiting for a connection is bounded in time", async () => {
  const pool = database.createPool({ max: 1, connectTimeoutMs: 1_500 });
  const held = await pool.connect();
  await expect(pool.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(pool.query("SELECT 1")).rejects.toThrow(/timeout exceeded/);
  held.release();
  expect((await pool.run({ text: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }]);
});

test("[pool/queue] the queue is bounded in length: at the limit they wait, one past it is refused at once", async () => {
  const pool = database.createPool({ max: 1, maxWaiting: 2, connectTimeoutMs: 30_000 });
  const held = await pool.connect();
  const waiting = [pool.run({ text: "SELECT 1" }), pool.run({ text: "SELECT 1" })];
  await waitFor(() => pool.waitingCount === 2);
  await expect(pool.run({ text: "SELECT 1" })).rejects.toThrow(/too many callers wait/);
  await expect(pool.query("SELECT 1")).rejects.toBeInstanceOf(StoreUnavailable);
  held.release();
  await Promise.all(waiting);
});

test("[pool/statement] a statement is bounded in time, as an outage, and its connection serves on", async () => {
  const pool = database.createPool({ max: 1, statementTimeoutMs: 100 });
  await expect(pool.run({ text: "SELECT pg_sleep(30)" })).rejects.toMatchObject({
    name: "StoreUnavailable",
    cause: { code: "57014" },
  });
  expect((await pool.run({ text: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }]);
});

test("[pool/lock] a row that is held is waited for some seconds only, as an outage, and the connection serves on", async () => {
  await database.pool.query("CREATE TABLE held AS SELECT 1 AS n");
  const stranger = await database.pool.connect();
  await stranger.query("BEGIN");
  await stranger.query("SELECT FROM held FOR UPDATE");
  try {
    const pool = database.createPool({ max: 1 });
    await expect(pool.run({ text: "UPDATE held SET n = 2" })).rejects.toMatchObject({
      name: "StoreUnavailable",
      cause: { code: "55P03" },
    });
    expect((await pool.run({ text: "SELECT n FROM held" })).rows).toEqual([{ n: 1 }]);
  } finally {
    await stranger.query("ROLLBACK");
    stranger.release();
  }
});

test("[pool/door] a role or a database that is closed for a moment is an outage", async () => {
  const other = await createTestDatabase({ empty: true });
  const name = new URL(other.url).pathname.slice(1);
  const admin = (text: string) => database.pool.query(text);
  await admin(`CREATE ROLE ${name} NOLOGIN PASSWORD 'secret'`);
  const address = new URL(other.url);
  address.username = name;
  address.password = "secret";
  const pool = createPool({ url: address.href, max: 1 });
  const refused = async (code: string) =>
    await expect(pool.run({ text: "SELECT 1" })).rejects.toMatchObject({
      name: "StoreUnavailable",
      cause: { code },
    });
  try {
    await refused("28000");
    await admin(`ALTER ROLE ${name} LOGIN`);
    await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await refused("55000");
    await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    expect((await pool.run({ text: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }]);
  } finally {
    await pool.close();
    await admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await admin(`DROP ROLE ${name}`);
    await other.drop();
  }
});

test("[pool/connect] a server that accepts and says nothing, and none at all, are outages after the connect timeout", async () => {
  const sockets: Socket[] = [];
  const mute = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = mute.address();
  const port = typeof address === "object" ? address?.port : 0;
  const pool = createPool({ url: `postgres://x:y@127.0.0.1:${port}/z`, connectTimeoutMs: 200 });
  await expect(pool.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
  await pool.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => mute.close(resolve));

  const nobody = createPool({ url: `postgres://x:y@127.0.0.1:${port}/z` });
  await expect(nobody.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
  await nobody.close();
});

test("[pool/frozen] an answer that never comes is an outage after the query timeout; close does not wait for it", async () => {
  const target = new URL(database.url);
  const sockets: Socket[] = [];
  const proxy = createServer((socket) => {
    const onward = connect(Number(target.port) || 5432, target.hostname);
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on("error", () => {});
    sockets.push(socket, onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  const url = new URL(database.url);
  url.port = String(typeof address === "object" ? address?.port : 0);
  const pool = createPool({ url: url.href, max: 1, queryTimeoutMs: 1_500, connectTimeoutMs: 1_500 });
  await pool.run({ text: "SELECT 1" });
  for (const socket of sockets) socket.unpipe().pause();
  await expect(pool.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
  await pool.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => proxy.close(resolve));
});

test("[pool/refused] an error of the statement is not an outage and keeps the connection", async () => {
  const pool = database.createPool({ max: 1 });
  const pid = async () =>
    (await pool.run<{ pid: number }>({ text: "SELECT pg_backend_pid() AS pid" })).rows[0]?.pid;
  const before = await pid();
  await expect(pool.run({ text: "SELECT 1/0" })).rejects.toMatchObject({ code: "22012" });
  expect(await pid()).toBe(before);
});

test("[pool/broken] connections cut while idle and while borrowed are replaced; the process lives", async () => {
  const pool = database.createPool({ max: 2 });
  const pid = async () =>
    (await pool.run<{ pid: number }>({ text: "SELECT pg_backend_pid() AS pid" })).rows[0]?.pid;
  const idle = await pid();
  await database.pool.query("SELECT pg_terminate_backend($1)", [idle]);
  await waitFor(() => pool.totalCount === 0);
  expect(await pid()).not.toBe(idle);

  const cut = pool.withClient(async (client) => {
    const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
    await database.pool.query("SELECT pg_terminate_backend($1)", [rows[0].pid]);
    return await client.query("SELECT pg_sleep(5)");
  });
  await expect(cut).rejects.toBeInstanceOf(StoreUnavailable);
  expect(await pid()).toBeGreaterThan(0);
});

test("[pool/broken] that an idle connection broke is logged with its cause and SQLSTATE, without the connection", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "warn", destination: { write: (line) => void lines.push(line) } });
  const pool = database.createPool({ log });
  const { rows } = await pool.run<{ pid: number }>({ text: "SELECT pg_backend_pid() AS pid" });
  await database.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid]);
  await waitFor(() => pool.totalCount === 0 && lines.length > 0);
  const { err, ...rest } = JSON.parse(lines[0] ?? "");
  expect(rest).toMatchObject({ level: "warn", msg: "an idle database connection broke" });
  expect(err).toMatchObject({ code: "57P01", message: expect.stringContaining("terminating connection") });
  expect(Object.keys(err).sort()).toEqual(["code", "message", "type"]);
});

test("[pool/broken] an outage is said once, whatever breaks, and so is its end", async () => {
  const told: string[] = [];
  const write = (line: string) => void told.push(JSON.parse(line).msg);
  const pool = database.createPool({ max: 3, log: createLog({ level: "info", destination: { write } }) });
  const each = () =>
    pool.withClient((client) => client.query("SELECT pg_backend_pid() AS pid, pg_sleep(0.1)"));
  const pids = (await Promise.all([each(), each(), each()])).map(({ rows }) => rows[0].pid);
  await database.pool.query("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", [pids]);
  await waitFor(() => pool.totalCount === 0);
  await Promise.all([each(), each()]);
  expect(told).toEqual(["an idle database connection broke", "connected to the database again"]);
});

test("[pool/moved] a new connection goes to the URL of that moment", async () => {
  let url = "postgres://nobody@127.0.0.1:1/nothing";
  const pool = createPool({ url: () => url });
  await expect(pool.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
  url = database.url;
  expect((await pool.run({ text: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }]);
  await pool.close();
});

test("[transaction/retry] a transaction that lost a race runs again as a whole; nothing of the lost one stays", async () => {
  await database.pool.query("CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL)");
  await database.pool.query("INSERT INTO counters VALUES (1, 0)");
  let runs = 0;
  const add = () =>
    withTransaction(
      database.pool,
      async (client) => {
        runs += 1;
        const { rows } = await client.query<{ n: number }>("SELECT n FROM counters WHERE id = 1");
        await waitFor(() => runs >= 4); // all have read before the first writes
        await client.query("UPDATE counters SET n = $1 WHERE id = 1", [(rows[0]?.n ?? 0) + 1]);
      },
      { isolation: "serializable", attempts: 30 },
    );
  await Promise.all([add(), add(), add(), add()]);
  expect((await database.pool.query("SELECT n FROM counters")).rows).toEqual([{ n: 4 }]);
  expect(runs).toBeGreaterThan(4);
});

test("[transaction/lost] a connection lost before COMMIT is repeated on a new one", async () => {
  await database.pool.query("CREATE TABLE marks (n int)");
  const pids = new Set<number>();
  await withTransaction(database.pool, async (client) => {
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    await client.query("INSERT INTO marks VALUES (1)");
    const pid = rows[0]?.pid ?? 0;
    if (pids.size === 0) await database.pool.query("SELECT pg_terminate_backend($1)", [pid]);
    pids.add(pid);
    await client.query("SELECT 1");
  });
  expect(pids.size).toBe(2);
  expect((await database.pool.query("SELECT count(*) AS n FROM marks")).rows).toEqual([{ n: 1 }]);
});

test("[transaction/refused] an error that repeating cannot help is thrown at the first attempt", async () => {
  let runs = 0;
  const failing = withTransaction(database.pool, async (client) => {
    runs += 1;
    await client.query("SELECT 1/0");
  });
  await expect(failing).rejects.toMatchObject({ code: "22012" });
  expect(runs).toBe(1);
});

test("[sqlstate] exactly the listed states pass; those that end or stale a session, and lost connections, on a new connection", () => {
  const meaning = (code: string) => retryMeaning(Object.assign(new Error("x"), { code }))?.retry;
  for (const code of ["40001", "40P01", "55P03", "57014", "53100", "53200"])
    expect(meaning(code), code).toBe("again");
  for (const code of [
    ...[
      "0A000",
      "26000",
      "25006",
      "25P03",
      "25P04",
      "28000",
      "28P01",
      "53300",
      "55000",
      "57P01",
      "57P02",
      "57P03",
    ],
    ...["08006", "ECONNRESET"],
  ]) {
    expect(meaning(code), code).toBe("fresh");
  }
  for (const code of ["23505", "22P05", "42501", "42P01", "XX000"])
    expect(meaning(code), code).toBeUndefined();
});

test("[pool/silent] after one connection fell silent the idle ones are given up too: the next query is answered", async () => {
  const proxy = await startTcpProxy(database.url);
  const pool = createPool({ url: proxy.through(database.url), max: 4, minIdle: 4, queryTimeoutMs: 300 });
  try {
    await Promise.all([1, 2, 3].map(() => pool.run({ text: "SELECT pg_sleep(0.1)" })));
    expect(pool.idleCount).toBe(3);
    proxy.abandon();
    await expect(pool.run({ text: "SELECT 1" })).rejects.toBeInstanceOf(StoreUnavailable);
    expect((await pool.run({ text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
  } finally {
    await pool.close();
    await proxy.close();
  }
});
