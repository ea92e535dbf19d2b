/** `aetherflow migrate`: the database schema, by hand. `serve` runs `up` by itself. */
import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { type Config, ConfigError } from "../config.ts";
import { type MigrateDirection, type MigrateResult, migrate } from "../database/migrate.ts";
import {
  type Command,
  commandConfig,
  commandLog,
  databaseOptions,
  readArguments,
  type Surroundings,
} from "./command.ts";
import { counted } from "./count.ts";
import { whileOpen } from "./database.ts";
import { liveServers } from "./live-servers.ts";

const directions: readonly string[] = ["up", "down", "reset", "status"] satisfies MigrateDirection[];

const options = {
  ...databaseOptions,
  yes: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** What the command needs of the process, so that tests can stand in for it. */
export interface MigrateSurroundings extends Surroundings {
  readonly out: (text: string) => void;
  /** Asks on the terminal; undefined when there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

const ask = (question: string) => askOn(question, process.stdin, process.stdout);

/** The command as the command line's main lists it. */
export const migrateCommand: Command = {
  run: (args: string[]): Promise<number> =>
    runMigrate(args, {
      env: process.env,
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      ask: process.stdin.isTTY && process.stdout.isTTY ? ask : undefined,
    }),
};

/**
 * Runs the command. Returns the exit code: 0 done, 1 declined.
 * @throws ConfigError for bad usage or configuration.
 */
export async function runMigrate(args: string[], surroundings: MigrateSurroundings): Promise<number> {
  const { out, err, ask } = surroundings;
  const { values: flags, positionals } = readArguments("migrate", args, options);
  const direction = readDirection(positionals);
  const config = commandConfig("migrate", flags, surroundings);
  if (config.store.type === "memory") {
    throw new ConfigError(["store.type: the memory store has no schema to migrate"]);
  }
  if (direction === "reset" && flags.yes !== true) {
    if (ask === undefined) {
      throw new ConfigError([
        "--yes: reset deletes all documents; say it where there is no terminal to ask on",
      ]);
    }
    const answer = await ask("This deletes all documents in the database. Type yes to go on: ");
    if (answer.trim().toLowerCase() !== "yes") {
      err("nothing was changed\n");
      return 1;
    }
  }
  const result = await migrateConfigured(config, direction, err);
  out(flags.json === true ? `${JSON.stringify(result, null, 2)}\n` : describe(direction, result));
  return 0;
}

async function migrateConfigured(
  config: Config,
  direction: MigrateDirection,
  err: Surroundings["err"],
): Promise<MigrateResult> {
  // The result is told on standard output; a line of log for each step would say it twice.
  const log = commandLog(config);
  return whileOpen(config, log, async (database) => {
    if (direction === "down" || direction === "reset") {
      const servers = await liveServers(database.url(), config.presence.leaseMs);
      if (servers > 0)
        err(
          `aetherflow migrate: ${counted(servers, "server")} ${servers === 1 ? "uses" : "use"} this database, ` +
            `and will fail without what ${direction} deletes; stop servers first\n`,
        );
    }
    return await migrate(database.url(), direction, { log });
  });
}

function describe(direction: MigrateDirection, result: MigrateResult): string {
  if (direction === "status") {
    if (result.migrations.length === 0) return "no migrations\n";
    const width = Math.max(...result.migrations.map(({ name }) => name.length));
    return result.migrations
      .map(({ name, state, appliedAt }) =>
        `${name.padEnd(width)}  ${state.padEnd(7)}  ${appliedAt ?? ""}`.trimEnd(),
      )
      .map((line) => `${line}\n`)
      .join("");
  }
  const lines = [
    ...result.reverted.map((name) => `reverted ${name}`),
    ...result.applied.map((name) => `applied ${name}`),
  ];
  if (lines.length === 0) return direction === "down" ? "nothing to take back\n" : "up to date\n";
  return `${lines.join("\n")}\n`;
}

function readDirection(positionals: readonly string[]): MigrateDirection {
  const [direction, ...rest] = positionals;
  if (direction === undefined || rest.length > 0 || !isDirection(direction)) {
    throw new ConfigError([`expected one of ${directions.join(", ")}; see npx aetherflow migrate --help`]);
  }
  return direction;
}

function isDirection(word: string): word is MigrateDirection {
  return directions.includes(word);
}

/** Asks; the end of the input, and Ctrl-C, are an empty answer. Exported for its test. */
export async function askOn(question: string, input: Readable, output: Writable): Promise<string> {
  const terminal = createInterface({ input, output, terminal: true });
  const ended = new Promise<undefined>((resolve) => terminal.once("close", () => resolve(undefined)));
  const answer = await Promise.race([terminal.question(question).catch(() => undefined), ended]);
  terminal.close();
  if (answer === undefined) output.write("\n");
  return answer ?? "";
}
