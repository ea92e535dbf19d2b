/** Variables of the environment that look as if they were meant for this server and are not read. */
import { nearest } from "./nearest.ts";
import { configSources, type Environment, isServiceLink } from "./sources.ts";

/** Something that is accepted and yet probably not what was meant. */
export interface ConfigWarning {
  /** The key, flag or variable. */
  readonly name: string;
  readonly message: string;
}

const prefix = "AETHERFLOW_";

/** A warning for each `AETHERFLOW_…` variable that no key has. No error: it may be another program's. */
export function unknownVariables(env: Environment): ConfigWarning[] {
  const sources = configSources();
  const known = ["AETHERFLOW_CONFIG", ...sources.map((source) => source.env)];
  known.push(...sources.flatMap(({ alias }) => (alias === undefined ? [] : [alias])));
  return Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith(prefix) || known.includes(name)) return [];
    if (value === undefined || value === "" || isServiceLink(name, value)) return [];
    const meant = nearestName(name, known);
    const hint = meant === undefined ? "docs/configuration.md lists them" : `is ${meant} meant?`;
    return [{ name, message: `no key has this variable, it is not read; ${hint}` }];
  });
}

/** The known name that differs least, the prefix aside. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const bare = (full: string) => (full.startsWith(prefix) ? full.slice(prefix.length) : full);
  const found = nearest(bare(name), known.map(bare));
  return known.find((full) => found !== undefined && bare(full) === found);
}
