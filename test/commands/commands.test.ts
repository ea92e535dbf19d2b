import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { decodeJwt } from "jose";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databaseOptions } from "../../server/commands/command.ts";
import { checkDatabase } from "../../server/commands/database-check.ts";
import { tokenCommand } from "../../server/commands/token.ts";
import { usages } from "../../server/commands/usage.ts";
import { configSources, loadConfig } from "../../server/config.ts";
import { migrate } from "../../server/database/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { buildCommands, command, start } from "./run-command.ts";

beforeAll(buildCommands, 300_000);

/** A flag's line in a command's help. */
const flagLine = (flag: string) => new RegExp(`^ {2}--${flag}(?: .*|$)`, "m");

describe("usage", () => {
  test("[cli] --help of the whole and of every command: exit 0, examples on standard output", async () => {
    const names = ["serve", "migrate", "token", "verify", "archive", "export", "import", "doctor"];
    const whole = await command(["--help"]);
    expect(whole).toMatchObject({ code: 0, err: "" });
    expect(whole.out).toMatch(/^npx aetherflow COMMAND/);
    for (const name of names) expect(whole.out).toContain(`  ${name}`);
    for (const help of await Promise.all(names.map((name) => command([name, "--help"])))) {
      expect(help).toMatchObject({ code: 0, err: "" });
      expect(help.out).toMatch(/^npx aetherflow /);
      expect(help.out).toContain("Examples");
      const examples = help.out.slice(help.out.indexOf("Examples")).trimEnd().split("\n").slice(1);
      // As they are typed in a clone, and anywhere else.
      for (const example of examples) expect(example).toMatch(/(^ {2}|\| |… )npx aetherflow /);
    }
  });

  test.each([
    ["node", ["scripts/build.mjs", "--help"]],
    ["node", ["scripts/test-model.mjs", "--help"]],
    ["node", ["dist/bench/store-latency.js", "--help"]],
  ])("[cli] %s %j prints usage and does nothing else; an unknown flag is named: exit 2", (program, args) => {
    const cwd = fileURLToPath(new URL("../..", import.meta.url));
    const help = spawnSync(program, args, { cwd, encoding: "utf8" });
    expect(help).toMatchObject({
      status: 0,
      stderr: "",
      stdout: expect.stringMatching(/^(npm run|node) \S+/),
    });
    const wrong = spawnSync(program, [...args.slice(0, -1), "--hepl"], { cwd, encoding: "utf8" });
    expect(wrong).toMatchObject({ status: 2, stdout: "", stderr: expect.stringContaining("--hepl") });
    expect(wrong.stderr).not.toContain("    at ");
  });

  test("[cli] serve --help names what has no flag and whoever runs it needs to know", () => {
    const out = usages.serve;
    expect(out).toMatch(/^ {2}AETHERFLOW_JWT_SECRET .*secret/m);
    expect(out).toMatch(/^ {2}DATABASE_URL .*password/m);
  });

  test("[cli] --help of a command that finds a database names every flag of that", () => {
    const names = ["migrate", "token", "verify", "archive", "export", "import", "doctor"];
    for (const name of names)
      for (const flag of Object.keys(databaseOptions)) expect(usages[name], name).toMatch(flagLine(flag));
    for (const flag of ["auth", "jwt-secret-file"]) expect(usages.token).toMatch(flagLine(flag));
  });

  test("[cli] serve --help names every flag with its variable, and what a flag without a value sets it to", () => {
    const flags = configSources().filter(({ flag }) => flag !== undefined);
    expect(flags.filter(({ sets }) => sets === false).map(({ flag }) => flag)).toEqual([
      "no-demo",
      "no-migrate",
    ]);
    for (const { flag = "", env, sets } of flags) {
      const [line = ""] = flagLine(flag).exec(usages.serve ?? "") ?? [];
      expect(line).toContain(sets === undefined ? `(${env})` : `(${env}=${sets})`);
    }
  });

  test("[cli] the examples of help keep the rule for connections", () => {
    for (const name of ["serve", "doctor"]) {
      const out = usages[name] ?? "";
      const [, instances] = /--instances (\d+)$/m.exec(out.slice(out.indexOf("Examples"))) ?? [];
      const { maxOpenConns } = loadConfig({ flags: {}, env: {} }).store.postgres;
      expect(Number(instances) * (maxOpenConns + 2), name).toBeLessThan(100 - 10);
    }
  });

  test.each<[string, string[], Record<string, string>, RegExp]>([
    ["no command", [], {}, /aetherflow COMMAND/],
    ["an unknown command", ["fly"], {}, /^aetherflow: there is no command fly\n/],
    ["a mistyped command", ["sevre"], {}, /^aetherflow: there is no command sevre; is serve meant\?\n/],
    [
      "an unknown flag",
      ["serve", "--bogus", "1"],
      {},
      /^.* --bogus: there is no such flag; see npx aetherflow serve --help\n$/,
    ],
    ["one dash for two", ["doctor", "-port=1"], {}, /^.* -port: there is no such flag; is --port meant\?\n$/],
    ["a mistyped flag", ["serve", "--prot=1"], {}, /^.* --prot: there is no such flag; is --port meant\?\n$/],
    [
      "a repeated flag",
      ["serve", "--port", "1", "--port", "2"],
      {},
      /^.* --port: is given more than once\n$/,
    ],
    ["two unknown flags", ["serve", "--a", "--b"], {}, /^.* --a: .*\n.* --b: .*\n$/],
    ["a flag without its value", ["serve", "--port"], {}, /^.* --port: a value is missing\n$/],
    [
      "a value like a flag",
      ["token", "--user", "a", "--ttl", "-5m"],
      {},
      /^.* --ttl: .* written --ttl=-5m\n$/,
    ],
    ["a value for a switch", ["migrate", "reset", "--yes=no"], {}, /^.* --yes: takes no value\n$/],
    ["a bad value", ["serve", "--port", "x"], {}, /--port \(server\.port\)/],
    ["a bad variable", ["serve"], { PORT: "x" }, /PORT \(server\.port\)/],
    ["an argument too much", ["serve", "now"], {}, /now/],
    ["dev mode in the open", ["serve", "--host", "0.0.0.0"], {}, /--host .*--auth dev/],
    ["a token for nobody", ["token"], {}, /--user/],
    ["a token that lasts for nothing", ["token", "--user", "a", "--ttl", "x"], {}, /--ttl/],
    [
      "a token without an end",
      ["token", "--user", "a", "--ttl", "99999999d"],
      {},
      /--ttl: .* at most 36500d\n$/,
    ],
    ["a negative time", ["token", "--user", "a", "--ttl=-5m"], {}, /--ttl: expected a duration/],
    ["before all time", ["archive", "--older-than", "99999999d"], {}, /--older-than: .* at most 36500d\n$/],
    [
      "a grant for something else",
      ["token", "--user", "a", "--doc", "foo:editor"],
      {},
      /--doc: expected DOCID:ROLE, a UUID in lower case and a role .*, got foo:editor\n$/,
    ],
    ["a document that cannot be", ["verify", "--document", "x"], {}, /--document/],
  ])("[cli] %s: exit 2, the message names it", async (_title, args, env, expected) => {
    const { code, out, err } = await command(args, env);
    expect(err).toMatch(expected);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).not.toContain("    at ");
  });

  test("[cli] a user that cannot be: the message says why", async () => {
    for (const [user, why] of [
      ["anonymous:x", "must not begin with anonymous:"],
      ["", "expected 1 to 255 characters"],
      ["x".repeat(256), "expected 1 to 255 characters"],
    ] as const)
      await expect(tokenCommand.run(["--user", user])).rejects.toMatchObject({
        problems: [`--user: ${why}`],
      });
  });

  test("[cli] a database that does not answer: exit 1 with its address, never its password", async () => {
    const url = "postgres://u:hunter2@127.0.0.1:1/db";
    for (const args of [
      ["serve"],
      ["verify"],
      ["doctor"],
      ["archive", "--older-than", "90d"],
      ["token", "--user", "a"],
    ]) {
      const { code, out, err } = await command([...args, "--database-url", url]);
      expect(code, args[0]).toBe(1);
      expect(out + err).toMatch(
        /cannot connect to the database at 127\.0\.0\.1:1 \(--database-url\): connect ECONNREFUSED 127\.0\.0\.1:1; nothing listens there: .*\n/,
      );
      expect(out + err).not.toContain("hunter2");
      expect(err).not.toContain("    at ");
    }
    const { err } = await command(["verify", "--database-url", "postgres://u@nowhere.invalid/db"]);
    expect(err).toMatch(
      /^aetherflow verify: cannot connect to the database at nowhere.invalid:5432 \(--database-url\): .*nowhere.invalid; .* does not resolve on this machine$/m,
    );
  });
});

