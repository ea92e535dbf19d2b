/** Where configuration comes from: file, environment, flags, in rising precedence. */
import { readFileSync } from "node:fs";
import { type Document, isPair, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { bindings, environmentName } from "./names.ts";
import { configKeys } from "./schema.ts";

/** Values of command line flags by their long name, as `node:util` parseArgs gives them. */
export type Flags = { readonly [name: string]: string | boolean | (string | boolean)[] | undefined };
export type Environment = { readonly [name: string]: string | undefined };

/** Wrong configuration: every line of `problems` names the key, flag or variable. The process exits with 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
    this.problems = problems;
  }
}

/** A key with the names that it has elsewhere. */
export interface ConfigSource {
  readonly key: string;
  readonly env: string;
  /** `AETHERFLOW_SECTION_KEY` where `env` is another name, which wins. */
  readonly alias: string | undefined;
  readonly flag: string | undefined;
  /** What the flag sets when it takes no value. */
  readonly sets: boolean | undefined;
  readonly repeatable: boolean;
  readonly argument: string | undefined;
}

/** Kubernetes and Docker set `NAME_PORT=tcp://…` and more for each service, and one may be called aetherflow. */
export function isServiceLink(name: string, value: string): boolean {
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP)/.test(name) || /^(tcp|udp):\/\//.test(value);
}

/** Every key with its environment variable and flag. */
export function configSources(): ConfigSource[] {
  return configKeys().map(({ key }) => {
    const binding = bindings.find((candidate) => candidate.key === key);
    const derived = environmentName(key);
    const env = binding?.env ?? derived;
    return {
      key,
      env,
      alias: env === derived ? undefined : derived,
      flag: binding?.flag,
      sets: binding?.sets,
      repeatable: binding?.repeatable === true,
      argument: binding?.argument,
    };
  });
}

/** What was configured, before defaults, and where each key came from. */
export interface Layers {
  readonly values: Record<string, unknown>;
  /** Dotted key → what to call its source in a message. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Keys of which a source sets one and thereby replaces what lower sources said about the others. */
const keySources = ["auth.jwtSecret", "auth.jwtSecretFile", "auth.jwksUrl"];

/** Reads all sources. Throws `ConfigError` for a file that cannot be read or is no YAML mapping. */
export function readSources(flags: Flags, env: Environment): Layers {
  const values: Record<string, unknown> = {};
  const origins = new Map<string, string>();
  const fileFlag = flags.config;
  const file = typeof fileFlag === "string" ? fileFlag : env.AETHERFLOW_CONFIG || undefined;
  if (file !== undefined) {
    const named = typeof fileFlag === "string" ? "--config" : "AETHERFLOW_CONFIG";
    Object.assign(values, readFile(file, named));
    for (const key of keysIn(values, [])) origins.set(key, `${file}: ${key}`);
  }
  const sources = configSources();
  const layer = (entries: readonly { key: string; value: unknown; origin: string }[]) => {
    if (entries.some((entry) => keySources.includes(entry.key))) {
      for (const key of keySources) {
        assign(values, key, undefined);
        origins.delete(key);
      }
    }
    for (const { key, value, origin } of entries) {
      assign(values, key, value);
      origins.set(key, origin);
    }
  };
  layer(
    sources.flatMap(({ key, env: name, alias }) => {
      // An empty variable is how shells and compose files say "not set".
      if (env[name]) return [{ key, value: env[name], origin: name }];
      const value = alias === undefined ? undefined : env[alias];
      if (alias === undefined || !value || isServiceLink(alias, value)) return [];
      return [{ key, value, origin: alias }];
    }),
  );
  layer(
    sources.flatMap(({ key, flag, sets }) => {
      const value = flag === undefined ? undefined : flags[flag];
      if (value === undefined || value === false) return [];
      // One that is given several times is a list like one with commas.
      const given = Array.isArray(value) ? value.join(",") : value;
      return [{ key, value: sets ?? given, origin: `--${flag}` }];
    }),
  );
  return { values, origins };
}

function readFile(file: string, named: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigError(
      [`${named}: cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`],
      { cause },
    );
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${file}: ${error.message.split("\n")[0]?.replace(/:$/, "")}`),
    );
  }
  const misread = [...unknownTags(document), ...unknownAliases(document, lines)];
  if (misread.length > 0) throw new ConfigError(misread.map((problem) => `${file}: ${problem}`));
  const content = contentOf(document);
  if (content === undefined)
    throw new ConfigError([`${file}: too many aliases (*), or one within what it stands for; write it out`]);
  if (!isMapping(content))
    throw new ConfigError([`${file}: expected sections such as "server:", not a list or a single value`]);
  return content;
}

/** A password such as `!x` that stands there without quotes is read as a tag. */
function unknownTags(document: Document): string[] {
  return document.warnings
    .filter(({ code }) => code === "TAG_RESOLVE_FAILED")
    .map(
      ({ linePos }) => `line ${linePos?.[0].line}: an unknown tag; a value that begins with ! needs quotes`,
    );
}

/** One such as `*x` is read as an alias. The library's own message repeats it. */
function unknownAliases(document: Document, lines: LineCounter): string[] {
  const problems: string[] = [];
  visit(document, {
    Alias(_key, node, path) {
      if (node.resolve(document) !== undefined) return;
      const keys = path.filter(isPair).flatMap(({ key }) => (isScalar(key) ? [String(key.value)] : []));
      const { line } = lines.linePos(node.range?.[0] ?? 0);
      const place = `line ${line}${keys.length === 0 ? "" : `: ${keys.join(".")}`}`;
      problems.push(`${place}: an alias of nothing; a value that begins with * needs quotes`);
    },
  });
  return problems;
}

/** Undefined for aliases that multiply, or never end. */
function contentOf(document: Document): unknown {
  try {
    const content: unknown = document.toJS({ maxAliasCount: 10 }) ?? {};
    JSON.stringify(content);
    return content;
  } catch {
    return undefined;
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The dotted keys of sections and values alike: where a value is expected, a section may stand. */
function keysIn(value: unknown, path: readonly string[]): string[] {
  const below = isMapping(value)
    ? Object.entries(value).flatMap(([name, part]) => keysIn(part, [...path, name]))
    : [];
  return path.length === 0 ? below : [path.join("."), ...below];
}

/** Sets a dotted key, making sections on the way; undefined removes it. A section that the file has as no mapping stays, to be complained about. */
export function assign(values: Record<string, unknown>, key: string, value: unknown): void {
  const path = key.split(".");
  const last = path.pop();
  let section = values;
  for (const name of path) {
    const inner = section[name] ?? {};
    if (!isMapping(inner)) return;
    section[name] = inner;
    section = inner;
  }
  if (last === undefined) return;
  if (value === undefined) delete section[last];
  else section[last] = value;
}
