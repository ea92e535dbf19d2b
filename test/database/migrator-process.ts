import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./migrator.ts", import.meta.url));

/** Starts migrator.ts as a process of its own. */
export function startMigrator(
  url: string,
  dir: string,
): { kill(): void; done: Promise<{ code: number | null; applied: string[]; error: string }> } {
  const child = spawn(process.execPath, ["--import", "tsx", script, url, dir]);
  let out = "";
  let error = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    error += chunk;
  });
  const done = new Promise<{ code: number | null; applied: string[]; error: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, applied: out === "" ? [] : JSON.parse(out), error }));
  });
  return { kill: () => child.kill("SIGKILL"), done };
}
