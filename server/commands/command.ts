/** What the command line knows of a command, and how commands read their flags. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest } from "../config/nearest.ts";
import {
  type Config,
  ConfigError,
  configSources,
  type Environment,
  type Flags,
  formatDuration,
  loadConfig,
  parseDuration,
  unusedWarnings,
} from "../config.ts";
import { createLog, type Logger } from "../observability/log.ts";

/** Flags as parseArgs takes them. */
export type FlagOptions = NonNullable<ParseArgsConfig["options"]>;

export interface Command {
  /**
   * Runs the command to its end. Returns the exit code: 0 done, 1 failed.
   * @throws ConfigError for bad usage or configuration (exit code 2).
   */
  run(args: string[]): Promise<number>;
}

/** The flags by which every command finds configuration and database. */
export const databaseOptions = {
  config: { type: "string" },
  "database-url": { type: "string" },
  "data-dir": { type: "string" },
  "log-level": { type: "string" },
} as const satisfies FlagOptions;

/** Every flag of `serve` that sets a configuration key, as options of parseArgs. */
export function configOptions(): FlagOptions {
  const options: FlagOptions = { config: { type: "string" } };
  for (const { flag, sets, repeatable } of configSources()) {
    if (flag === undefined) continue;
    options[flag] = { type: sets === undefined ? "string" : "boolean", multiple: repeatable };
  }
  return options;
}

/** Parses a command's flags and positionals. Throws `ConfigError` naming each flag that is unknown, lacks its value or is repeated. */
export function readArguments<const T extends FlagOptions>(
  command: string,
  args: string[],
  options: T,
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>> {
  // The strict parser's own messages speak of positional arguments and take several lines.
  const { tokens } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
  const seen = new Set<string>();
  const problems = tokens.flatMap((token) => {
    if (token.kind !== "option") return [];
    const { index, name, rawName, value, inlineValue } = token;
    if (!Object.hasOwn(options, name)) {
      // As it was written: `-port` is read as four flags.
      const written = args[index]?.split("=")[0] ?? rawName;
      const meant = nearest(written.replace(/^-+/, ""), ["help", ...Object.keys(options)]);
      const hint = meant === undefined ? `see npx aetherflow ${command} --help` : `is --${meant} meant?`;
      return [`${written}: there is no such flag; ${hint}`];
    }
    if (options[name]?.type === "boolean") return value === undefined ? [] : [`${rawName}: takes no value`];
    if (value === undefined) return [`${rawName}: a value is missing`];
    if (seen.has(name) && options[name]?.multiple !== true) return [`${rawName}: is given more than once`];
    seen.add(name);
    if (inlineValue || !/^-./s.test(value)) return [];
    return [`${rawName}: a value is missing; one that begins with a dash is written ${rawName}=${value}`];
  });
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return parseArgs({ args, options, allowPositionals: true });
}

/** A century: beyond it dates end, and what was meant is something else. */
const maxDurationMs = 36_500 * 86_400_000;

/** Milliseconds of a flag's duration. Throws `ConfigError` that names the flag and shows `examples`. */
export function readDuration(flag: string, text: string, minMs: number, examples: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < minMs || ms > maxDurationMs)
    throw new ConfigError([
      `${flag}: expected a duration such as ${examples}, at most ${formatDuration(maxDurationMs)}`,
    ]);
  return ms;
}

/** Where a command's configuration and warnings come from and go to. */
export interface Surroundings {
  readonly env: Environment;
  readonly err: (text: string) => void;
}

const ofProcess: Surroundings = { env: process.env, err: (text) => process.stderr.write(text) };

/** The configuration of a command that does not listen. Tells of flags and variables that do nothing. */
export function commandConfig(command: string, flags: Flags, { env, err }: Surroundings = ofProcess): Config {
  // The address that a server would listen on says nothing about who may work here.
  const config = loadConfig({ flags: { ...flags, host: "127.0.0.1" }, env });
  for (const { name, message } of unusedWarnings(config, env))
    err(`aetherflow ${command}: ${name}: ${message}\n`);
  return config;
}

/** Refuses arguments that are no flags. */
export function refusePositionals(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new ConfigError([`unexpected argument: ${positionals.join(" ")}`]);
}

/** The log of a command whose result is what it prints: from `least` on, unless a level is asked for. */
export function commandLog({ log: { level } }: Config, least: "warn" | "error" = "warn"): Logger {
  return createLog({ level: level === "info" ? least : level });
}
