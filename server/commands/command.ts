/** What the command line knows of a command, and how commands read their flags. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { type Config, ConfigError, configSources } from "../config.ts";
import { createLog, type Logger } from "../observability/log.ts";

/** Flags as parseArgs takes them. */
export type FlagOptions = NonNullable<ParseArgsConfig["options"]>;

export interface Command {
  /** The help, with examples. */
  readonly usage: string;
  /**
   * Runs the command to its end. Returns the exit code: 0 done, 1 failed.
   * @throws ConfigError for bad usage or configuration (exit code 2).
   */
  run(args: string[]): Promise<number>;
}

export const helpOption = { help: { type: "boolean", short: "h" } } as const satisfies FlagOptions;

/** The flags by which every command finds configuration and database. */
export const databaseOptions = {
  config: { type: "string" },
  "database-url": { type: "string" },
  "data-dir": { type: "string" },
  "log-level": { type: "string" },
} as const satisfies FlagOptions;

export const databaseUsage = `  --config FILE         configuration file (AETHERFLOW_CONFIG)
  --database-url URL    the database (DATABASE_URL); default: the embedded one
  --data-dir FOLDER     where the embedded one lives (AETHERFLOW_DATA_DIR)
`;

/** Every flag of `serve` that sets a configuration key, as options of parseArgs. */
export function configOptions(): FlagOptions {
  const options: FlagOptions = { config: { type: "string" } };
  for (const { flag, sets, repeatable } of configSources()) {
    if (flag === undefined) continue;
    options[flag] = { type: sets === undefined ? "string" : "boolean", multiple: repeatable };
  }
  return options;
}

/** Parses flags and positionals. Throws `ConfigError` naming what is unknown or lacks its value. */
export function readArguments<const T extends FlagOptions>(
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>> {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")) {
      throw new ConfigError([error.message], { cause: error });
    }
    throw error;
  }
}

/** Refuses arguments that are no flags. */
export function refusePositionals(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new ConfigError([`unexpected argument: ${positionals.join(" ")}`]);
}

/** The log of a command whose result is what it prints: from `least` on, unless a level is asked for. */
export function commandLog({ log: { level } }: Config, least: "warn" | "error" = "warn"): Logger {
  return createLog({ level: level === "info" ? least : level });
}
