/** Child processes of a run: pinned to a core where that is possible, waited for, stopped. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Which core the servers and which the load generator run on; undefined: wherever the kernel puts them. */
export interface Pinning {
  readonly server: number | undefined;
  readonly load: number | undefined;
}

/** One core each, on Linux with `taskset` and at least two cores. PostgreSQL is never pinned. */
export function pinning(wanted: boolean): Pinning {
  const possible =
    wanted && availableParallelism() >= 2 && spawnSync("taskset", ["-c", "0,1", "true"]).status === 0;
  return possible ? { server: 0, load: 1 } : { server: undefined, load: undefined };
}

/** Starts a compiled script of this folder's parent (`dist`), with an IPC channel when asked. */
export function startNode(
  script: string,
  args: readonly string[],
  options: {
    readonly core: number | undefined;
    readonly ipc?: boolean;
    /** Beside the environment of this process; undefined takes a variable away. */
    readonly env?: Readonly<Record<string, string | undefined>>;
    /** Where a CPU profile is written when the process ends. */
    readonly profile?: string | undefined;
    /** Collects all garbage at SIGUSR2. */
    readonly collectible?: boolean | undefined;
  },
): ChildProcess {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const pin = options.core === undefined ? [] : ["taskset", "-c", String(options.core)];
  const profiling = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];
  // As `npm start` runs the server; baselines get the same, so that the ratio is not one of heap settings.
  const heap = ["--max-semi-space-size=64", "--no-allocation-site-pretenuring", "--heap-growing-percent=100"];
  const collector = fileURLToPath(new URL("./collect-garbage.js", import.meta.url));
  const garbage = options.collectible === true ? ["--expose-gc", "--import", collector] : [];
  const [command, ...rest] = [...pin, process.execPath, ...heap, ...garbage, ...profiling, path, ...args];
  return spawn(command as string, rest, {
    stdio: ["ignore", "pipe", "inherit", ...(options.ipc === true ? (["ipc"] as const) : [])],
    // JSON would turn the NaN of a missing figure into null.
    serialization: "advanced",
    env: { ...process.env, ...options.env },
  });
}

export interface RunningServer {
  readonly pid: number;
  /** `http://HOST:PORT`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server and waits for its line `listening on URL`. */
export async function startServer(
  script: string,
  args: readonly string[],
  options: {
    readonly core: number | undefined;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly profile?: string | undefined;
    readonly collectible?: boolean | undefined;
  },
): Promise<RunningServer> {
  const child = startNode(script, args, options);
  const url = await new Promise<string>((resolve, reject) => {
    if (child.stdout === null) throw new Error("no standard output");
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const found = /^listening on (http:\S+)/.exec(line);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${script} ended with ${code} before it listened`)));
  });
  return {
    pid: child.pid as number,
    url,
    stop: () => stopChild(child),
  };
}

/** SIGTERM, and SIGKILL after 12 s (a server may take 10 to drain). */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 12_000);
  await ended;
  clearTimeout(timer);
}
