/**
 * Where the embedded server's files lie.
 *
 *   <data dir>/postgres/     base, unless this process is root and the account that runs PostgreSQL cannot get
 *                            there: then it holds only `location`
 *   base/location            as root: `.`, or the path of the base
 *   base/start.lock.N        who starts or stops the server (start-lock.ts)
 *   base/runtime-VERSION/    the binaries
 *   base/cluster/            PostgreSQL's data directory
 *   base/password, port      0600
 *   base/server.log          what PostgreSQL says; server.log.1 the one before
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { type Account, chooseAccount } from "./account.ts";
import { EmbeddedProblem } from "./problem.ts";

const run = promisify(execFile);

/** Where to go as root when the data directory is out of reach for the account that runs PostgreSQL. */
const defaultReachableRoot = "/var/lib/aetherflow";

/** Directories of one embedded server and the account it runs as. */
export interface Layout {
  readonly baseDir: string;
  readonly clusterDir: string;
  readonly passwordFile: string;
  readonly portFile: string;
  readonly logFile: string;
  readonly account: Account | undefined;
}

/**
 * Creates what is missing and says where everything is.
 * @throws EmbeddedProblem when the directory cannot be written, or belongs to somebody else.
 */
export async function prepareLayout(dataDir: string, reachableRoot = defaultReachableRoot): Promise<Layout> {
  const asked = path.resolve(dataDir);
  const isRoot = process.getuid?.() === 0;
  // As root, others must be able to pass through to the cluster; what is secret has its own mode.
  const mode = isRoot ? 0o711 : 0o700;
  const home = path.join(asked, "postgres");
  await attempt(asked, async () => {
    await makeDir(asked, mode);
    await makeDir(home, mode);
  });
  const base = await realpath(home);
  if (!isRoot) {
    await refuseForeign(base);
    return describe(base, undefined);
  }
  const owner = await chooseAccount(path.join(base, "cluster"));
  const here = owner === undefined || (await isReachable(base, owner));
  const location = (await readLocation(base)) ?? (await recordLocation(base, here ? "." : reachableRoot));
  const baseDir = location === "." ? base : location;
  await attempt(baseDir, () => makeDir(baseDir, mode));
  const account = await chooseAccount(path.join(baseDir, "cluster"));
  if (account !== undefined && !(await isReachable(baseDir, account))) {
    throw new EmbeddedProblem(
      `${baseDir} cannot be reached by the unprivileged user (uid ${account.uid}) that runs the embedded ` +
        "PostgreSQL; choose another --data-dir",
    );
  }
  return describe(baseDir, account);
}

/** Whether a data directory has a database. Creates nothing; what cannot be looked at counts as there, and opening it tells why. */
export async function hasCluster(dataDir: string): Promise<boolean> {
  try {
    const home = path.join(path.resolve(dataDir), "postgres");
    const location = (await readLocation(home)) ?? ".";
    await stat(path.join(location === "." ? home : location, "cluster"));
    return true;
  } catch (error) {
    return !hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR");
  }
}

function describe(baseDir: string, account: Account | undefined): Layout {
  return {
    baseDir,
    clusterDir: path.join(baseDir, "cluster"),
    passwordFile: path.join(baseDir, "password"),
    portFile: path.join(baseDir, "port"),
    logFile: path.join(baseDir, "server.log"),
    account,
  };
}

/** Asks the kernel as that account: mode bits alone miss ACLs, and mounts that forbid it. */
async function isReachable(dir: string, account: Account): Promise<boolean> {
  try {
    await run("/bin/sh", ["-c", 'cd "$1"', "sh", dir], { uid: account.uid, gid: account.gid, cwd: "/" });
    return true;
  } catch {
    return false;
  }
}

/** Somebody else's directory, or one that root filled, ends in errors that explain nothing; say it here. */
async function refuseForeign(home: string): Promise<void> {
  const owner = (await stat(home)).uid;
  const me = process.getuid?.();
  if (owner !== me) {
    throw new EmbeddedProblem(
      `${home} belongs to user ${owner}, this process runs as user ${me}: the embedded database can be used by ` +
        "its owner and by root only; choose another --data-dir",
    );
  }
  const location = await readLocation(home);
  if (location !== undefined && location !== ".") {
    throw new EmbeddedProblem(
      `the embedded database of ${home} was created by root; run as root or choose another --data-dir`,
    );
  }
}

async function readLocation(home: string): Promise<string | undefined> {
  const text = await readFile(path.join(home, "location"), "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  return text?.trim();
}

/**
 * Decides once where this data directory's base is: `.` (there itself), or a folder in `root`. That folder's random
 * part ties it to the directory's life: who deletes the directory starts afresh, rather than finding old data.
 */
async function recordLocation(home: string, root: string): Promise<string> {
  const key = createHash("sha256").update(home).digest("hex").slice(0, 12);
  const wanted = root === "." ? "." : path.join(root, `${key}-${randomBytes(4).toString("hex")}`);
  const draft = path.join(home, `location.draft-${randomBytes(6).toString("hex")}`);
  await writeFile(draft, `${wanted}\n`, { mode: 0o644 });
  // Two starters at once: link(2) lets one of them decide.
  await link(draft, path.join(home, "location")).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  });
  await rm(draft);
  const decided = await readLocation(home);
  if (decided === undefined) throw new EmbeddedProblem(`${home}/location vanished while it was being read`);
  return decided;
}

/**
 * Creates what is missing of a path with this mode whatever the umask is; what exists stays as it is. Not by mkdir's
 * `recursive`: below `/proc`, where nothing can be made, that tries for ever (Node.js 20).
 */
async function makeDir(dir: string, mode: number): Promise<void> {
  const made = await makeOne(dir).catch(async (error: unknown) => {
    if (!hasCode(error, "ENOENT") || dir === path.dirname(dir)) throw error;
    await makeDir(path.dirname(dir), mode);
    return await makeOne(dir);
  });
  if (made) await chmod(dir, mode);
}

/** Whether it was not there yet. */
async function makeOne(dir: string): Promise<boolean> {
  try {
    await mkdir(dir);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST") && (await stat(dir)).isDirectory()) return false;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function attempt(dir: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EmbeddedProblem(`cannot create the data directory ${dir}: ${reason}`, { cause: error });
  }
}
