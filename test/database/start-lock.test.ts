import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { processIdentity } from "../../server/database/embedded/process-identity.ts";
import { withStartLock } from "../../server/database/embedded/start-lock.ts";

const script = fileURLToPath(new URL("./lock-taker.ts", import.meta.url));
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "aetherflow-lock-"));
});
afterEach(() => rm(dir, { recursive: true }));

function take(rounds: number, dies: boolean): Promise<number | string> {
  const args = ["--import", "tsx", script, dir, String(rounds), ...(dies ? ["dies"] : [])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  return new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code ?? -1)));
}

test("[start-lock/exclusive] of several processes one is inside at a time, some of them killed inside", async () => {
  const ends = await Promise.all([take(25, false), take(3, true), take(25, false), take(6, true)]);
  expect(ends).toEqual([0, "SIGKILL", 0, "SIGKILL"]);
  expect((await readdir(dir)).filter((name) => name !== "inside")).toHaveLength(1);
});

test("[start-lock/reused-pid] a lock of a pid that is another process now is free; a living holder's is not", async () => {
  await writeFile(
    path.join(dir, "start.lock.7"),
    JSON.stringify({ pid: process.pid, identity: "an earlier process" }),
  );
  expect(await withStartLock(dir, 1_000, async () => "got it")).toBe("got it");

  const identity = await processIdentity(process.pid);
  await writeFile(path.join(dir, "start.lock.20"), JSON.stringify({ pid: process.pid, identity }));
  await expect(withStartLock(dir, 200, async () => "got it")).rejects.toThrow(
    new RegExp(`process ${process.pid} has been starting or stopping`),
  );
});

test("[start-lock/error] an error inside releases the lock", async () => {
  const failing = withStartLock(dir, 1_000, async () => {
    throw new Error("inside");
  });
  await expect(failing).rejects.toThrow("inside");
  expect(await withStartLock(dir, 1_000, async () => "got it")).toBe("got it");
});
