/** Runs the built command line as processes of their own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const main = fileURLToPath(new URL("../../dist/server/main.js", import.meta.url));
const build = fileURLToPath(new URL("../../scripts/build.mjs", import.meta.url));

/** Builds what is older than its sources; `npm test` has done so already. Call it in `beforeAll`. */
export function buildCommands(): void {
  spawnSync(process.execPath, [build, "--if-stale"], { stdio: ["ignore", "ignore", "inherit"] });
  if (!existsSync(main)) throw new Error("dist/server/main.js is missing; run npm run build");
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  out(): string;
  readonly ended: Promise<Ended>;
  /** Resolves with the address when it listens; rejects when it ends before. */
  readonly listening: Promise<string>;
}

/**
 * Starts a command with an environment that holds nothing of this machine's configuration. `options`: Node.js' own.
 */
export function start(
  args: readonly string[],
  env: Record<string, string> = {},
  options: readonly string[] = [],
): Running {
  const child = spawn(process.execPath, [...options, main, ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  let heard = () => {};
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    heard();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  const listening = new Promise<string>((resolve, reject) => {
    heard = () => {
      const url = /^listening on (\S+)$/m.exec(out)?.[1];
      if (url !== undefined) resolve(url);
    };
    void ended.then(() => reject(new Error(`ended before it listened: ${err}`)));
  });
  listening.catch(() => undefined);
  return { child, out: () => out, ended, listening };
}

/** Runs a command to its end. */
export const command = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  start(args, env).ended;
