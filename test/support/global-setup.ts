/**
 * One PostgreSQL for the whole run: the one in DATABASE_URL, or an embedded one in a directory of its own. A
 * template database is migrated once; test files clone it (database.ts). Nothing is left afterwards.
 */
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { acquireEmbedded, type EmbeddedDatabase } from "../../server/database/embedded/acquire.ts";
import { migrate } from "../../server/database/migrate.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A connection string whose role may create databases. */
    databaseUrl: string;
    /** The migrated database to clone; nobody else connects to it. */
    templateDatabase: string;
  }
}

const dirPrefix = "aetherflow-test-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.DATABASE_URL;
  const embedded = given === undefined || given === "" ? await startEmbedded() : undefined;
  const url = embedded?.database.url ?? given ?? "";
  const template = `aetherflow_template_${process.pid}_${randomBytes(3).toString("hex")}`;
  try {
    await run(url, `CREATE DATABASE ${template}`);
    const templateUrl = new URL(url);
    templateUrl.pathname = `/${template}`;
    await migrate(templateUrl.href, "up");
    project.provide("databaseUrl", url);
    project.provide("templateDatabase", template);
  } catch (error) {
    await embedded?.close();
    throw error;
  }
  return async () => {
    if (embedded === undefined) await run(url, `DROP DATABASE IF EXISTS ${template} WITH (FORCE)`);
    else await embedded.close();
  };
}

async function startEmbedded(): Promise<{ database: EmbeddedDatabase; close(): Promise<void> }> {
  await removeStale();
  const dataDir = await mkdtemp(path.join(os.tmpdir(), `${dirPrefix}${process.pid}-`));
  await chmod(dataDir, 0o711); // as root, PostgreSQL runs as somebody else
  const settings = { fsync: "off", full_page_writes: "off", max_connections: "200" };
  const database = await acquireEmbedded({ dataDir, settings });
  const close = async () => {
    await database.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { database, close };
}

/** What runs that were killed left behind: their server joined as its last user, stopped, and the directory. */
async function removeStale(): Promise<void> {
  for (const name of await readdir(os.tmpdir())) {
    const pid = Number(new RegExp(`^${dirPrefix}(\\d+)-`).exec(name)?.[1]);
    if (!Number.isInteger(pid) || isAlive(pid)) continue;
    const dir = path.join(os.tmpdir(), name);
    const text = await readFile(path.join(dir, "postgres", "cluster", "postmaster.pid"), "utf8").catch(
      () => "",
    );
    try {
      if (text !== "") await (await acquireEmbedded({ dataDir: dir })).close();
      await rm(dir, { recursive: true, force: true });
    } catch {
      // Another user's, or another run is sweeping it right now: not worth failing for.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
