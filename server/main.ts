#!/usr/bin/env -S node --max-semi-space-size=64 --no-allocation-site-pretenuring --heap-growing-percent=100
/** The command line. Exit codes: 0 done, 1 failed, 2 bad usage or configuration. */
import { setImmediate as writesTold } from "node:timers/promises";
import type { Command } from "./commands/command.ts";
import { packageVersion } from "./commands/package-root.ts";
import { usages } from "./commands/usage.ts";
import { nearest } from "./config/nearest.ts";

/** Loaded when it is asked for: a token should not wait for the server's parts, and help for nothing. */
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
const usage = `npx aetherflow COMMAND [flags]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`)
  .join("")}
npx aetherflow COMMAND --help says more about one. --version prints the version.

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
    process.stderr.write(name === undefined ? usage : noSuchCommand(name));
    return 2;
  }
  // No value begins with a dash unless it is written --flag=-h.
  const end = rest.indexOf("--");
  if (rest.slice(0, end < 0 ? rest.length : end).some((word) => word === "--help" || word === "-h")) {
    process.stdout.write(usages[name] ?? usage);
    return 0;
  }
  try {
    return await (await command.load()).run(rest);
  } catch (error) {
    const { explain } = await import("./commands/explain.ts");
    return explain(name, error);
  }
}

function noSuchCommand(name: string): string {
  const meant = nearest(name, Object.keys(commands));
  const hint = meant === undefined ? "" : `; is ${meant} meant?`;
  return `aetherflow: there is no command ${name}${hint}\n\n${usage}`;
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
