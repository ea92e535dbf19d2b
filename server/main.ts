#!/usr/bin/env -S node --max-semi-space-size=64 --no-allocation-site-pretenuring --heap-growing-percent=100
/** The command line. Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
import { setImmediate as writesTold } from "node:timers/promises";
import type { Command } from "./commands/command.ts";
import { packageVersion } from "./commands/package-root.ts";
import { ConfigError } from "./config.ts";
import { EmbeddedProblem } from "./database/embedded/problem.ts";
import { MigrationProblem } from "./database/migration-files.ts";
import { isConnectionLoss } from "./database/sqlstate.ts";
import { describeError, withCause } from "./observability/log.ts";
import { StoreUnavailable } from "./store/store.ts";

/** Loaded when it is asked for: a token should not wait for the server's parts. */
const commands: { readonly [name: string]: { readonly summary: string; load(): Promise<Command> } } = {
  serve: { summary: "runs the server", load: async () => (await import("./commands/serve.ts")).serveCommand },
  migrate: {
    summary: "database schema: up, down, reset, status",
    load: async () => (await import("./commands/migrate.ts")).migrateCommand,
  },
  token: {
    summary: "prints a signed token",
    load: async () => (await import("./commands/token.ts")).tokenCommand,
  },
  verify: {
    summary: "checks stored data",
    load: async () => (await import("./commands/verify.ts")).verifyCommand,
  },
  archive: {
    summary: "moves old operations out of the live tables",
    load: async () => (await import("./commands/archive.ts")).archiveCommand,
  },
  export: {
    summary: "writes one document with its log as JSON",
    load: async () => (await import("./commands/export.ts")).exportCommand,
  },
  import: {
    summary: "reads what export wrote",
    load: async () => (await import("./commands/import.ts")).importCommand,
  },
  doctor: {
    summary: "checks machine, configuration and database",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
  },
};

const width = Math.max(...Object.keys(commands).map((name) => name.length));
const usage = `aetherflow COMMAND [flags]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`)
  .join("")}
aetherflow COMMAND --help says more about one. --version prints the version.

Examples
  npx aetherflow serve
  npx aetherflow token --user ada
`;

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(usage);
    return 0;
  }
  if (name === "--version") {
    process.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (name === undefined || command === undefined) {
    process.stderr.write(name === undefined ? usage : `aetherflow: there is no command ${name}\n\n${usage}`);
    return 2;
  }
  try {
    return await (await command.load()).run(rest);
  } catch (error) {
    return explain(name, error);
  }
}

/** Says what went wrong: in words where a person can change it, with the stack where it is a bug. */
function explain(command: string, error: unknown): number {
  const { message, code, stack } = describeError(error);
  const say = (text: string) => process.stderr.write(`aetherflow ${command}: ${text}\n`);
  if (error instanceof ConfigError) {
    for (const problem of error.problems) say(problem);
    return 2;
  }
  const expected = [EmbeddedProblem, MigrationProblem, StoreUnavailable].some(
    (kind) => error instanceof kind,
  );
  if (expected) say(withCause(error));
  else if (command === "serve" && code === "EADDRINUSE" && error instanceof Error && "port" in error)
    say(`port ${error.port} is already in use; choose another with --port`);
  else if (command === "serve" && code !== undefined && code in listening)
    say(`${listening[code]} (${message})`);
  else if (isRefusedByDatabase(error)) say(`the database: ${message}`);
  else if (isConnectionLoss(error)) say(`the database cannot be reached (${message})`);
  else say(stack ?? message);
  return 1;
}

/** Why an address cannot be listened on; the database was reached before. */
const listening: { readonly [code: string]: string } = {
  EADDRNOTAVAIL: "--host: not an address of this machine",
  ENOTFOUND: "--host: not an address of this machine",
  EACCES: "--port: not allowed to listen there",
};
/**
 * Wrong password or role, no such database, too many connections, no privilege, TLS that is not there or not believed: no
 * bug of ours. What PostgreSQL ends a connection with is FATAL.
 */
function isRefusedByDatabase(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("severity" in error && error.severity === "FATAL") return true;
  return (
    ("code" in error && /^42501$|CERT|SIGNATURE/.test(String(error.code))) ||
    error.message === "The server does not support SSL connections"
  );
}

/** Why standard output took not everything; a reader that has enough (`| head`) is no failure. */
let unwritten: string | undefined;
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code !== "EPIPE") unwritten ??= code;
});
// Nobody is left to be told.
process.stderr.on("error", () => undefined);

const args = process.argv.slice(2);
const code = await main(args);
await writesTold();
// Documents are served whatever becomes of what serve prints.
const isLost = code === 0 && unwritten !== undefined && args[0] !== "serve";
if (isLost) process.stderr.write(`aetherflow: the output could not be written (${unwritten})\n`);
process.exitCode = isLost ? 1 : code;
