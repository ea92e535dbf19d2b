/** Runs embedded-user.ts as processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { waitFor } from "../support/wait-for.ts";

export interface UserMessage {
  readonly event: "ready" | "moved" | "drained" | "closed" | "failed";
  readonly url?: string;
  readonly serverPid?: number;
  readonly name?: string;
  readonly message?: string;
}

export interface UserProcess {
  readonly child: ChildProcess;
  readonly messages: UserMessage[];
  /** Its first message of this kind. */
  said(event: UserMessage["event"]): Promise<UserMessage>;
  close(): Promise<void>;
  kill(): Promise<void>;
}

export interface UserOptions {
  readonly reachableRoot?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: Record<string, string>;
}

const script = fileURLToPath(new URL("./embedded-user.ts", import.meta.url));

/** Starts a user in a process group of its own. */
export function startUser(dataDir: string, options: UserOptions = {}): UserProcess {
  const { reachableRoot, env, ...account } = options;
  const args = ["--import", "tsx", script, dataDir, ...(reachableRoot === undefined ? [] : [reachableRoot])];
  const child = spawn(process.execPath, args, {
    ...account,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const messages: UserMessage[] = [];
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  createInterface({ input: child.stdout }).on("line", (line) => messages.push(JSON.parse(line)));
  const said = (event: UserMessage["event"]) =>
    waitFor(
      () => {
        const failed = messages.find((message) => message.event === "failed");
        if (failed !== undefined && event !== "failed") throw new Error(failed.message);
        return messages.find((message) => message.event === event);
      },
      { timeoutMs: 90_000, what: `a user process says ${event}` },
    );
  const gone = () => waitFor(() => ended, { timeoutMs: 90_000, what: "a user process ends" });
  return {
    child,
    messages,
    said,
    async close() {
      child.stdin.write("close\n");
      await gone();
    },
    async kill() {
      if (!ended) child.kill("SIGKILL");
      await gone();
    },
  };
}

/** One query on a connection of its own. */
export async function query<R extends pg.QueryResultRow>(url: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}
