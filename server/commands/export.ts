/** `aetherflow export`: one document with its log, as JSON on standard output. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isUuid } from "../../shared/document/identifier.ts";
import { ConfigError } from "../config.ts";
import { exportDocument } from "../store/postgres/export.ts";
import {
  type Command,
  commandConfig,
  commandLog,
  databaseOptions,
  databaseUsage,
  helpOption,
  readArguments,
} from "./command.ts";
import { withDatabase } from "./database.ts";

const usage = `aetherflow export DOCID [flags] > file.json

Writes one document to standard output: metadata, log (archived parts too), conflicts, named versions and assets, as of
one moment, while servers run. Locks and sessions are left out. aetherflow import reads it.

  --json                accepted for consistency; output is always JSON
${databaseUsage}
Examples
  npx aetherflow export 0197a3c2-7c1e-7a00-8000-000000000001 > board.json
  npx aetherflow export 0197a3c2-7c1e-7a00-8000-000000000001 | gzip > board.json.gz
`;

export const exportCommand: Command = { usage, run };

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("export", args, {
    ...databaseOptions,
    ...helpOption,
    json: { type: "boolean" },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
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
