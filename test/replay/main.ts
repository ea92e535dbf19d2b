/** `npm run replay`: real scenes, 20 SDK clients, three instances, one of them killed; see run.ts. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openPostgres } from "../../bench/postgres.ts";
import { replay } from "./run.ts";

const usage = `Usage: npm run replay -- [options]

Rebuilds the scenes of test/scenes with 20 clients on three server processes of one database, edits them concurrently,
kills one server with SIGKILL in between, and compares all replicas, the servers, and a replay of the log.
DATABASE_URL names the PostgreSQL server to use (in a database made for it); without it, an embedded one is started.

  --short        a small part of each scene and few gestures (15 s instead of a minute or two)
  --seed N       default: a new one, printed
  --no-kill      leave all instances alone
  --scene FILE   an .excalidraw file instead of test/scenes (repeatable)
  --json         print the outcome as JSON
  --help

Examples:
  npm run replay
  npm run replay -- --short --seed 42
`;

function readFlags() {
  try {
    return parseArgs({
      options: {
        short: { type: "boolean", default: false },
        seed: { type: "string" },
        "no-kill": { type: "boolean", default: false },
        kill: { type: "boolean", default: true },
        scene: { type: "string", multiple: true },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`replay: ${error instanceof Error ? error.message : error}\n\n${usage}`);
    return process.exit(2);
  }
}
const flags = readFlags();
if (flags.help) {
  console.log(usage);
  process.exit(0);
}
const seed = flags.seed === undefined ? Math.floor(Math.random() * 1e6) : Number(flags.seed);
if (!Number.isSafeInteger(seed) || seed < 0) {
  console.error(`replay: --seed: expected a whole number\n\n${usage}`);
  process.exit(2);
}

/** The package's root from dist/test/replay. */
const folder = fileURLToPath(new URL("../../../test/scenes", import.meta.url));
const scenes =
  flags.scene ??
  readdirSync(folder)
    .filter((name) => name.endsWith(".excalidraw"))
    .map((name) => join(folder, name));

const say = (text: string): void => {
  if (!flags.json) console.log(text);
};
say(`seed ${seed}`);
const onTerminal = process.stderr.isTTY === true;
let shown = "";
const postgres = await openPostgres();
try {
  const outcome = await replay({
    databaseUrl: await postgres.createDatabase("replay"),
    scenes,
    seed,
    clients: 20,
    instances: 3,
    kill: flags.kill && !flags["no-kill"],
    maxElements: flags.short ? 60 : Number.POSITIVE_INFINITY,
    gestures: flags.short ? 6 : 40,
    progress(share, what) {
      const line = `${String(Math.floor(share * 100)).padStart(3)} %  ${what}`;
      if (!onTerminal || line === shown) return;
      shown = line;
      process.stderr.write(`\r\x1b[2K${line}`);
    },
  });
  if (onTerminal) process.stderr.write("\r\x1b[2K");

  const problems: string[] = [];
  for (const { scene, id, checked } of outcome.documents) {
    say(`\n${scene} (document ${id}): ${checked.elements} elements at version ${checked.version}`);
    const exactly =
      checked.problems.length === 0 ? "every operation acknowledged once" : "NOT AS IT HAS TO BE, see below";
    say(
      `  ${exactly}; ${checked.repeated} sent again after a reconnect, ${checked.recognised} recognised as stored`,
    );
    for (const { of, digest } of checked.digests) say(`  ${digest}  ${of}`);
    // Hundreds of lines help nobody: the first ones name the kind.
    const few = checked.problems.slice(0, 20);
    problems.push(...few.map((problem) => `${scene}: ${problem}`));
    if (checked.problems.length > few.length)
      problems.push(`${scene}: and ${checked.problems.length - few.length} more`);
  }
  if (!outcome.verify.clean) problems.push(`aetherflow verify: ${outcome.verify.output}`);
  say(`\naetherflow verify: ${outcome.verify.output}`);
  if (flags.json) console.log(JSON.stringify({ seed, ...outcome, problems }));
  if (problems.length > 0) {
    console.error(
      `\nreplay: not as it has to be (seed ${seed}):\n${problems.map((text) => `- ${text}`).join("\n")}`,
    );
    process.exitCode = 1;
  } else say("all identical");
} finally {
  await postgres.close();
}
