/** What can be put under load: the server, the relays beside it, each with its instances and documents. */
import { randomUUID } from "node:crypto";
import type { Target as Protocol } from "./load/plan.ts";
import { type RunningServer, startServer } from "./processes.ts";

export const targetNames = ["ours", "bare durable", "own tables", "ws, a turn", "ws, a message"] as const;
export type TargetName = (typeof targetNames)[number];

export interface Target {
  readonly protocol: Protocol;
  /** The running instances. */
  readonly running: readonly RunningServer[];
  /** Of its database; without one an error. */
  databaseUrl(): Promise<string>;
  /** Starts instances until there are so many, stops those beyond. */
  scale(instances: number): Promise<void>;
  /** New documents of so many elements, and a token for each of `members` clients of one, the first `writers` of which may edit. */
  documents(options: {
    readonly count: number;
    readonly members: number;
    readonly writers: number;
    readonly elements?: number | undefined;
  }): Promise<{ ids: string[]; tokens: string[] }>;
  close(): Promise<void>;
}

export interface TargetOptions {
  readonly core: number | undefined;
  /** Called once, if at all. */
  databaseUrl(): Promise<string>;
  /** A folder for CPU profiles. */
  readonly profile?: string | undefined;
  /** Of one instance's pool; undefined: the default. */
  readonly connections?: number | undefined;
  /** See `startNode`. */
  readonly collectible?: boolean;
}

/** Everything that a client of the benchmark could run into is switched off: it measures the path, not the limits. */
const noLimits = {
  AETHERFLOW_LIMITS_OPS_PER_SECOND: "0",
  AETHERFLOW_LIMITS_SOCKETS_PER_USER: "0",
  AETHERFLOW_LIMITS_SOCKETS_PER_ADDRESS: "0",
  AETHERFLOW_LIMITS_UNAUTHENTICATED_SOCKETS: "0",
  AETHERFLOW_LIMITS_REQUESTS_PER_SECOND: "0",
};

const poolOf = (connections: number | undefined): Readonly<Record<string, string>> =>
  connections === undefined ? {} : { AETHERFLOW_STORE_POSTGRES_MAX_OPEN_CONNS: String(connections) };

const scripts: Readonly<Record<Exclude<TargetName, "ours">, readonly string[]>> = {
  "bare durable": ["bench/baselines/bare-durable.js"],
  "own tables": ["bench/baselines/own-tables.js"],
  "ws, a turn": ["bench/baselines/raw-ws.js", "--turn"],
  "ws, a message": ["bench/baselines/raw-ws.js", "--each"],
};

/** The arguments of the server under measurement, but for its database. */
export const serveArguments = [
  "serve",
  "--auth",
  "dev",
  "--log-level",
  "warn",
  "--no-demo",
  "--port",
  "0",
] as const;

/** Requests that make documents, at a time. */
const atOnce = 10;

/** An element of a large document: about 200 bytes, as a drawing's. */
function element(number: number): Readonly<Record<string, unknown>> {
  return {
    type: "rectangle",
    x: number % 4000,
    y: (number * 7) % 3000,
    width: 120.75,
    height: 64.5,
    angle: 0,
    strokeColor: "#1e1e1e",
    backgroundColor: "transparent",
    index: `a${number.toString(36)}`,
    text: `note ${number}`,
  };
}

/** A target without instances yet. */
export function makeTarget(name: TargetName, options: TargetOptions): Target {
  const { core, profile, connections, collectible } = options;
  const running: RunningServer[] = [];
  let url: Promise<string> | undefined;
  const databaseUrl = (): Promise<string> => {
    url ??= options.databaseUrl();
    return url;
  };

  const start = async (): Promise<RunningServer> => {
    if (name === "ws, a turn" || name === "ws, a message") {
      const [script, ...args] = scripts[name];
      return startServer(script as string, args, { core, collectible });
    }
    const env = { DATABASE_URL: await databaseUrl() };
    if (name === "ours") {
      const all = { ...env, ...noLimits, ...poolOf(connections) };
      return startServer("server/main.js", serveArguments, { core, env: all, profile, collectible });
    }
    const [script, ...args] = scripts[name];
    return startServer(script as string, args, { core, env, profile, collectible });
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

  /** Tokens live a day; they are asked for once. */
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
    protocol: name === "ours" ? "aetherflow" : "relay",
    running,
    databaseUrl,
    async scale(instances) {
      while (running.length > instances) await running.pop()?.stop();
      while (running.length < instances) running.push(await start());
    },
    async documents({ count, members, writers, elements = 0 }) {
      const ids = Array.from({ length: count }, () => randomUUID());
      if (name !== "ours") return { ids, tokens: [] };
      const users = Array.from({ length: members }, (_, member) => `bench-${member}`);
      const all: string[] = [];
      for (const user of users) all.push(await token(user));
      const content = Object.fromEntries(
        Array.from({ length: elements }, (_, number) => [`stored-${number}`, element(number)]),
      );
      const owner = await token("bench-0");
      const create = (id: string): Promise<unknown> =>
        request("/documents", owner, {
          id,
          name: `benchmark ${id}`,
          public: true,
          editors: users.slice(1, writers),
          ...(elements === 0 ? {} : { elements: content }),
        });
      for (let from = 0; from < count; from += atOnce)
        await Promise.all(ids.slice(from, from + atOnce).map(create));
      return { ids, tokens: all };
    },
    async close() {
      while (running.length > 0) await running.pop()?.stop();
    },
  };
}
