/**
 * docs/operations.md: its SQL runs, as the roles that it says, on a server with deploy/postgresql.conf's library; its
 * metrics are those that there are; the messages that it explains are those that are said.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { acquireEmbedded, type EmbeddedDatabase } from "../../server/database/embedded/acquire.ts";
import { migrate } from "../../server/database/migrate.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { postgresSettings } from "./postgres-settings.ts";

const root = path.resolve(import.meta.dirname, "../..");
const page = readFileSync(path.join(root, "docs/operations.md"), "utf8");
const blocks = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, block = ""]) => block);
const statementsOf = (block: string) => block.split(/;\s*(?:\n|$)/).filter((text) => text.trim() !== "");

const isSetUp = (block: string) => block.includes("CREATE ROLE");
const isStatistics = (block: string) => block.includes("pg_stat_statements");
const [owning = "", serving = ""] = blocks.filter(isSetUp);
const statistics = blocks.filter(isStatistics);
const monitoring = blocks.filter((block) => !isSetUp(block) && !isStatistics(block));

/** The names of the page are taken: the embedded server's own role is called so. */
const owner = `ops_${randomBytes(4).toString("hex")}`;
const renamed = (sql: string) => sql.replaceAll("aetherflow", owner);
const documentId = /'([0-9a-f-]{36})'/.exec(monitoring.join("\n"))?.[1] ?? "";

let dataDir: string;
let embedded: EmbeddedDatabase;
let instance: Instance;

function urlOf(database: string, user?: string): string {
  const url = new URL(embedded.url);
  url.pathname = `/${database}`;
  if (user !== undefined) url.username = user;
  return url.href;
}

/** Runs each statement on a connection of its own; the answers of all. */
async function run(url: string, sql: string): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results = [];
    for (const statement of statementsOf(sql)) results.push(await client.query(statement));
    return results;
  } finally {
    await client.end();
  }
}

/** In the place of `\password`. */
const setPassword = (role: string) =>
  run(urlOf("postgres"), `ALTER ROLE ${role} PASSWORD '${new URL(embedded.url).password}'`);

