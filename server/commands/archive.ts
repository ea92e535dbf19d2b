/** `aetherflow archive`: moves old operations and settled conflicts out of the live tables. */
import { ConfigError } from "../config.ts";
import type { DatabasePool } from "../database/pool.ts";
import { createArchive } from "../store/postgres/archive.ts";
import { createPostgresStore } from "../store/postgres/store.ts";
import { type ArchivedDocument, archiveDocument } from "./archive-document.ts";
import {
  type Command,
  commandConfig,
  commandLog,
  databaseOptions,
  readArguments,
  readDuration,
  refusePositionals,
} from "./command.ts";
import { counted } from "./count.ts";
import { withDatabase } from "./database.ts";

export const archiveCommand: Command = { run };

interface Options {
  readonly olderThanMs: number;
  readonly dryRun: boolean;
  readonly json: boolean;
}

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("archive", args, {
    ...databaseOptions,
    "older-than": { type: "string" },
    "dry-run": { type: "boolean" },
    json: { type: "boolean" },
  });
  refusePositionals(positionals);
  const { "older-than": olderThan } = values;
  if (olderThan === undefined) throw new ConfigError(["--older-than: is required, such as 90d"]);
  const olderThanMs = readDuration("--older-than", olderThan, 0, "12h or 90d");
  const config = commandConfig("archive", values);
  if (config.store.type === "memory")
    throw new ConfigError(["store.type: the memory store keeps nothing to archive"]);
  const log = commandLog(config);
  const options = { olderThanMs, dryRun: values["dry-run"] === true, json: values.json === true };
  return withDatabase(config, log, (pool) => archiveAll(pool, options));
}

async function archiveAll(pool: DatabasePool, { olderThanMs, dryRun, json }: Options): Promise<number> {
  const store = createPostgresStore({ pool });
  const archive = createArchive(pool);
  // By the database's clock, which dated the operations.
  const olderThan = new Date(Date.parse((await store.ping()).now) - olderThanMs).toISOString();
  const documents: ArchivedDocument[] = [];
  const problems: { docId: string; problem: string }[] = [];
  const shows = process.stderr.isTTY && !json;
  let looked = 0;
  for await (const candidate of archive.candidates(olderThan)) {
    looked += 1;
    if (shows) process.stderr.write(`\r${looked} documents`);
    const result = await archiveDocument(candidate, { archive, store, olderThan, dryRun });
    if (result === undefined) continue;
    if ("problem" in result) problems.push(result);
    else documents.push(result);
  }
  if (shows) process.stderr.write("\r\u001b[K");
  const sum = (of: "operations" | "conflicts") => documents.reduce((total, each) => total + each[of], 0);
  const totals = { operations: sum("operations"), conflicts: sum("conflicts") };
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ ok: problems.length === 0, olderThan, dryRun, ...totals, documents, problems }, null, 2)}\n`,
    );
  } else {
    for (const { docId, through, operations, conflicts } of documents) {
      process.stdout.write(`${docId}  through version ${through}: ${count(operations, conflicts)}\n`);
    }
    for (const { docId, problem } of problems) process.stdout.write(`${docId}  not archived: ${problem}\n`);
    if (documents.length === 0 && problems.length === 0) {
      process.stdout.write("Nothing to archive.\n");
      return 0;
    }
    const verb = dryRun ? "would be moved" : "moved";
    process.stdout.write(
      `${counted(documents.length, "document")}: ${count(totals.operations, totals.conflicts)} ${verb}\n`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}

const count = (operations: number, conflicts: number) =>
  `${counted(operations, "operation")}, ${counted(conflicts, "conflict")}`;
