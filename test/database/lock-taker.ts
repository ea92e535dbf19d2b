/**
 * A process that takes a start lock again and again, for tests: `node --import tsx lock-taker.ts DIR ROUNDS DIES`.
 * In each round it checks that nobody else is inside. With DIES it is killed inside, in its last round.
 */
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withStartLock } from "../../server/database/embedded/start-lock.ts";

const [dir = "", rounds = "0", dies = ""] = process.argv.slice(2);
for (let round = 1; round <= Number(rounds); round++) {
  await withStartLock(dir, 30_000, async () => {
    const inside = path.join(dir, "inside");
    // Exclusive creation fails while another one is inside; what a killed one left is removed by the test.
    await (await open(inside, "wx")).close();
    await delay(2);
    await rm(inside);
    if (dies !== "" && round === Number(rounds)) process.kill(process.pid, "SIGKILL");
  });
}
