/** `aetherflow doctor`: says what of machine, configuration and database stands in the way, and what to change. */
import { type Config, configWarnings, type Flags, loadConfig } from "../config.ts";
import { AccessProblem } from "../database/access-problem.ts";
import { pendingMigrations } from "../database/migrate.ts";
import { createPool } from "../database/pool.ts";
import { type Logger, withCause } from "../observability/log.ts";
import { type Command, commandLog, configOptions, readArguments, refusePositionals } from "./command.ts";
import { whileOpen } from "./database.ts";
import { checkDatabase, checkNotifications, type Finding, failure, ok, warning } from "./database-check.ts";
import { openFilesLimit } from "./open-files.ts";

export const doctorCommand: Command = { run };

const notifyWithinMs = 3_000;
/** Files, listeners and the pool, beside sockets. */
const filesBesideSockets = 200;

async function run(args: string[]): Promise<number> {
  const parsed = readArguments("doctor", args, {
    ...configOptions(),
    json: { type: "boolean" },
  });
  const values: Flags = parsed.values;
  refusePositionals(parsed.positionals);
  const config = loadConfig({ flags: values, env: process.env });
  const log = commandLog(config, "error");
  const findings = [...machine(config), ...(await database(config, log))];
  const failed = findings.some(({ level }) => level === "failure");
  if (values.json === true) process.stdout.write(`${JSON.stringify({ ok: !failed, findings }, null, 2)}\n`);
  else for (const finding of findings) process.stdout.write(`${line(finding, process.stdout.isTTY)}\n`);
  return failed ? 1 : 0;
}

function machine(config: Config): Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const files = openFilesLimit();
  const sockets = config.limits.socketsPerAddress + filesBesideSockets;
  return [
    major > 20 || (major === 20 && minor >= 19)
      ? ok("node", process.version)
      : failure("node", `${process.version} is too old: 20.19 or newer is needed`),
    ok("configuration", "valid"),
    config.auth.mode === "dev"
      ? warning("auth", "development mode: anybody who reaches the server gets a token")
      : ok("auth", config.auth.key.kind === "jwks" ? "tokens of a JWKS" : "tokens of a shared secret"),
    ...configWarnings(config, process.env).map(({ name, message }) => warning(name, message)),
    files !== undefined && files < sockets
      ? warning("open files", `at most ${files}; raise it (ulimit -n) for more connections`)
      : ok("open files", files === undefined ? "no limit known" : `at most ${files}`),
  ];
}

async function database(config: Config, log: Logger): Promise<Finding[]> {
  if (config.store.type === "memory") {
    return [warning("store", "memory: everything is lost when the process ends")];
  }
  try {
    return await whileOpen(config, log, async (opened) => {
      const pool = createPool({ url: opened.url(), max: 2, log });
      try {
        const settings = await checkDatabase(pool, config, Date.now);
        const pending = await pendingMigrations(pool);
        return [
          ok("database", opened.description),
          ...settings,
          pending.length === 0
            ? ok("schema", "up to date")
            : warning("schema", `pending: ${pending.join(", ")}; run npx aetherflow migrate up (serve does)`),
          await checkNotifications(opened.url(), notifyWithinMs),
        ];
      } finally {
        await pool.end();
      }
    });
  } catch (error) {
    const told = error instanceof AccessProblem ? error.message : `does not work: ${withCause(error)}`;
    return [failure("database", told)];
  }
}

const colours = { ok: "\u001b[32m", warning: "\u001b[33m", failure: "\u001b[31m" } as const;

function line({ level, name, message }: Finding, coloured: boolean): string {
  const word = level.padEnd(7);
  return `${coloured ? `${colours[level]}${word}\u001b[0m` : word}  ${name.padEnd(18)}  ${message}`;
}
