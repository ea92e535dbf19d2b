/** `aetherflow import`: takes in what `aetherflow export` wrote, whole or not at all. */
import { constants, createReadStream } from "node:fs";
import { access, stat } from "node:fs/promises";
import { isUuid } from "../../shared/document/identifier.ts";
import { ConfigError } from "../config.ts";
import { ImportProblem, importDocument } from "../store/postgres/import.ts";
import { StoreRefused } from "../store/store.ts";
import { type Command, commandConfig, commandLog, databaseOptions, readArguments } from "./command.ts";
import { counted } from "./count.ts";
import { withDatabase } from "./database.ts";
import { jsonItems } from "./json-items.ts";

export const importCommand: Command = { run };

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("import", args, {
    ...databaseOptions,
    as: { type: "string" },
    json: { type: "boolean" },
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new ConfigError(["expected one FILE"]);
  const { as } = values;
  if (as !== undefined && !isUuid(as)) throw new ConfigError(["--as: expected a UUID in lower case"]);
  const config = commandConfig("import", values);
  if (config.store.type === "memory")
    throw new ConfigError(["store.type: the memory store keeps nothing that is imported"]);
  const shownFile = file === "-" ? "standard input" : file;
  const say = (problem: string) => {
    for (const line of problem.split("\n"))
      process.stderr.write(`aetherflow import: ${shownFile}: ${line}\n`);
  };
  const unreadable = file === "-" ? undefined : await unreadableBecause(file);
  if (unreadable !== undefined) {
    say(unreadable);
    return 1;
  }
  const log = commandLog(config);
  const shows = process.stderr.isTTY;
  try {
    const imported = await withDatabase(
      config,
      log,
      (pool) =>
        importDocument(pool, {
          items: jsonItems(file === "-" ? process.stdin.setEncoding("utf8") : createReadStream(file, "utf8")),
          ...(as === undefined ? {} : { as }),
          onRows: (operations) => {
            if (shows) process.stderr.write(`\r${operations} operations`);
          },
        }),
      { create: true },
    );
    if (shows) process.stderr.write("\r\u001b[K");
    const { docId, version, operations, archivedOperations } = imported;
    const all =
      archivedOperations === 0
        ? counted(operations, "operation")
        : `${operations} live, ${counted(archivedOperations, "archived operation")}`;
    process.stdout.write(
      values.json === true ? `${JSON.stringify(imported)}\n` : `${docId}  version ${version}: ${all}\n`,
    );
    return 0;
  } catch (error) {
    if (shows) process.stderr.write("\r\u001b[K");
    const isOfTheFile =
      error instanceof ImportProblem || error instanceof SyntaxError || error instanceof StoreRefused;
    if (!isOfTheFile && !isRefusedValue(error)) throw error;
    say((error as Error).message);
    return 1;
  }
}

async function unreadableBecause(file: string): Promise<string | undefined> {
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isDirectory() ? "is a folder, not a file" : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "no such file" : (code ?? "cannot be read");
  }
}

/** SQLSTATE classes 22 and 23: a value of the file is at fault. */
function isRefusedValue(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^2[23]/.test(String(error.code));
}
