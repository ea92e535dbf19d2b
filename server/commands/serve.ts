/** `aetherflow serve`: runs the server, in this process or in several that share the port. */
import cluster from "node:cluster";
import { type Config, configSources, configWarnings, type Flags, loadConfig } from "../config.ts";
import { createLog, type Logger } from "../observability/log.ts";
import { type Command, configOptions, helpOption, readArguments, refusePositionals } from "./command.ts";
import { runInstance } from "./run-instance.ts";
import { endingSignals, onEndingSignal } from "./signals.ts";
import { superviseWorkers, workerReady } from "./workers.ts";

const says: { readonly [flag: string]: string } = {
  host: "address to listen on, default 127.0.0.1",
  port: "port, default 9002; 0 picks a free one",
  instances: "server processes that share the port",
  "no-demo": "no demo client at /",
  "no-migrate": "do not migrate; /readyz fails until the schema is current",
  store: "where documents live; memory is for throw-away runs",
  "data-dir": "folder of the embedded database, default ./.aetherflow",
  "database-url": "PostgreSQL to use instead of the embedded one",
  auth: "dev: anybody can get a token; jwt: verify tokens",
  "jwt-secret-file": "file with the shared secret of HS256 tokens",
  "jwks-url": "public keys of the token issuer",
  "allowed-origin": "origin whose pages may connect; repeatable",
  "log-level": "fatal, error, warn, info, debug, trace or silent",
};

function flagLines(): string {
  const rows = configSources().flatMap(({ flag, argument, sets, env }) =>
    flag === undefined
      ? []
      : [
          [
            `--${flag}${argument === undefined ? "" : ` ${argument}`}`,
            says[flag] ?? "",
            // `--no-demo` says the opposite of its variable.
            sets === undefined ? env : `${env}=${sets}`,
          ] as const,
        ],
  );
  const all = [["--config FILE", "configuration file", "AETHERFLOW_CONFIG"] as const, ...rows];
  const width = Math.max(...all.map(([name]) => name.length));
  return all.map(([name, text, env]) => `  ${name.padEnd(width)}  ${text} (${env})\n`).join("");
}

const usage = `aetherflow serve [flags]

Runs the server with the demo client at /. Prints "listening on http://HOST:PORT" when it is ready.
Without a database it starts an embedded PostgreSQL. SIGTERM, SIGINT or SIGHUP: finishes what is in flight and ends.

${flagLines()}
Every key has a variable, most have no flag: docs/configuration.md. Others see a command line; secrets belong in these:
  AETHERFLOW_JWT_SECRET    shared secret of HS256 tokens; with it, or --jwks-url, nobody gets a token by asking
  DATABASE_URL             the database, with its password

Examples
  npx aetherflow serve
  npx aetherflow serve --port 8080 --database-url postgres://user@host/db
  AETHERFLOW_JWT_SECRET=… npx aetherflow serve --host 0.0.0.0
  npx aetherflow serve --host 0.0.0.0 --jwks-url https://login.example.com/.well-known/jwks.json --instances 3
`;

export const serveCommand: Command = { usage, run };

async function run(args: string[]): Promise<number> {
  const parsed = readArguments("serve", args, { ...configOptions(), ...helpOption });
  const values: Flags = parsed.values;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  refusePositionals(parsed.positionals);
  const config = loadConfig({ flags: values, env: process.env });
  const log = createLog({ level: config.log.level, base: { pid: process.pid } });
  if (cluster.isPrimary)
    for (const { name, message } of configWarnings(config, process.env)) log.warn({ setting: name }, message);
  if (cluster.isPrimary && config.server.instances > 1) {
    return superviseWorkers({ count: config.server.instances, drainMs: config.server.drainMs, log, print });
  }
  // A worker's channel to its primary would keep it alive, also when it could not start.
  return runHere(config, log).finally(() => cluster.worker?.disconnect());
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
