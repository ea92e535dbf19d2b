/** `aetherflow serve`: runs the server, in this process or in several that share the port. */
import cluster from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:net";
import { type Config, configWarnings, type Flags, loadConfig } from "../config.ts";
import { createLog, type Logger } from "../observability/log.ts";
import { type Command, configOptions, readArguments, refusePositionals } from "./command.ts";
import { runInstance } from "./run-instance.ts";
import { endingSignals, onEndingSignal } from "./signals.ts";
import { superviseWorkers, workerReady } from "./workers.ts";

export const serveCommand: Command = { run };

async function run(args: string[]): Promise<number> {
  const parsed = readArguments("serve", args, configOptions());
  const values: Flags = parsed.values;
  refusePositionals(parsed.positionals);
  const config = loadConfig({ flags: values, env: process.env });
  const log = createLog({ level: config.log.level, base: { pid: process.pid } });
  if (cluster.isPrimary)
    for (const { name, message } of configWarnings(config, process.env)) log.warn({ setting: name }, message);
  if (cluster.isPrimary) await lookAtPort(config.server);
  if (cluster.isPrimary && config.server.instances > 1) {
    return superviseWorkers({ count: config.server.instances, drainMs: config.server.drainMs, log, print });
  }
  // A worker's channel to its primary would keep it alive, also when it could not start.
  return runHere(config, log).finally(() => cluster.worker?.disconnect());
}

/**
 * A port that is taken is told before a database is started for nothing. Whether it can be had is decided later, by
 * whoever listens. Throws the error of `listen`.
 */
async function lookAtPort({ host, port }: Config["server"]): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, "listening");
  server.close();
  await once(server, "close");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs one instance until a signal comes. */
async function runHere(config: Config, log: Logger): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    if (!cluster.isWorker) {
      // Somebody who asks twice does not want to wait.
      onEndingSignal(
        () => resolve(),
        () => process.exit(1),
      );
      return;
    }
    // A terminal tells the whole group; the process that started the others tells them in its own time, by SIGTERM.
    for (const signal of endingSignals) process.on(signal, signal === "SIGTERM" ? resolve : () => undefined);
  });
  // A signal during the start ends it as soon as there is something to close.
  const instance = await runInstance(config, log);
  if (cluster.isWorker) workerReady(instance);
  else {
    print(`listening on ${instance.url}`);
    for (const note of instance.notes) print(note);
  }
  await stopped;
  log.info("stopping");
  const deadline = setTimeout(() => {
    log.warn({ drainMs: config.server.drainMs }, "not everything ended in time");
    process.exit(0);
  }, config.server.drainMs);
  await instance.close();
  // Where something hangs on, it ends the process; else that ends by itself, now.
  deadline.unref();
  log.info("stopped");
  return 0;
}
