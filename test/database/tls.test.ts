/** What each `sslmode` means, against a PostgreSQL with a certificate that no known authority signed. */
import { chmod, chown, copyFile, mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { databaseUrl, loadConfig } from "../../server/config.ts";
import { acquireEmbedded, type EmbeddedDatabase } from "../../server/database/embedded/acquire.ts";
import { createPool } from "../../server/database/pool.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 });

/** Of this test alone; for `localhost`, not for 127.0.0.1, and valid from 2020 to 2120. */
const certificate = fileURLToPath(new URL("tls/server.crt", import.meta.url));
const key = fileURLToPath(new URL("tls/server.key", import.meta.url));

let root: string;
let database: EmbeddedDatabase | undefined;
const warnings: Error[] = [];
const onWarning = (warning: Error) => void warnings.push(warning);

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "aetherflow-tls-"));
  await chmod(root, 0o711);
  const dataDir = path.join(root, "data");
  const settings = { fsync: "off" };
  await (await acquireEmbedded({ dataDir, settings })).close();
  // Where PostgreSQL looks for them, and readable for nobody but its own user, or it does not start.
  const cluster = path.join(dataDir, "postgres", "cluster");
  const { uid, gid } = await stat(cluster);
  for (const [file, name] of [
    [certificate, "server.crt"],
    [key, "server.key"],
  ] as const) {
    const copy = path.join(cluster, name);
    await copyFile(file, copy);
    await chmod(copy, 0o600);
    await chown(copy, uid, gid);
  }
  database = await acquireEmbedded({ dataDir, settings: { ...settings, ssl: "on" } });
  process.on("warning", onWarning);
});
afterAll(async () => {
  process.off("warning", onWarning);
  await database?.close();
  await rm(root, { recursive: true, force: true });
});

/** Whether a connection by this URL is encrypted; rejects where there is none. */
async function isEncrypted(host: string, parameters: Record<string, string>): Promise<boolean | undefined> {
  const url = new URL(database?.url ?? "");
  url.hostname = host;
  url.search = new URLSearchParams(parameters).toString();
  const { store } = loadConfig({ flags: { "database-url": url.href }, env: {} });
  const pool = createPool({ url: databaseUrl(store.postgres) ?? "", max: 1 });
  try {
    const { rows } = await pool.run<{ ssl: boolean }>({
      text: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    });
    return rows[0]?.ssl;
  } finally {
    await pool.close();
  }
}

test("[tls] disable is plain; prefer and require encrypt, whoever answers", async () => {
  expect(await isEncrypted("127.0.0.1", { sslmode: "disable" })).toBe(false);
  expect(await isEncrypted("127.0.0.1", { sslmode: "prefer" })).toBe(true);
  expect(await isEncrypted("127.0.0.1", { sslmode: "require" })).toBe(true);
});

test("[tls] verify-full wants a known authority and the host's name, verify-ca with one just that", async () => {
  const sslrootcert = certificate;
  const unknown = /self-signed certificate/;
  await expect(isEncrypted("localhost", { sslmode: "verify-full" })).rejects.toThrow(unknown);
  await expect(isEncrypted("localhost", { sslmode: "verify-ca" })).rejects.toThrow(unknown);
  expect(await isEncrypted("localhost", { sslmode: "verify-full", sslrootcert })).toBe(true);
  await expect(isEncrypted("127.0.0.1", { sslmode: "verify-full", sslrootcert })).rejects.toThrow(/altnames/);
  expect(await isEncrypted("127.0.0.1", { sslmode: "verify-ca", sslrootcert })).toBe(true);
});

test("[tls] nothing of it prints a warning", () => {
  expect(warnings.map(({ message }) => message)).toEqual([]);
});
