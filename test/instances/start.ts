/** Real instances in this process, on a database of the test's own. */

import { type Instance, startInstance } from "../../server/compose.ts";
import type { Config } from "../../server/config.ts";
import { loadConfig } from "../../server/config.ts";
import { createLog } from "../../server/observability/log.ts";

export type ConfigChange = { readonly [Section in keyof Config]?: Partial<Config[Section]> };

/** Starts an instance on a free port; `databaseUrl` undefined: with the memory store; `demoDir`: serves that page. */
export function startTestInstance(
  databaseUrl: string | undefined,
  change: ConfigChange = {},
  demoDir?: string,
): Promise<Instance> {
  const config = loadConfig({
    flags: {
      port: "0",
      ...(databaseUrl === undefined ? { store: "memory" } : { "database-url": databaseUrl }),
    },
    env: {},
  });
  const changed = Object.fromEntries(
    Object.entries(config).map(([section, values]) => [
      section,
      { ...values, ...change[section as keyof Config] },
    ]),
  ) as unknown as Config;
  const log = createLog({ level: process.env.TEST_LOG ?? "silent" });
  return startInstance(changed, {
    databaseUrl: databaseUrl === undefined ? undefined : () => databaseUrl,
    log,
    ...(demoDir === undefined ? {} : { demoDir }),
  });
}

/** A token of development mode. */
export async function devToken(url: string, user: string, name?: string): Promise<string> {
  const response = await fetch(`${url}/v1/dev/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, ...(name === undefined ? {} : { name }) }),
  });
  if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { token: string }).token;
}

/** A REST call; the answer's JSON, or undefined without a body. */
export async function rest<T = Record<string, unknown>>(
  url: string,
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: T; headers: Headers }> {
  const response = await fetch(`${url}/v1${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: (text === "" ? undefined : JSON.parse(text)) as T,
    headers: response.headers,
  };
}
