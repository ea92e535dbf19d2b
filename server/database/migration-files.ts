/** The migrations that come with this package: migrations/NNNN_name.sql and .down.sql, in the journal's order. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** The migrations cannot be used as they are: a file is missing, changed or does not fit the database. */
export class MigrationProblem extends Error {
  override readonly name = "MigrationProblem";
}

/** One step, up and down. */
export interface Migration {
  /** File name without ending, such as `0000_tables`. */
  readonly name: string;
  /** SHA-256 of the file, in hex. */
  readonly hash: string;
  readonly up: readonly string[];
  /** Undefined when there is no way back. */
  readonly down: readonly string[] | undefined;
}

const journalSchema = z.object({ entries: z.array(z.object({ idx: z.number().int(), tag: z.string() })) });

/** The folder in the package, from the sources as well as from dist/. */
export function findMigrationsDir(from: string = import.meta.url): string {
  for (let dir = path.dirname(fileURLToPath(from)); ; dir = path.dirname(dir)) {
    const folder = path.join(dir, "migrations");
    if (existsSync(path.join(dir, "package.json")) && existsSync(folder)) return folder;
    if (dir === path.dirname(dir)) throw new MigrationProblem("the package's migrations folder is missing");
  }
}

/**
 * Reads all migrations, oldest first. drizzle-kit's journal decides the order; a folder without one is read in the
 * order of the names.
 * @throws MigrationProblem when journal and files differ, or two migrations share a number.
 */
export async function readMigrations(dir: string = findMigrationsDir()): Promise<Migration[]> {
  const files = (await readdir(dir)).filter((name) => /^\d{4}_.+\.sql$/.test(name));
  const names = files
    .filter((name) => !name.endsWith(".down.sql"))
    .map((name) => name.slice(0, -".sql".length));
  const ordered = (await readJournal(dir)) ?? names.toSorted();

  const missing = ordered.find((name) => !names.includes(name));
  if (missing !== undefined)
    throw new MigrationProblem(`migrations/${missing}.sql is in the journal but not there`);
  const extra = names.find((name) => !ordered.includes(name));
  if (extra !== undefined)
    throw new MigrationProblem(`migrations/${extra}.sql is not in migrations/meta/_journal.json`);
  const numbers = ordered.map((name) => name.slice(0, 4));
  const twice = numbers.find((number, index) => numbers.indexOf(number) !== index);
  if (twice !== undefined) throw new MigrationProblem(`two migrations have the number ${twice}`);

  return await Promise.all(
    ordered.map(async (name) => {
      const text = normalise(await readFile(path.join(dir, `${name}.sql`), "utf8"));
      const down = files.includes(`${name}.down.sql`)
        ? statements(normalise(await readFile(path.join(dir, `${name}.down.sql`), "utf8")))
        : undefined;
      return { name, hash: createHash("sha256").update(text).digest("hex"), up: statements(text), down };
    }),
  );
}

async function readJournal(dir: string): Promise<string[] | undefined> {
  const file = path.join(dir, "meta", "_journal.json");
  if (!existsSync(file)) return undefined;
  const journal = journalSchema.parse(JSON.parse(await readFile(file, "utf8")));
  return journal.entries.toSorted((a, b) => a.idx - b.idx).map((entry) => entry.tag);
}

/** A checkout on another system may have changed line ends, which are not a change of the migration. */
function normalise(text: string): string {
  return text.replaceAll("\r\n", "\n");
}

function statements(text: string): string[] {
  return text
    .split(/^--> statement-breakpoint$|--> statement-breakpoint/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
