/**
 * A process that uses the embedded server, for tests to kill: `node --import tsx embedded-user.ts DATA_DIR`.
 * Says one JSON object a line: ready, moved, closed, drained, failed. On the line `close`, and on SIGINT after a query
 * as a server's own shutdown would make, it leaves.
 */
import { createInterface } from "node:readline";
import pg from "pg";
import { acquireEmbedded } from "../../server/database/embedded/acquire.ts";

const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
const [dataDir = "", reachableRoot] = process.argv.slice(2);

try {
  const database = await acquireEmbedded({
    dataDir,
    ...(reachableRoot === undefined ? {} : { reachableRoot }),
    settings: process.env.DURABLE === undefined ? { fsync: "off" } : {},
  });
  database.onMoved((url) => say({ event: "moved", url }));
  const close = async () => {
    await database.close();
    say({ event: "closed" });
    process.exit(0);
  };
  process.on("SIGINT", async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query("SELECT pg_sleep(0.5)");
    await client.end();
    say({ event: "drained" });
    await close();
  });
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line === "close") void close();
  });
  say({ event: "ready", url: database.url, serverPid: await database.serverPid() });
} catch (error) {
  say({ event: "failed", name: (error as Error).name, message: (error as Error).message });
  process.exit(1);
}
