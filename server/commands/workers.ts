/**
 * Several server processes on one port. The primary accepts connections and hands them out; it uses no database and
 * opens no document. A worker that ends without being asked to is started anew; one that never came up ends all.
 */
import cluster, { type Worker } from "node:cluster";
import type { Logger } from "../observability/log.ts";
import { endingSignals } from "./signals.ts";

interface Ready {
  readonly type: "ready";
  readonly url: string;
  readonly notes: readonly string[];
}

/** Tells the primary that this worker serves. */
export function workerReady({ url, notes }: Omit<Ready, "type">): void {
  process.send?.({ type: "ready", url, notes } satisfies Ready);
}

export interface Supervision {
  readonly count: number;
  readonly drainMs: number;
  readonly log: Logger;
  readonly print: (line: string) => void;
}

const firstRestartMs = 100;
const maxRestartMs = 5_000;
/** A worker that served for this long starts the back-off anew. */
const stableMs = 10_000;

/** Runs the workers until a signal comes. Returns the exit code. */
export function superviseWorkers({ count, drainMs, log, print }: Supervision): Promise<number> {
  return new Promise((resolve) => {
    const ready = new Set<Worker>();
    let announced = false;
    let stopping = false;
    let restartMs = firstRestartMs;
    let code = 0;

    function start(): void {
      if (stopping) return;
      const startedAt = performance.now();
      const worker = cluster.fork();
      worker.on("message", (message: Ready) => {
        ready.add(worker);
        if (announced || ready.size < count) return;
        announced = true;
        print(`listening on ${message.url}`);
        for (const note of message.notes) print(note);
        print(`instances: ${count}`);
      });
      worker.on("exit", (exitCode, signal) => {
        const served = ready.delete(worker);
        if (stopping) {
          if (Object.keys(cluster.workers ?? {}).length === 0) finish();
          return;
        }
        if (!served && !announced) {
          // Wrong configuration or no database: the worker has said why, and the next would say the same.
          code = exitCode === 0 ? 1 : exitCode;
          stop();
          return;
        }
        if (performance.now() - startedAt > stableMs) restartMs = firstRestartMs;
        log.warn(
          { worker: worker.process.pid, exitCode, signal, restartMs },
          "a worker ended; starting another",
        );
        setTimeout(start, restartMs);
        restartMs = Math.min(restartMs * 2, maxRestartMs);
      });
    }

    let deadline: NodeJS.Timeout | undefined;
    function finish(): void {
      clearTimeout(deadline);
      for (const signal of endingSignals) process.off(signal, stop);
      resolve(code);
    }

    function stop(): void {
      if (stopping) return;
      stopping = true;
      const workers = Object.values(cluster.workers ?? {});
      if (workers.length === 0) {
        finish();
        return;
      }
      for (const worker of workers) worker?.process.kill("SIGTERM");
      deadline = setTimeout(() => {
        for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGKILL");
      }, drainMs + 500);
    }

    for (const signal of endingSignals) process.on(signal, stop);
    for (let index = 0; index < count; index++) start();
  });
}
