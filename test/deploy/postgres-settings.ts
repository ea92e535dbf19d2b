import { readFileSync } from "node:fs";

/** The settings of a postgresql.conf, without quotes; by default the project's. Throws at a line that is none. */
export function postgresSettings(
  text = readFileSync(new URL("../../deploy/postgresql.conf", import.meta.url), "utf8"),
): ReadonlyMap<string, string> {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line): [string, string] => {
      const [, name, value] = /^(\w+) = (.+)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new Error(`no setting: ${line}`);
      return [name, value.replace(/^'(.*)'$/, "$1")];
    }),
  );
}
