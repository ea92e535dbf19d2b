import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The package's folder, from the sources as well as from dist/. */
export function packageRoot(from: string = import.meta.url): string {
  for (let dir = path.dirname(fileURLToPath(from)); ; dir = path.dirname(dir)) {
    if (existsSync(path.join(dir, "package.json"))) return dir;
    if (dir === path.dirname(dir)) throw new Error("package.json is missing");
  }
}

/** The folder of the built demo client; undefined when it is not built. */
export function findDemoDir(): string | undefined {
  const dir = path.join(packageRoot(), "dist", "client-demo");
  return existsSync(path.join(dir, "index.html")) ? dir : undefined;
}

/** The package's version. */
export function packageVersion(): string {
  const content: unknown = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8"));
  const version =
    typeof content === "object" && content !== null && "version" in content ? content.version : undefined;
  return typeof version === "string" ? version : "unknown";
}
