/** `aetherflow migrate`: the database schema, by hand. `serve` runs `up` by itself. */
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { type Config, ConfigError, databaseUrl, loadConfig } from "../config.ts";
import { acquireEmbedded } from "../database/embedded/acquire.ts";
import { EmbeddedProblem } from "../database/embedded/problem.ts";
import { type MigrateDirection, type MigrateResult, migrate } from "../database/migrate.ts";
import { MigrationProblem } from "../database/migration-files.ts";
import { createLog } from "../observability/log.ts";
import { StoreUnavailable } from "../store/store.ts";

const directions: readonly string[] = ["up", "down", "reset", "status"] satisfies MigrateDirection[];

const usage = `aetherflow migrate up | down | reset | status

  up       applies what is pending; safe from several processes at once
  down     takes the newest migration back, and with it the data that it brought
  reset    drops everything and rebuilds it, empty; asks first
  status   what is applied and what is pending

  --yes                 reset without asking
  --json                machine-readable output
  --config FILE         configuration file (AETHERFLOW_CONFIG)
  --database-url URL    the database (DATABASE_URL); default: the embedded one
  --data-dir DIR        where the embedded one lives (AETHERFLOW_DATA_DIR)

Examples
  aetherflow migrate status
  aetherflow migrate up --database-url postgres://user@host/db
  aetherflow migrate reset --yes
`;

/** What the command needs of the process, so that tests can stand in for it. */
export interface MigrateSurroundings {
  readonly env: { readonly [name: string]: string | undefined };
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Asks on the terminal; undefined when there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

/** The command as the command line's main lists it. */
export const migrateCommand = {
  name: "migrate",
  summary: "database schema: up, down, reset, status",
  usage,
  run: (args: string[]): Promise<number> =>
    runMigrate(args, {
      env: process.env,
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      ask: process.stdin.isTTY && process.stdout.isTTY ? askOnTerminal : undefined,
    }),
};

/** Runs the command. Returns the exit code: 0 done, 1 failed or declined, 2 bad usage or configuration. */
export async function runMigrate(args: string[], surroundings: MigrateSurroundings): Promise<number> {
  const { out, err, ask } = surroundings;
  let flags: ReturnType<typeof parse>["values"];
  let config: Config;
  let direction: MigrateDirection;
  try {
    const parsed = parse(args);
    flags = parsed.values;
    if (flags.help === true) {
      out(usage);
      return 0;
    }
    direction = readDirection(parsed.positionals);
    config = loadConfig({ flags, env: surroundings.env });
    if (config.store.type === "memory") {
      throw new ConfigError(["store.type: the memory store has no schema to migrate"]);
    }
  } catch (error) {
    if (!(error instanceof ConfigError || isParseArgsError(error))) throw error;
    err(`aetherflow migrate: ${error.message}\n`);
    return 2;
  }

  if (direction === "reset" && flags.yes !== true) {
    if (ask === undefined) {
      err(
        "aetherflow migrate: reset deletes all documents; say --yes to do it without a terminal to ask on\n",
      );
      return 2;
    }
    const answer = await ask("This deletes all documents in the database. Type yes to go on: ");
    if (answer.trim().toLowerCase() !== "yes") {
      err("nothing was changed\n");
      return 1;
    }
  }

  try {
    const result = await migrateConfigured(config, direction);
    out(flags.json === true ? `${JSON.stringify(result, null, 2)}\n` : describe(direction, result));
    return 0;
  } catch (error) {
    const expected = [MigrationProblem, EmbeddedProblem, StoreUnavailable];
    if (!expected.some((kind) => error instanceof kind) || !(error instanceof Error)) throw error;
    const cause =
      error instanceof StoreUnavailable && error.cause instanceof Error ? error.cause.message : "";
    err(`aetherflow migrate: ${error.message}${cause === "" ? "" : ` (${cause})`}\n`);
    return 1;
  }
}

async function migrateConfigured(config: Config, direction: MigrateDirection): Promise<MigrateResult> {
  const log = createLog({ level: config.log.level === "info" ? "warn" : config.log.level });
  const url = databaseUrl(config.store.postgres);
  if (url !== undefined) return await migrate(url, direction, { log });
  const embedded = await acquireEmbedded({ dataDir: config.store.dataDir, log });
  try {
    return await migrate(embedded.url, direction, { log });
  } finally {
    await embedded.close();
  }
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

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      yes: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
      config: { type: "string" },
      "database-url": { type: "string" },
      "data-dir": { type: "string" },
      "log-level": { type: "string" },
    },
  });
}

function readDirection(positionals: readonly string[]): MigrateDirection {
  const [direction, ...rest] = positionals;
  if (direction === undefined || rest.length > 0 || !isDirection(direction)) {
    throw new ConfigError([`expected one of ${directions.join(", ")}; see aetherflow migrate --help`]);
  }
  return direction;
}

function isDirection(word: string): word is MigrateDirection {
  return directions.includes(word);
}

function isParseArgsError(error: unknown): error is Error {
  return error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
}

async function askOnTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}
