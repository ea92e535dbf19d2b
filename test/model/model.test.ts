/**
 * Random users on random instances do everything that the protocol has, while notifications between the instances are
 * lost, doubled and late. Afterwards R1–R10 are checked from what went over the wire and from the tables.
 * `npm run test:model -- --runs 500` for a night; MODEL_SEED and MODEL_PATH repeat a run.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../support/wait-for.ts";
import { pinned } from "./pinned.ts";
import { type Rig, startRig } from "./rig.ts";
import { run } from "./run.ts";
import { type Step, steps } from "./steps.ts";

const seed = Number(process.env.MODEL_SEED) || Math.floor(Math.random() * 2 ** 31);
const path = process.env.MODEL_PATH;
const runs = path === undefined ? Number(process.env.MODEL_RUNS) || 50 : 1;
/** Runs at once: most of a run is waiting for leases and presence to end. */
const lanes = Math.min(runs, 8);
/** A pinned run, and one that a path leads to, is repeated, because its timing is not. */
const repetitions = 3;
/** Shrinking ends after this long: every attempt takes seconds. */
const shrinkMs = Number(process.env.MODEL_SHRINK_MS ?? 60_000);

let rig: Rig;
let closed: Promise<void> | undefined;
let timersBefore: number;
const close = (): Promise<void> | undefined => {
  closed ??= rig?.close();
  return closed;
};
/** Those that keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

beforeAll(async () => {
  timersBefore = timers();
  rig = await startRig(seed);
});
afterAll(close);

const seen = new Set<string>();
let versions = 0;

/** What has to happen in fifty runs or more: a run is worth nothing in which nothing happens. */
const wanted = [
  "conflict",
  "resolved",
  "granted",
  "refused locked",
  "reject locked",
  "reject forbidden",
  "reject not_active",
  "reject version_conflict",
  "role",
  "closed 4403",
  "restore 200",
  "revert 200",
  "script 200",
];
/** Some of it is rare: so many times there are more runs until all of it has been seen. */
const extraRounds = 10;

/** Random runs, one after the other. */
async function explore(laneSeed: number, numRuns: number): Promise<void> {
  let failedAt: number | undefined;
  const property = fc.asyncProperty(steps, async (each) => {
    if (failedAt !== undefined && performance.now() - failedAt > shrinkMs) return;
    try {
      const outcome = await run(rig, each);
      for (const kind of outcome.seen) seen.add(kind);
      versions += outcome.versions;
    } catch (error) {
      failedAt ??= performance.now();
      throw error;
    }
  });
  const details = await fc.check(property, { numRuns, seed: laneSeed });
  if (!details.failed) return;
  throw new Error(
    `MODEL_SEED=${details.seed} MODEL_PATH=${details.counterexamplePath} npx vitest run test/model/model\n` +
      `to pin it: ${JSON.stringify(details.counterexample?.[0] satisfies Step[] | undefined)}`,
    { cause: details.errorInstance },
  );
}

/** The run that a path leads to. fast-check would go on with what it shrinks to, and on, when it does not fail. */
async function repeat(of: string): Promise<void> {
  const [each = []] = fc.sample(steps, { seed, path: of, numRuns: 1 });
  try {
    await Promise.all(Array.from({ length: repetitions }, () => run(rig, each)));
  } catch (error) {
    throw new Error(`to pin it: ${JSON.stringify(each)}`, { cause: error });
  }
}

/** Several at once, `count` in all. */
async function exploreAll(from: number, count: number): Promise<void> {
  const outcomes = await Promise.allSettled(
    Array.from({ length: lanes }, (_, lane) =>
      explore(from + lane, Math.floor(count / lanes) + (lane < count % lanes ? 1 : 0)),
    ),
  );
  const failed = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
  if (failed.length > 0) throw new AggregateError(failed, `${failed.length} run(s) failed`);
}

test.each(pinned.map((each) => [each.found, each.steps] as const))(
  "[model/pinned] %s",
  async (_, each) => {
    await Promise.all(Array.from({ length: repetitions }, () => run(rig, each)));
  },
  120_000,
);

test(
  `[model] R1–R10 hold in ${runs} random runs on three instances that lose notifications`,
  async () => {
    if (path !== undefined) return repeat(path);
    await exploreAll(seed, runs);
    const missing = () => (runs < 50 ? [] : wanted.filter((kind) => !seen.has(kind)));
    for (let extra = 1; extra <= extraRounds && missing().length > 0; extra++)
      await exploreAll(seed + extra * lanes, lanes);
    expect(missing()).toEqual([]);
    const { dropped, doubled, delayed } = rig.proxy.counts;
    console.log(`seed ${seed}: ${versions} operations; of the notifications ${dropped} were lost`);
    expect(Math.min(dropped, doubled, delayed)).toBeGreaterThan(runs);
  },
  120_000 + runs * 10_000,
);

test("[model/R10] nothing of all that is left: no session, no lock, no connection to the database, no timer", async () => {
  await waitFor(async () => {
    const headers = { authorization: `Bearer ${rig.token("ada")}` };
    const answer = await fetch(`${rig.url(0)}/v1/stats`, { headers });
    const stats = (await answer.json()) as { sessions: number; locks: { active: number } };
    return stats.sessions === 0 && stats.locks.active === 0;
  });
  await close(); // Throws when a connection is left.
  // The runner's own, and one of `waitFor`, come and go.
  await waitFor(() => timers() <= timersBefore + 1);
});
