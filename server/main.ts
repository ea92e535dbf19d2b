#!/usr/bin/env node
/** The command line. Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
import type { Command } from "./commands/command.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { packageVersion } from "./commands/package-root.ts";
import { serveCommand } from "./commands/serve.ts";
import { tokenCommand } from "./commands/token.ts";
import { ConfigError } from "./config.ts";
import { EmbeddedProblem } from "./database/embedded/problem.ts";
import { MigrationProblem } from "./database/migration-files.ts";
import { describeError } from "./observability/log.ts";
import { StoreUnavailable } from "./store/store.ts";

const commands: readonly Command[] = [serveCommand, migrateCommand, tokenCommand, doctorCommand];

const width = Math.max(...commands.map(({ name }) => name.length));
const usage = `aetherflow COMMAND [flags]

${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`).join("")}
aetherflow COMMAND --help says more about one. --version prints the version.

Examples
  aetherflow serve
  aetherflow token --user ada
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
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    process.stderr.write(name === undefined ? usage : `aetherflow: there is no command ${name}\n\n${usage}`);
    return 2;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    return explain(command.name, error);
  }
}

/** Says what went wrong: in words where a person can change it, with the stack where it is a bug. */
function explain(command: string, error: unknown): number {
  const { message, code, cause, stack } = describeError(error);
  const say = (text: string) => process.stderr.write(`aetherflow ${command}: ${text}\n`);
  if (error instanceof ConfigError) {
    for (const problem of error.problems) say(problem);
    return 2;
  }
  const expected = [EmbeddedProblem, MigrationProblem, StoreUnavailable].some(
    (kind) => error instanceof kind,
  );
  if (expected) say(cause === undefined ? message : `${message} (${cause.message})`);
  else if (code === "EADDRINUSE") say(`--port: the port is in use by another program (${message})`);
  else if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    say(`--host: not an address of this machine (${message})`);
  else if (code === "EACCES") say(`--port: not allowed to listen there (${message})`);
  else say(stack ?? message);
  return 1;
}

process.exitCode = await main(process.argv.slice(2));