describe("a database that takes nobody in", () => {
  const all = [["serve", "--port", "0"], ["verify"], ["token", "--user", "a"], ["migrate", "status"]];
  const refused = async (url: string, says: RegExp) => {
    const ended = await Promise.all(all.map((args) => command(args, { DATABASE_URL: url })));
    for (const [at, { code, out, err }] of ended.entries()) {
      expect({ code, out }, all[at]?.[0]).toEqual({ code: 1, out: "" });
      expect(err.split("\n"), all[at]?.[0]).toEqual([expect.stringMatching(says), ""]);
      expect(err).not.toContain("hunter2");
    }
  };

  test("[cli] too many connections, and a database that is closed: exit 1 and one line", async () => {
    const database = await createTestDatabase();
    const name = new URL(database.url).pathname.slice(1);
    const role = `${name}_role`;
    try {
      await database.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 0`);
      const url = Object.assign(new URL(database.url), { username: role, password: "hunter2" });
      await refused(
        url.href,
        /^aetherflow \w+: cannot connect to the database at .* \(DATABASE_URL\): too many connections for role .*; end some/,
      );
      await database.pool.query(`ALTER ROLE ${role} CONNECTION LIMIT -1`);
      await withMaintenance(database.url, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      await refused(
        url.href,
        /^aetherflow \w+: cannot connect to the database at .* is not currently accepting connections$/,
      );
    } finally {
      await withMaintenance(database.url, `DROP ROLE IF EXISTS ${role}`);
      await database.drop();
    }
  });

  test("[cli] one without TLS where TLS is asked for, and one that says nothing: exit 1 and one line", async () => {
    const sockets: Socket[] = [];
    let answer = "N";
    const fake = createServer((socket) => {
      sockets.push(socket.on("error", () => {}));
      socket.once("data", () => socket.write(answer));
    });
    await once(fake.listen(0, "127.0.0.1"), "listening");
    const { port } = fake.address() as AddressInfo;
    try {
      const url = `postgres://u:hunter2@127.0.0.1:${port}/db`;
      await refused(
        `${url}?sslmode=verify-full`,
        /^aetherflow \w+: cannot connect to the database at .* does not support SSL connections; .* sslMode: disable/,
      );
      answer = "";
      await refused(
        url,
        /^aetherflow \w+: cannot connect to the database at .*timeout.*; a firewall that drops packets/,
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      fake.close();
    }
  });

  async function withMaintenance(url: string, statement: string): Promise<void> {
    const client = new pg.Client({
      connectionString: Object.assign(new URL(url), { pathname: "/postgres" }).href,
    });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  }
});

describe("without the schema", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
  });
  afterAll(() => database.drop());
  const id = "0197a3c2-7c1e-7a00-8000-000000000001";
  const commands = [
    ["archive", "--older-than", "1d", "--dry-run"],
    ["archive", "--older-than", "1d"],
    ["verify"],
    ["verify", "--document", id],
    ["export", id],
  ];
  /** These may come before the first server. */
  const makers = [
    ["token", "--user", "ada"],
    ["import", "/dev/null"],
  ];
  const refusals = async (refused: readonly (readonly string[])[], expected: RegExp) => {
    const states = async () => (await migrate(database.url, "status")).migrations;
    const before = await states();
    const run = (args: readonly string[]) => command(args, { DATABASE_URL: database.url });
    for (const [index, { code, out, err }] of (await Promise.all(refused.map(run))).entries()) {
      const args = refused[index] ?? [];
      expect({ code, out }, args.join(" ")).toEqual({ code: 1, out: "" });
      expect(err.split("\n"), args.join(" ")).toEqual([expect.stringMatching(expected), ""]);
      expect(err).toContain(`aetherflow ${args[0]}: `);
    }
    expect(await states()).toEqual(before);
  };

  test("[cli] an empty database: exit 1, one line says what to run, nothing is migrated", async () => {
    await refusals(commands, /the database has no schema yet; run npx aetherflow migrate up$/);
    const { rows } = await database.pool.query("SELECT FROM pg_tables WHERE schemaname = 'public'");
    expect(rows).toEqual([]);
  });

  test.each(makers)("[cli] an empty database: %s makes the schema", async (...args) => {
    const empty = await createTestDatabase({ empty: true });
    try {
      await command(args, { DATABASE_URL: empty.url });
      const { migrations } = await migrate(empty.url, "status");
      expect(new Set(migrations.map(({ state }) => state))).toEqual(new Set(["applied"]));
    } finally {
      await empty.drop();
    }
  });

  test("[cli] serve --no-migrate is not ready until somebody has migrated, and then is", async () => {
    const server = start(["serve", "--no-migrate", "--port", "0"], { DATABASE_URL: database.url });
    try {
      const url = await server.listening;
      const whatToRun = /the database's schema is not up to date.*; run npx aetherflow migrate up$/;
      const ready = await fetch(`${url}/readyz`);
      expect(ready.status).toBe(503);
      const names = /\(pending: 0000_tables, /;
      for (const says of [whatToRun, names])
        expect(await ready.clone().json()).toMatchObject({ detail: expect.stringMatching(says) });
      const token = await fetch(`${url}/v1/dev/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: '{"user":"ada"}',
      });
      expect(token.status).toBe(503);
      expect(await token.json()).toMatchObject({
        code: "unavailable",
        detail: expect.stringMatching(whatToRun),
      });
      await migrate(database.url, "up");
      await waitFor(async () => (await fetch(`${url}/readyz`)).status === 200);
    } finally {
      server.child.kill();
    }
    const { err } = await server.ended;
    expect(err).toContain("not ready: the database has no schema yet; run npx aetherflow migrate up");
    // What everybody knows why needs no stacks.
    expect(err).not.toContain("    at ");
  });

  test("[cli] an older schema: exit 1, one line says what to run, nothing is migrated", async () => {
    await migrate(database.url, "up");
    const { reverted } = await migrate(database.url, "down");
    const expected = new RegExp(
      `not up to date \\(pending: ${reverted[0]}\\); run npx aetherflow migrate up$`,
    );
    await refusals([...commands, ...makers], expected);
    const up = await command(["migrate", "up"], { DATABASE_URL: database.url });
    expect(up).toMatchObject({ code: 0, out: `applied ${reverted[0]}\n` });
    expect(await command(["token", "--user", "ada"], { DATABASE_URL: database.url })).toMatchObject({
      code: 0,
    });
  });
});

describe("with a database", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  const env = () => ({ DATABASE_URL: database.url });

  test("[cli] token signs with the configured secret, without a database", async () => {
    const docId = "0197a3c2-7c1e-7a00-8000-000000000001";
    const args = ["token", "--user", "ada", "--name", "Ada", "--doc", `${docId}:editor`, "--ttl", "2h"];
    const { code, out } = await command(args, { AETHERFLOW_JWT_SECRET: "a secret" });
    expect(code).toBe(0);
    const claims = decodeJwt(out.trim());
    expect(claims).toMatchObject({ sub: "ada", name: "Ada", docs: { [docId]: "editor" } });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(7_200);
    const other = { AETHERFLOW_JWT_SECRET: "a secret", AETHERFLOW_JWT_SECRETS: "x" };
    const json = await command([...args, "--json"], other);
    expect(json.err).toMatch(
      /^aetherflow token: AETHERFLOW_JWT_SECRETS: .* is AETHERFLOW_JWT_SECRET meant\?\n$/,
    );
    expect(JSON.parse(json.out)).toMatchObject({ token: expect.any(String), expiresAt: expect.any(String) });
  });

  test("[cli] doctor finds settings that void what is promised (the test's server runs without fsync)", async () => {
    const { code, out } = await command(["doctor", "--json"], env());
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: { name: string; level: string }[] };
    const level = Object.fromEntries(findings.map((finding) => [finding.name, finding.level]));
    expect(level).toMatchObject({
      node: "ok",
      version: "ok",
      notifications: "ok",
      schema: "ok",
      clock: "ok",
      auth: "warning",
    });
    const { rows } = await database.pool.query<{ fsync: string }>("SHOW fsync");
    expect(level.fsync).toBe(rows[0]?.fsync === "on" ? "ok" : "failure");
    expect(ok).toBe(code === 0);
    const text = await command(["doctor"], env());
    expect(text.out).not.toContain("\u001b");
  });

  test("[cli] doctor finds a database that is read-only, and a role that may not write or create", async () => {
    const own = await createTestDatabase();
    const empty = await createTestDatabase({ empty: true });
    const role = `${new URL(own.url).pathname.slice(1)}_reader`;
    const as = (url: string) => Object.assign(new URL(url), { username: role, password: "hunter2" }).href;
    const failures = async (url: string, ...more: string[]) => {
      const { out } = await command(["doctor", "--json", ...more], { DATABASE_URL: url });
      const { findings } = JSON.parse(out) as { findings: { name: string; level: string }[] };
      const names = ["writes", "encoding", "privileges"];
      return Object.fromEntries(
        findings.filter(({ name }) => names.includes(name)).map(({ name, level }) => [name, level]),
      );
    };
    try {
      const well = { writes: "ok", encoding: "ok", privileges: "ok" };
      expect(await failures(own.url)).toEqual(well);
      await own.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'hunter2'`);
      for (const { pool } of [own, empty]) {
        await pool.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
        await pool.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
      }
      expect(await failures(as(own.url))).toEqual({ ...well, privileges: "failure" });
      expect(await failures(as(empty.url))).toEqual({ ...well, privileges: "failure" });
      await own.pool.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
      expect(await failures(as(own.url))).toEqual({ ...well, privileges: "warning" });
      expect(await failures(as(own.url), "--no-migrate")).toEqual(well);
      const name = new URL(own.url).pathname.slice(1);
      await own.pool.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
      expect(await failures(own.url)).toEqual({ ...well, writes: "failure" });
    } finally {
      for (const { pool } of [own, empty])
        await pool.query(`SET default_transaction_read_only = off; DROP OWNED BY ${role}`);
      await own.drop();
      await empty.drop();
      await database.pool.query(`DROP ROLE ${role}`);
    }
  });

  test("[cli] doctor finds an encoding that does not hold every character", async () => {
    const answers: pg.QueryResult[] = [];
    const asking = {
      async query(text: string) {
        answers.push(await database.pool.query(text));
        return { ...answers[0], rows: [{ ...answers[0]?.rows[0], encoding: "SQL_ASCII" }] };
      },
    };
    const findings = await checkDatabase(asking as never, loadConfig({ flags: {}, env: {} }), Date.now);
    expect(findings.find(({ name }) => name === "encoding")).toMatchObject({
      level: "failure",
      message: expect.stringMatching(/^SQL_ASCII .* ENCODING 'UTF8'$/),
    });
  });

  test("[cli] doctor takes the clock of the quickest of a few answers", async () => {
    let now = Date.now();
    const delaysMs = [400, 10, 300];
    const asking = {
      async query(text: string) {
        if (!text.includes("clock_ms")) return await database.pool.query(text);
        now += delaysMs.shift() ?? 0;
        return { rows: [{ clock_ms: now }] };
      },
    };
    const findings = await checkDatabase(asking as never, loadConfig({ flags: {}, env: {} }), () => now);
    expect(findings.find(({ name }) => name === "clock")?.message).toBe("differs by 5 ms");
    expect(findings.find(({ name }) => name === "connections")?.message).toMatch(
      /^1 instance uses up to 27 of/,
    );
  });

  test("[cli] verify: exit 0 when all is well, 1 with a list when a version is missing", async () => {
    const id = "0197a3c2-7c1e-7a00-8000-000000000001";
    expect(await command(["verify"], env())).toMatchObject({
      code: 0,
      out: "0 documents checked: all well\n",
    });
    await database.pool.query(
      "INSERT INTO documents (id, name, type, created_by, updated_by, owner, version) VALUES ($1, 'x', 'text', 'a', 'a', 'a', 3)",
      [id],
    );
    const { code, out } = await command(["verify", "--document", id], env());
    expect(code).toBe(1);
    expect(out).toContain(id);
    const json = await command(["verify", "--json"], env());
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, documents: 1 });
    await database.pool.query("DELETE FROM documents");
    const absent = await command(["verify", "--document", id], env());
    expect(absent).toMatchObject({
      code: 1,
      err: "",
      out: expect.stringMatching(/^absent +\S+ {2}there is no/),
    });
    const absentJson = await command(["verify", "--document", id, "--json"], env());
    expect(absentJson).toMatchObject({ code: 1, err: "" });
    expect(JSON.parse(absentJson.out)).toMatchObject({
      ok: false,
      documents: 0,
      findings: [{ docId: id, problem: "absent" }],
    });
  });
});
