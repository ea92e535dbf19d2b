/** CPU time of processes, from /proc (Linux). Elsewhere there is none, and the figures are left out. */
import { readdir, readFile } from "node:fs/promises";

/** USER_HZ: 100 on every Linux that Node.js runs on. */
const ticksPerSecond = 100;

interface Stat {
  readonly name: string;
  readonly parent: number;
  readonly ownTicks: number;
  /** Of children that ended and were waited for. */
  readonly endedTicks: number;
}

async function stat(pid: number): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  // The name stands in parentheses and may contain spaces and parentheses.
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const number = (index: number): number => Number(fields[index] ?? 0);
  return {
    name: text.slice(text.indexOf("(") + 1, close),
    parent: number(1),
    ownTicks: number(11) + number(12),
    endedTicks: number(13) + number(14),
  };
}

/** The parent of a process, when the process is here and has that name. */
export async function parentOf(pid: number, name: string): Promise<number | undefined> {
  const found = await stat(pid);
  return found?.name === name ? found.parent : undefined;
}

/** Seconds of CPU that processes and all their descendants, ended ones included, have used; `NaN` where unknown. */
export async function cpuSeconds(roots: readonly number[]): Promise<number> {
  const names = await readdir("/proc").catch(() => []);
  const all = new Map<number, Stat>();
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const found = await stat(Number(name));
    if (found !== undefined) all.set(Number(name), found);
  }
  if (roots.length === 0 || !roots.every((root) => all.has(root))) return Number.NaN;
  const belongs = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent)
      if (roots.includes(at)) return true;
    return false;
  };
  let ticks = 0;
  for (const [pid, found] of all) if (belongs(pid)) ticks += found.ownTicks + found.endedTicks;
  return ticks / ticksPerSecond;
}
