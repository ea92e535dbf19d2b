/** Memory and open files of processes, from /proc (Linux). */
import { readFile } from "node:fs/promises";

/** Resident memory in bytes; `NaN` where unknown. */
export async function residentBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1] ?? Number.NaN) * 1024;
}

/** How many files and sockets a process like this one may open; `Infinity` where unknown. Node.js raises it as far as it may. */
export async function openFilesLimit(): Promise<number> {
  const text = await readFile("/proc/self/limits", "utf8").catch(() => "");
  return Number(/^Max open files\s+(\d+)/m.exec(text)?.[1] ?? Number.POSITIVE_INFINITY);
}
