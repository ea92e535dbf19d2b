/** What can be put under load: the server, the relays beside it, each with its instances and documents. */
import { randomUUID } from "node:crypto";
import type { Target as Protocol } from "./load/plan.ts";
import { type RunningServer, startServer } from "./processes.ts";

export const targetNames = ["ours", "bare durable", "own tables", "ws, a turn", "ws, a message"] as const;
export type TargetName = (typeof targetNames)[number];

export interface Target {
  readonly name: TargetName;
  readonly protocol: Protocol;
  /** Starts instances until there are so many, stops those beyond. */
  scale(instances: number): Promise<readonly RunningServer[]>;
  /** New documents, and a token for each of `members` clients of one, the first `writers` of which may edit. */
  documents(count: number, members: number, writers: number): Promise<{ ids: string[]; tokens: string[] }>;
  close(): Promise<void>;
}

/** Everything that a client of the benchmark could run into is switched off: it measures the path, not the limits. */
const noLimits = {
  AETHERFLOW_LIMITS_OPS_PER_SECOND: "0",
  AETHERFLOW_LIMITS_SOCKETS_PER_USER: "0",
  AETHERFLOW_LIMITS_SOCKETS_PER_ADDRESS: "0",
  AETHERFLOW_LIMITS_UNAUTHENTICATED_SOCKETS: "0",
  AETHERFLOW_LIMITS_REQUESTS_PER_SECOND: "0",
};

const scripts: Readonly<Record<Exclude<TargetName, "ours">, readonly string[]>> = {
  "bare durable": ["bench/baselines/bare-durable.js"],
  "own tables": ["bench/baselines/own-tables.js"],
  "ws, a turn": ["bench/baselines/raw-ws.js", "--turn"],
  "ws, a message": ["bench/baselines/raw-ws.js", "--each"],
};

/**
 * A target whose first instance is started at first use. `databaseUrl` is called once, if at all; `profile` is a
 * folder for CPU profiles.
 */
export function makeTarget(
  name: TargetName,
  core: number | undefined,
  databaseUrl: () => Promise<string>,
  profile?: string,
): Target {
  const running: RunningServer[] = [];
  let url: Promise<string> | undefined;

  const start = async (): Promise<RunningServer> => {
    if (name === "ws, a turn" || name === "ws, a message") {
      const [script, ...args] = scripts[name];
      return startServer(script as string, args, { core });
    }
    url ??= databaseUrl();
    const env = { DATABASE_URL: await url };
    if (name === "ours") {
      const args = ["serve", "--auth", "dev", "--log-level", "warn", "--no-demo", "--port", "0"];
      return startServer("server/main.js", args, { core, env: { ...env, ...noLimits }, profile });
    }
    const [script, ...args] = scripts[name];
    return startServer(script as string, args, { core, env, profile });
  };

  const request = async (path: string, token: string | undefined, body: unknown): Promise<unknown> => {
    const response = await fetch(`${running[0]?.url}/v1${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };

  /** Tokens live an hour; they are asked for once. */
  const tokens = new Map<string, string>();
  const token = async (user: string): Promise<string> => {
    let known = tokens.get(user);
    if (known === undefined) {
      known = ((await request("/dev/token", undefined, { user })) as { token: string }).token;
      tokens.set(user, known);
    }
    return known;
  };

  return {
    name,
    protocol: name === "ours" ? "aetherflow" : "relay",
    async scale(instances) {
      while (running.length > instances) await running.pop()?.stop();
      while (running.length < instances) running.push(await start());
      return running;
    },
    async documents(count, members, writers) {
      const ids = Array.from({ length: count }, () => randomUUID());
      if (name !== "ours") return { ids, tokens: [] };
      const users = Array.from({ length: members }, (_, member) => `bench-${member}`);
      const all: string[] = [];
      for (const user of users) all.push(await token(user));
      for (const id of ids) {
        await request("/documents", await token("bench-0"), {
          id,
          name: `benchmark ${id}`,
          public: true,
          editors: users.slice(1, writers),
        });
      }
      return { ids, tokens: all };
    },
    async close() {
      while (running.length > 0) await running.pop()?.stop();
    },
  };
}
