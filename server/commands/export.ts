/** `aetherflow export`: one document with its log, as JSON on standard output. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isUuid } from "../../shared/document/identifier.ts";
import { ConfigError } from "../config.ts";
import { exportDocument } from "../store/postgres/export.ts";
import { type Command, commandConfig, commandLog, databaseOptions, readArguments } from "./command.ts";
import { withDatabase } from "./database.ts";

export const exportCommand: Command = { run };

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("export", args, {
    ...databaseOptions,
    json: { type: "boolean" },
  });
  const [docId, ...rest] = positionals;
  if (docId === undefined || rest.length > 0) throw new ConfigError(["expected one DOCID"]);
  if (!isUuid(docId)) throw new ConfigError(["DOCID: expected a UUID in lower case"]);
  const config = commandConfig("export", values);
  if (config.store.type === "memory")
    throw new ConfigError(["store.type: the memory store keeps nothing to export"]);
  const log = commandLog(config);
  const shows = process.stderr.isTTY;
  return withDatabase(config, log, async (pool) => {
    const texts = exportDocument(pool, docId, (operations) => {
      if (shows) process.stderr.write(`\r${operations} operations`);
    });
    const first = await texts.next();
    if (first.done) {
      process.stderr.write(`aetherflow export: there is no document ${docId}\n`);
      return 1;
    }
    try {
      await pipeline(Readable.from(joined(first.value, texts)), process.stdout, { end: false });
    } catch (error) {
      // Whoever reads has enough, or has no room: what is there is no whole document.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EPIPE" && code !== "ENOSPC" && code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
      process.stderr.write(`aetherflow export: the output ended before the document did (${code})\n`);
      return 1;
    }
    if (shows) process.stderr.write("\r\u001b[K");
    return 0;
  });
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}