beforeAll(async () => {
  dataDir = mkdtempSync(path.join(os.tmpdir(), "aetherflow-operations-"));
  chmodSync(dataDir, 0o711);
  const library = postgresSettings().get("shared_preload_libraries") ?? "";
  embedded = await acquireEmbedded({
    dataDir,
    settings: { fsync: "off", shared_preload_libraries: library },
  });
  await run(urlOf("postgres"), renamed(owning));
  await setPassword(owner);
  await migrate(urlOf(owner, owner), "up");
  instance = await startTestInstance(urlOf(owner, owner));
  const token = await devToken(instance.url, "ada");
  const elements = { note: { x: 1 } };
  await rest(instance.url, token, "POST", "/documents", { id: documentId, name: "plan", elements });
  const lock = await rest(instance.url, token, "POST", `/documents/${documentId}/locks`, { clientId: "a" });
  expect(lock.status).toBe(200);
}, 120_000);
afterAll(async () => {
  await instance?.close();
  await embedded?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("docs/operations.md", () => {
  it("[operations-1] the owner of the database needs no more than the page gives it, and others do not get in", async () => {
    expect(blocks.filter(isSetUp)).toHaveLength(2);
    const [role] = await run(
      urlOf("postgres"),
      `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = '${owner}'`,
    );
    expect(role?.rows).toEqual([
      { rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false },
    ]);
    expect((await fetch(`${instance.url}/readyz`)).status).toBe(200);
    await run(urlOf("postgres"), `CREATE ROLE ${owner}_stranger LOGIN`);
    await setPassword(`${owner}_stranger`);
    await expect(run(urlOf(owner, `${owner}_stranger`), "SELECT 1")).rejects.toMatchObject({ code: "42501" });
  });

  it("[operations-2] a role that has the rows only serves: creates, edits, purges, is ready", async () => {
    await run(urlOf(owner), renamed(serving));
    await setPassword(`${owner}_serve`);
    // What a later migration brings is the role's, too.
    await run(urlOf(owner, owner), "CREATE TABLE later (n int)");
    const url = urlOf(owner, `${owner}_serve`);
    await run(url, "INSERT INTO later VALUES (1)");
    await expect(run(url, "CREATE TABLE mine (n int)")).rejects.toMatchObject({ code: "42501" });
    const serves = await startTestInstance(url);
    try {
      await waitFor(async () => (await fetch(`${serves.url}/readyz`)).status === 200);
      const token = await devToken(serves.url, "bob");
      const ask = (method: string, route: string, body?: unknown) =>
        rest<{ id: string }>(serves.url, token, method, route, body);
      const { body } = await ask("POST", "/documents", { name: "his", elements: { a: { x: 1 } } });
      const document = `/documents/${body.id}`;
      const move = { id: "0197a3c2-7c1e-7a00-8000-00000000000a", type: "move", element: "a", set: { x: 2 } };
      const statuses = [
        (await ask("POST", `${document}/operations`, { ops: [move] })).status,
        (await ask("POST", `${document}/versions`, { name: "good" })).status,
        (await ask("POST", "/webhooks", { url: `${serves.url}/hook`, events: ["operations"] })).status,
        (await ask("DELETE", `${document}?purge=true`)).status,
      ];
      expect(statuses).toEqual([200, 201, 201, 204]);
    } finally {
      await serves.close();
    }
  });

  it("[operations-3] its SQL for monitoring and troubleshooting runs as the server's role, and finds what is there", async () => {
    expect(monitoring.length).toBeGreaterThanOrEqual(10);
    for (const block of monitoring) {
      for (const statement of statementsOf(block)) {
        const [result] = await run(urlOf(owner, owner), statement);
        // These find what ought not to be, or is long gone.
        const looksForTrouble = /interval '10 seconds'|'advisory'|state <> 'idle'|^DELETE/.test(statement);
        if (!looksForTrouble) expect(result?.rows.length, statement).toBeGreaterThan(0);
        for (const { name } of result?.fields ?? []) expect(name, statement).not.toBe("?column?");
      }
    }
    const [held] = await run(
      urlOf(owner, owner),
      monitoring.find((block) => block.includes("acquired_at")) ?? "",
    );
    expect(held?.rows).toMatchObject([{ user_id: "ada", client_id: "a", element: null }]);
  });

  it("[operations-4] its SQL for trouble names who is in the way", async () => {
    const url = urlOf(owner, owner);
    const holder = new pg.Client({ connectionString: url, application_name: "holder" });
    await holder.connect();
    try {
      await holder.query("SELECT pg_advisory_lock(1)");
      await holder.query("BEGIN");
      await holder.query("LOCK TABLE operations");
      const statements = monitoring.flatMap(statementsOf);
      const find = async (part: string) => {
        const statement = statements.find((text) => text.includes(part)) ?? "";
        const [found] = await run(url, statement.replace("interval '10 seconds'", "interval '0 seconds'"));
        return found?.rows.map((row) => row.application_name);
      };
      expect(await find("interval '10 seconds'")).toContain("holder");
      expect(await find("'advisory'")).toEqual(["holder"]);
      expect(await find("pg_blocking_pids")).toContain("holder");
    } finally {
      await holder.end();
    }
  });

  it("[operations-5] the statistics of statements are made and read in the database `postgres`", async () => {
    expect(statistics).toHaveLength(2);
    const postgres = urlOf("postgres");
    const [create = "", ask = ""] = statistics;
    await run(postgres, create);
    const [found, reset] = await run(postgres, renamed(ask));
    expect(found?.rows.length).toBeGreaterThan(0);
    expect(found?.rows.map((row) => row.query).join()).not.toContain(documentId);
    expect(reset?.rows).toHaveLength(1);
  });

  it("[operations-6] every metric is in the table with its kind, and no other; what it asks of them exists", async () => {
    const text = await (await fetch(`${instance.url}/metrics`)).text();
    const there = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => `${name} ${kind}`);
    const told = [...page.matchAll(/^\| `(aetherflow_\w+)` \| (\w+) \| \S[^|]* \| \S[^|]* \|$/gm)];
    expect(there.length).toBeGreaterThan(15);
    expect(told.map(([, name, kind]) => `${name} ${kind}`).sort()).toEqual(there.sort());
    const series = there.flatMap((each) => {
      const [name, kind] = each.split(" ");
      return kind === "histogram" ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
    });
    const roles = ["aetherflow_restored", "aetherflow_check", "aetherflow_serve"];
    for (const [name] of page.matchAll(/\baetherflow_\w+/g)) expect([...series, ...roles]).toContain(name);
  });

  it("[operations-7] the messages of this server that it explains are said in so many words", () => {
    const sources = readdirSync(path.join(root, "server"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(path.join(root, "server", name), "utf8"))
      .concat(readFileSync(path.join(root, "shared/document/decide.ts"), "utf8"))
      .join("\n");
    for (const message of [
      "origin not allowed",
      "not listening to other instances",
      "failed and was rolled back: ",
      "another process is migrating and does not end",
      "differs from what was applied",
      "was applied by a newer version",
      "the schema is newer than this version",
      "version conflict: expected ",
      "document is already locked",
      "element is already locked",
    ]) {
      expect(page, message).toContain(message.trim());
      expect(sources, message).toContain(message);
    }
  });

  it("[operations-8] a crontab's percent signs are escaped: cron takes a bare one for the end of the line", () => {
    const crontabs = [...page.matchAll(/```crontab\n(.*?)```/gs)].map(([, block = ""]) => block);
    expect(crontabs.length).toBeGreaterThanOrEqual(3);
    for (const line of crontabs.join("").trim().split("\n")) {
      expect(line).toMatch(/^(?:[A-Z_]+=\S+|(?:\S+ ){5}\S.*)$/);
      expect(line).not.toMatch(/[^\\]%/);
    }
  });
});
