/**
 * One process at a time starts, joins or leaves the embedded server of a directory. Node.js has no flock, and a
 * plain lock file cannot be broken safely: of two processes that see a dead owner, the slower one deletes the lock
 * that the faster one has just taken. So the lock has generations:
 *
 *   start.lock.7   {"pid":4711,"identity":"…"}   taken by that process, free once that process is dead
 *   start.lock.7   {}                            released
 *
 * - The file with the highest number decides. Who finds it free makes the next number, by link(2), which is atomic,
 *   brings the content with it and fails for all but one.
 * - Who made it then looks again: a higher number that is there by now means that it looked at an old directory,
 *   and lost. The highest file is never deleted, so this cannot be overlooked.
 * - The owner deletes lower numbers, and releases by replacing its own file's content.
 */
import { randomBytes } from "node:crypto";
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { EmbeddedProblem } from "./problem.ts";
import { processIdentity } from "./process-identity.ts";

const ownerSchema = z.object({ pid: z.number().int().optional(), identity: z.string().optional() });
const lockFile = /^start\.lock\.(\d+)$/;

/**
 * Runs `work` while holding the directory's start lock.
 * @param timeoutMs how long to wait for a living holder. A start with crash recovery may take a minute.
 * @throws EmbeddedProblem after `timeoutMs`, naming the holder.
 */
export async function withStartLock<T>(dir: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  const generation = await take(dir, timeoutMs);
  try {
    return await work();
  } finally {
    await release(dir, generation);
  }
}

async function take(dir: string, timeoutMs: number): Promise<number> {
  const me = JSON.stringify({ pid: process.pid, identity: await processIdentity(process.pid) });
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const highest = await newest(dir);
    const holder = highest === undefined ? undefined : await livingOwner(fileOf(dir, highest));
    if (holder === undefined) {
      const mine = (highest ?? 0) + 1;
      if ((await create(dir, mine, me)) && (await newest(dir)) === mine) {
        await removeOlder(dir, mine);
        return mine;
      }
    } else if (performance.now() > deadline) {
      throw new EmbeddedProblem(
        `process ${holder} has been starting or stopping the embedded PostgreSQL in ${dir} for over ` +
          `${Math.round(timeoutMs / 1000)} s; end it and try again`,
      );
    }
    await delay(20 + Math.random() * 30);
  }
}

async function release(dir: string, generation: number): Promise<void> {
  const draft = draftIn(dir);
  await writeFile(draft, "{}", { mode: 0o644 });
  await rename(draft, fileOf(dir, generation));
}

/** The pid that holds a lock file, while that process lives. */
async function livingOwner(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return "{}"; // superseded since the directory was read: `create` will fail
    throw error;
  });
  const { pid, identity } = ownerSchema.parse(JSON.parse(text));
  if (pid === undefined || identity === undefined) return undefined;
  return (await processIdentity(pid)) === identity ? pid : undefined;
}

async function create(dir: string, generation: number, content: string): Promise<boolean> {
  const draft = draftIn(dir);
  await writeFile(draft, content, { mode: 0o644 });
  try {
    await link(draft, fileOf(dir, generation));
    return true;
  } catch (error) {
    // ENOENT: the holder swept our draft away with those of the dead.
    if (hasCode(error, "EEXIST") || hasCode(error, "ENOENT")) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function newest(dir: string): Promise<number | undefined> {
  const numbers = (await readdir(dir)).flatMap((name) => {
    const found = lockFile.exec(name)?.[1];
    return found === undefined ? [] : [Number(found)];
  });
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

async function removeOlder(dir: string, generation: number): Promise<void> {
  for (const name of await readdir(dir)) {
    const found = lockFile.exec(name)?.[1];
    const old = found === undefined ? name.startsWith("start.draft-") : Number(found) < generation;
    if (old) await rm(path.join(dir, name), { force: true });
  }
}

function fileOf(dir: string, generation: number): string {
  return path.join(dir, `start.lock.${generation}`);
}

function draftIn(dir: string): string {
  return path.join(dir, `start.draft-${randomBytes(6).toString("hex")}`);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
