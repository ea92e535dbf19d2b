/**
 * Whether a process that wrote its id into a file is still the same one. A pid alone is not enough: ids are used
 * again, sooner than one thinks after a reboot and in containers, where everything starts at small numbers.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * An opaque text that differs between two processes which had the same pid: start time, and on Linux the boot.
 * Undefined when there is no such process, or only its unreaped remains.
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    const fields = await linuxStat(pid);
    if (fields === undefined) return undefined;
    const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
    return `${boot.trim()}/${fields[19]}`; // field 22 of proc(5), starttime; the list starts at field 3
  }
  return await ps(pid, "lstart=");
}

/** The command line of a process, arguments joined by spaces; undefined when it is gone or a zombie. */
export async function processCommand(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    if ((await linuxStat(pid)) === undefined) return undefined;
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
    return text?.replaceAll("\0", " ").trim();
  }
  return await ps(pid, "command=");
}

/** Fields of /proc/PID/stat from the third (state) on. */
async function linuxStat(pid: number): Promise<string[] | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything, parentheses included.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields;
}

async function ps(pid: number, column: string): Promise<string | undefined> {
  try {
    const { stdout } = await run("ps", ["-o", "state=", "-o", column, "-p", String(pid)], {
      env: { PATH: process.env.PATH ?? "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
    });
    const line = stdout.trim();
    if (line === "" || line.startsWith("Z")) return undefined;
    return line.slice(line.indexOf(" ") + 1).trim();
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
}
