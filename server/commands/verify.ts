/** `aetherflow verify`: checks that stored data is what it must be. Changes nothing. */
import { isUuid } from "../../shared/document/identifier.ts";
import { ConfigError } from "../config.ts";
import type { DatabasePool } from "../database/pool.ts";
import { createPostgresStore } from "../store/postgres/store.ts";
import { type Finding, verifyAll, verifyDocument } from "../store/verify.ts";
import {
  type Command,
  commandConfig,
  commandLog,
  databaseOptions,
  readArguments,
  refusePositionals,
} from "./command.ts";
import { counted } from "./count.ts";
import { withDatabase } from "./database.ts";

export const verifyCommand: Command = { run };

async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArguments("verify", args, {
    ...databaseOptions,
    document: { type: "string" },
    json: { type: "boolean" },
  });
  refusePositionals(positionals);
  const { document, json = false } = values;
  if (document !== undefined && !isUuid(document))
    throw new ConfigError(["--document: expected a UUID in lower case"]);
  const loaded = commandConfig("verify", values);
  if (loaded.store.type === "memory")
    throw new ConfigError(["store.type: the memory store keeps nothing to verify"]);
  const log = commandLog(loaded);
  return withDatabase(loaded, log, async (pool) => {
    const { checked, findings } =
      document === undefined ? await checkAll(pool, json) : await checkOne(pool, document);
    if (json) {
      process.stdout.write(
        `${JSON.stringify({ ok: findings.length === 0, documents: checked, findings }, null, 2)}\n`,
      );
    } else {
      for (const finding of findings) process.stdout.write(`${line(finding)}\n`);
      const result = findings.length === 0 ? "all well" : counted(findings.length, "finding");
      process.stdout.write(`${counted(checked, "document")} checked: ${result}\n`);
    }
    return findings.length === 0 ? 0 : 1;
  });
}

/** A document that was asked for and is not there is told among the findings, though nothing stored is wrong. */
type Told = Finding | (Omit<Finding, "problem"> & { readonly problem: "absent" });

interface Checked {
  readonly checked: number;
  readonly findings: readonly Told[];
}

async function checkOne(pool: DatabasePool, docId: string): Promise<Checked> {
  if ((await createPostgresStore({ pool }).documents.get(docId)) === undefined) {
    return { checked: 0, findings: [{ docId, problem: "absent", message: "there is no such document" }] };
  }
  return { checked: 1, findings: await verifyDocument(pool, docId) };
}

async function checkAll(pool: DatabasePool, json: boolean): Promise<Checked> {
  const shows = process.stderr.isTTY && !json;
  const findings: Finding[] = [];
  let checked = 0;
  for await (const finding of verifyAll(pool, (count) => {
    checked = count + 1;
    if (shows && count % 100 === 0) process.stderr.write(`\r${count} documents`);
  })) {
    findings.push(finding);
  }
  if (shows) process.stderr.write("\r\u001b[K");
  return { checked, findings };
}

function line({ docId, problem, message }: Told): string {
  return `${problem.padEnd(8)}  ${docId ?? "-"}  ${message}`;
}
