/**
 * Replicas in files, for Node.js: one journal a replica, a line for each change. A whole state replaces the file by
 * rename; a line that was cut off by a crash is passed over. Beside it a claim: a file with the process that has it.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Properties } from "../../shared/document/json.ts";
import type { Release, ReplicaStorage, StoredHead, StoredReplica } from "./storage.ts";

interface Line {
  readonly head: StoredHead;
  readonly whole: boolean;
  readonly elements: readonly (readonly [string, Properties | null])[];
}

/** A journal is compacted when it is this large, and twice as large as when it was whole. */
const compactBytes = 256 * 1024;
/** Tells this process from another that had its number before. */
const processNonce = randomUUID();

/** @param directory is made when missing. */
export function fileStorage(directory: string): ReplicaStorage {
  const folderOf = (scope: string): string =>
    path.join(directory, createHash("sha256").update(scope).digest("hex").slice(0, 32));
  const fileOf = (scope: string, clientId: string): string =>
    path.join(folderOf(scope), `${encodeURIComponent(clientId)}.jsonl`);
  const sizes = new Map<string, { whole: number; now: number }>();
  return {
    list: async (scope) => {
      const folder = folderOf(scope);
      const names = (await readdir(folder).catch(missing<string[]>([]))).filter((name) =>
        name.endsWith(".jsonl"),
      );
      const files = await Promise.all(
        names.map(async (name) => {
          // Another process may have removed it meanwhile.
          const found = await stat(path.join(folder, name)).catch(missing(undefined));
          return found === undefined ? [] : [{ name, at: found.mtimeMs }];
        }),
      );
      return files
        .flat()
        .sort((a, b) => b.at - a.at)
        .map(({ name }) => decodeURIComponent(name.slice(0, -".jsonl".length)));
    },
    load: async (scope, clientId) =>
      replay(await readFile(fileOf(scope, clientId), "utf8").catch(missing<string>(""))),
    save: async (scope, clientId, { head, elements, whole }) => {
      const file = fileOf(scope, clientId);
      await mkdir(folderOf(scope), { recursive: true });
      const line: Line = { head, whole, elements: [...elements] };
      const text = `${JSON.stringify(line)}\n`;
      const size = sizes.get(file);
      if (!whole && !(await exists(file))) return "missing";
      if (!whole && size !== undefined) {
        await write(file, text, "a");
        size.now += text.length;
        return size.now > compactBytes && size.now > 2 * size.whole ? "compact" : "stored";
      }
      if (!whole) {
        // Of another process: what it left may end in half a line.
        await write(file, `\n${text}`, "a");
        return "compact";
      }
      await write(`${file}.new`, text, "w");
      await rename(`${file}.new`, file);
      sizes.set(file, { whole: text.length, now: text.length });
      return "stored";
    },
    remove: async (scope, clientId) => {
      sizes.delete(fileOf(scope, clientId));
      await rm(fileOf(scope, clientId), { force: true });
    },
    claim: async (scope, clientId) => {
      await mkdir(folderOf(scope), { recursive: true });
      return claim(`${fileOf(scope, clientId)}.claim`);
    },
  };
}

function replay(text: string): StoredReplica | undefined {
  let head: StoredHead | undefined;
  const elements = new Map<string, Properties>();
  for (const part of text.split("\n")) {
    let line: Line;
    try {
      line = JSON.parse(part) as Line;
    } catch {
      continue;
    }
    if (line.whole) elements.clear();
    head = line.head;
    for (const [element, properties] of line.elements) {
      if (properties === null) elements.delete(element);
      else elements.set(element, properties);
    }
  }
  return head && { head, elements };
}

async function write(file: string, text: string, flags: "a" | "w" | "wx"): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(missing(undefined))) !== undefined;
}

async function claim(file: string): Promise<Release | undefined> {
  const mine = JSON.stringify({ pid: process.pid, process: processNonce, claim: randomUUID() });
  const release = (): void => void rm(file, { force: true }).catch(() => {});
  if (await create(file, mine)) return release;
  if (isAlive(await readFile(file, "utf8").catch(missing<string>("")))) return undefined;
  await rm(file, { force: true });
  if (!(await create(file, mine))) return undefined;
  // Another process may have found the same dead one, and removed ours instead: the last one to create has it.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return (await readFile(file, "utf8").catch(missing<string>(""))) === mine ? release : undefined;
}

async function create(file: string, text: string): Promise<boolean> {
  try {
    await write(file, text, "wx");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function isAlive(text: string): boolean {
  let holder: { readonly pid: number; readonly process: string };
  try {
    holder = JSON.parse(text) as typeof holder;
  } catch {
    return false;
  }
  if (holder.pid === process.pid) return holder.process === processNonce;
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function missing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return instead;
    throw error;
  };
}
