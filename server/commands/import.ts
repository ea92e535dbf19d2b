/** `aetherflow import`: takes in what `aetherflow export` wrote, whole or not at all. */
import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { isUuid } from "../../shared/document/identifier.ts";
import { ConfigError } from "../config.ts";
import { ImportProblem, importDocument } from "../store/postgres/import.ts";
import { StoreRefused } from "../store/store.ts";
import { type Command, commandConfig, commandLog, databaseOptions, readArguments } from "./command.ts";
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
  const say = (problem: string) => process.stderr.write(`aetherflow import: ${problem}\n`);
  if (file !== "-") {
    const unreadable = await access(file).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code ?? "unreadable",
    );
    if (unreadable !== undefined) {
      say(`${file}: ${unreadable === "ENOENT" ? "no such file" : unreadable}`);
      return 1;
    }
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
    const { docId, version, operations } = imported;
    process.stdout.write(
      values.json === true
        ? `${JSON.stringify(imported)}\n`
        : `${docId}  version ${version}, ${operations} operation(s)\n`,
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

/** SQLSTATE classes 22 and 23: a value of the file is at fault. */
function isRefusedValue(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^2[23]/.test(String(error.code));
}
