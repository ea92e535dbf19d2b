/**
 * The help of every command. Apart from the commands, and without the packages that they need, so that help comes at once.
 */
import { bindings, environmentName } from "../config/names.ts";

const databaseUsage = (logLevel: string) => `  --config FILE         configuration file (AETHERFLOW_CONFIG)
  --database-url URL    the database (DATABASE_URL, better where it holds a password); default: the embedded one
  --data-dir FOLDER     where the embedded one lives (AETHERFLOW_DATA_DIR)
  --log-level LEVEL     fatal, error, warn, debug, trace or silent (LOG_LEVEL); default: ${logLevel}
`;

const says: { readonly [flag: string]: string } = {
  host: "address to listen on, default 127.0.0.1",
  port: "port, default 9002; 0 picks a free one",
  instances: "server processes that share the port",
  "no-demo": "no demo client at /",
  "no-migrate": "do not migrate; /readyz fails until the schema is current",
  store: "where documents live; memory is for throw-away runs",
  "data-dir": "folder of the embedded database, default ./.aetherflow",
  "database-url": "PostgreSQL to use instead of the embedded one",
  auth: "dev: anybody can get a token; jwt: verify tokens",
  "jwt-secret-file": "file with the shared secret of HS256 tokens",
  "jwks-url": "public keys of the token issuer",
  "allowed-origin": "origin whose pages may connect; repeatable",
  "log-level": "fatal, error, warn, info, debug, trace or silent",
};

function flagLines(): string {
  const rows = bindings.flatMap(({ key, flag, argument, sets, env = environmentName(key) }) =>
    flag === undefined
      ? []
      : [
          [
            `--${flag}${argument === undefined ? "" : ` ${argument}`}`,
            says[flag] ?? "",
            // `--no-demo` says the opposite of its variable.
            sets === undefined ? env : `${env}=${sets}`,
          ] as const,
        ],
  );
  const all = [["--config FILE", "configuration file", "AETHERFLOW_CONFIG"] as const, ...rows];
  const width = Math.max(...all.map(([name]) => name.length));
  return all.map(([name, text, env]) => `  ${name.padEnd(width)}  ${text} (${env})\n`).join("");
}

/** Texts by command. */
export const usages: { readonly [command: string]: string } = {
  serve: `npx aetherflow serve [flags]

Runs the server with the demo client at /. Prints "listening on http://HOST:PORT" when it is ready.
Without a database it starts an embedded PostgreSQL. SIGTERM, SIGINT or SIGHUP: finishes what is in flight and ends.

${flagLines()}
Every key has a variable, most have no flag: docs/configuration.md. Others see a command line; secrets belong in these:
  AETHERFLOW_JWT_SECRET    shared secret of HS256 tokens; with it, or --jwks-url, nobody gets a token by asking
  DATABASE_URL             the database, with its password

Examples
  npx aetherflow serve
  npx aetherflow serve --port 8080 --database-url postgres://user@host/db
  AETHERFLOW_JWT_SECRET=… npx aetherflow serve --host 0.0.0.0
  npx aetherflow serve --host 0.0.0.0 --jwks-url https://login.example.com/.well-known/jwks.json --instances 3
`,
  migrate: `npx aetherflow migrate up | down | reset | status

  up       applies what is pending; safe from several processes at once
  down     reverts the newest migration and deletes its data
  reset    drops everything and rebuilds it, empty; asks first
  status   what is applied and what is pending

  --yes                 reset without asking
  --json                machine-readable output
${databaseUsage("warn")}
Examples
  npx aetherflow migrate status
  npx aetherflow migrate up --database-url postgres://user@host/db
  npx aetherflow migrate reset --yes
`,
  token: `npx aetherflow token --user ID [flags]

Prints a token signed with the configured secret; without one, in development mode, with that kept in the database.

  --user ID             whose token it is
  --name NAME           the name that others see
  --doc DOCID:ROLE      grants a role (owner, editor, viewer) on a document; repeatable
  --ttl TIME            how long it is valid, such as 30m, 1h or 7d; default 1h
  --json                the token and its end as JSON
  --auth dev|jwt        jwt: only with a configured secret (AETHERFLOW_AUTH); default: dev where none is configured
  --jwt-secret-file FILE  the secret (AETHERFLOW_JWT_SECRET for the value itself)
${databaseUsage("warn")}
Examples
  npx aetherflow token --user ada --name "Ada L."
  npx aetherflow token --user robot --doc 0197a3c2-7c1e-7a00-8000-000000000001:editor --ttl 30d
`,
  verify: `npx aetherflow verify [--document ID] [flags]

Checks stored data: versions without a gap, the replay of the log equal to the snapshots, no orphaned rows.
Exit code 1 and a list when something is wrong.

  --document ID         only this document
  --json                findings as JSON
${databaseUsage("warn")}
Examples
  npx aetherflow verify
  npx aetherflow verify --document 0197a3c2-7c1e-7a00-8000-000000000001 --json
`,
  archive: `npx aetherflow archive --older-than TIME [--dry-run] [flags]

Moves operations older than TIME, and resolved conflicts whose operations went, out of the live tables, while servers
run. What they made stays: each document's log then begins at a snapshot. Ids stay known, so that repeats are still
recognised; operations that wait in an unresolved conflict stay. Earlier versions can no longer be read or restored.

  --older-than TIME     such as 90d or 12h
  --dry-run             only say what would be moved
  --json                what was moved as JSON
${databaseUsage("warn")}
Examples
  npx aetherflow archive --older-than 90d --dry-run
  npx aetherflow archive --older-than 90d --json
`,
  export: `npx aetherflow export DOCID [flags] > file.json

Writes one document to standard output: metadata, log (archived parts too), conflicts, named versions and assets, as of
one moment, while servers run. Locks and sessions are left out. npx aetherflow import reads it.

  --json                accepted for consistency; output is always JSON
${databaseUsage("warn")}
Examples
  npx aetherflow export 0197a3c2-7c1e-7a00-8000-000000000001 > board.json
  npx aetherflow export 0197a3c2-7c1e-7a00-8000-000000000001 | gzip > board.json.gz
`,
  import: `npx aetherflow import FILE [--as ID] [flags]

Takes in a document that npx aetherflow export wrote, with its id: exit code 1 when a document has it already. It is checked
as npx aetherflow verify does; when something is wrong, nothing of it stays.

  FILE                  the file, or - for standard input
  --as ID               another id for the document
  --json                what was taken in as JSON
${databaseUsage("warn")}
Examples
  npx aetherflow import board.json
  gunzip < board.json.gz | npx aetherflow import - --as 0197a3c2-7c1e-7a00-8000-000000000002
`,
  doctor: `npx aetherflow doctor [flags of serve] [--json]

Checks Node.js, the configuration, the database with its settings and notifications, the clock and limits.
Says what to change. Exit code 1 when something would not work.

${databaseUsage("error")}  --json                findings as JSON

Every other flag of serve is taken too, so that what is checked is what would run: npx aetherflow serve --help.

Examples
  npx aetherflow doctor
  npx aetherflow doctor --database-url postgres://user@host/db --instances 3
`,
};
