/** Where a server's time went: self time of a V8 CPU profile, by function and by folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** Microseconds of the system's monotonic clock, the one of `process.hrtime`. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Which part of the project, or of what it stands on, a script belongs to. */
function layerOf(url: string, functionName: string): string {
  if (functionName === "(idle)") return "(idle)";
  if (functionName === "(garbage collector)") return "(garbage collector)";
  const own = /\/dist\/((?:server|shared)\/[^/]+)/.exec(url);
  if (own?.[1] !== undefined) return own[1];
  const dependency = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (dependency?.[1] !== undefined) return dependency[1];
  return url === "" ? "native (system calls, JSON, Buffer)" : "node";
}

/** A stretch of the monotonic clock, in microseconds. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Now, by the clock that profiles of any process on this machine use. */
export function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/**
 * Text with the busiest functions and the sum of each layer, of every profile in a folder. Only what falls into one of
 * the stretches counts (not the start), and no idle time. `operations`: how many were handled in them.
 */
export function summariseProfiles(
  folder: string,
  stretches: readonly Stretch[],
  operations: number,
  top = 30,
): string {
  const parts: string[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
    const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile;
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
    const byFunction = new Map<string, number>();
    const byLayer = new Map<string, number>();
    let busy = 0;
    let at = profile.startTime;
    for (const [index, id] of profile.samples.entries()) {
      const took = profile.timeDeltas[index] ?? 0;
      at += took;
      const frame = frames.get(id);
      if (frame === undefined || !stretches.some(({ from, to }) => from <= at && at < to)) continue;
      const layer = layerOf(frame.url, frame.functionName);
      if (layer === "(idle)") continue;
      const place =
        frame.url === "" ? "" : `  ${frame.url.split("/").slice(-3).join("/")}:${frame.lineNumber + 1}`;
      const name = `${frame.functionName === "" ? "(anonymous)" : frame.functionName}${place}`;
      byFunction.set(name, (byFunction.get(name) ?? 0) + took);
      byLayer.set(layer, (byLayer.get(layer) ?? 0) + took);
      busy += took;
    }
    const lines = (map: ReadonlyMap<string, number>, count: number): string[] =>
      [...map]
        .sort(([, a], [, b]) => b - a)
        .slice(0, count)
        .map(
          ([name, took]) =>
            `${((100 * took) / busy).toFixed(1).padStart(6)} %  ${(took / operations).toFixed(2).padStart(7)} µs  ${name}`,
        );
    parts.push(
      `${file}: ${(busy / 1e6).toFixed(2)} s busy, ${(busy / operations).toFixed(1)} µs an operation`,
      ...lines(byLayer, 15),
      "  by function:",
      ...lines(byFunction, top),
    );
  }
  return parts.join("\n");
}
