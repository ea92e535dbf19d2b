import { describe, expect, test } from "vitest";
import { compareRuns, renderComparison, type SavedRun, savedRunSchema } from "../../bench/compare.ts";
import { seededRandom } from "../support/seeded-random.ts";

type SavedFigure = SavedRun["experiments"][number]["figures"][number];

const throughput = (rounds: readonly number[]): SavedFigure => ({
  subject: "operations per second",
  unit: "× bare durable",
  better: "higher",
  rounds: [...rounds],
  compared: true,
});
const latency = (rounds: readonly number[]): SavedFigure => ({
  ...throughput(rounds),
  subject: "acknowledgement p99",
  better: "lower",
});
const runOf = (...figures: SavedFigure[]): SavedRun => ({
  at: "2026-01-01T00:00:00.000Z",
  host: "a machine",
  quick: true,
  rounds: 3,
  measureMs: 1_000,
  experiments: [{ name: "hot", figures }],
});
const verdicts = (before: SavedRun, now: SavedRun) =>
  compareRuns(before, now).figures.map(({ verdict }) => verdict);

describe("[bench] --compare", () => {
  test("less of what should be more, and more of what should be less, is slower; the other way round it is faster", () => {
    const before = runOf(throughput([0.7, 0.71, 0.7]), latency([1.4, 1.41, 1.4]));
    const now = runOf(throughput([0.5, 0.51, 0.5]), latency([2, 2.01, 2]));
    expect(verdicts(before, now)).toEqual(["slower", "slower"]);
    expect(verdicts(now, before)).toEqual(["faster", "faster"]);
    expect(verdicts(before, before)).toEqual(["same", "same"]);
  });

  test("a difference within the ranges of both runs' rounds is noise", () => {
    const before = runOf(throughput([0.6, 0.7, 0.75]));
    expect(verdicts(before, runOf(throughput([0.45, 0.5, 0.6])))).toEqual(["same"]);
    expect(verdicts(before, runOf(throughput([0.3, 0.31, 0.32])))).toEqual(["slower"]);
  });

  test("rounds that agree by chance do not make a difference of less than a tenth count", () => {
    const before = runOf(throughput([0.7, 0.7, 0.7]));
    expect(verdicts(before, runOf(throughput([0.64, 0.64, 0.64])))).toEqual(["same"]);
    expect(verdicts(before, runOf(throughput([0.62, 0.62, 0.62])))).toEqual(["slower"]);
  });

  test("with one round, or where nothing could be measured, nothing is said", () => {
    const before = runOf(throughput([0.7]));
    expect(verdicts(before, runOf(throughput([0.1, 0.1, 0.1])))).toEqual(["unknown"]);
    expect(verdicts(runOf(throughput([Number.NaN, Number.NaN])), before)).toEqual(["unknown"]);
  });

  test("what has a ratio beside it, and what only one run has, is not compared", () => {
    const absolute: SavedFigure = { ...latency([1, 1, 1]), unit: "ms", compared: false };
    const before = runOf(absolute, throughput([0.7, 0.7, 0.7]));
    const now = runOf({ ...absolute, rounds: [9, 9, 9] }, latency([9, 9, 9]));
    const comparison = compareRuns(before, now);
    expect(comparison.figures).toEqual([]);
    expect(comparison.missing).toBe(2);
  });

  test("a figure is known by its experiment, too", () => {
    const before = runOf(throughput([0.7, 0.7, 0.7]));
    const now = { ...before, experiments: [{ name: "documents", figures: [throughput([0.1, 0.1, 0.1])] }] };
    expect(compareRuns(before, now)).toMatchObject({ figures: [], missing: 2 });
  });

  test("runs of another length or machine are compared, and said to differ", () => {
    const before = runOf(throughput([0.7, 0.7, 0.7]));
    const now = { ...before, quick: false, measureMs: 3_000, host: "another" };
    const { figures, differences } = compareRuns(before, now);
    expect(figures).toHaveLength(1);
    expect(differences).toEqual([
      expect.stringContaining("quick, 3 rounds of 1 s, this one 3 rounds of 3 s"),
      expect.stringContaining("a machine"),
    ]);
  });

  test("of runs that differ by noise alone, fewer than one figure in a hundred is called slower; half the speed in four of five at least", () => {
    const random = seededRandom(11);
    // A sum of twelve uniform numbers is close to normal; a tenth is what rounds of a busy machine differ by.
    const normal = (): number => Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b) - 6;
    const rounds = (level: number) => Array.from({ length: 3 }, () => level * (1 + 0.1 * normal()));
    let alarms = 0;
    let found = 0;
    const tries = 5_000;
    for (let count = 0; count < tries; count++) {
      const before = runOf(throughput(rounds(0.7)));
      if (verdicts(before, runOf(throughput(rounds(0.7))))[0] === "slower") alarms += 1;
      if (verdicts(before, runOf(throughput(rounds(0.35))))[0] === "slower") found += 1;
    }
    expect(alarms / tries, "seed 11").toBeLessThan(0.01);
    expect(found / tries, "seed 11").toBeGreaterThan(0.8);
  });

  test("what --json writes is read again: null is what could not be measured", () => {
    const saved = savedRunSchema.parse(
      JSON.parse(JSON.stringify(runOf(throughput([0.7, Number.NaN, 0.72])))),
    );
    expect(saved.experiments[0]?.figures[0]?.rounds).toEqual([0.7, Number.NaN, 0.72]);
    expect(() => savedRunSchema.parse({ workloads: [] })).toThrow();
  });

  test("the text names what became slower first", () => {
    const before = runOf(latency([1, 1, 1]), throughput([0.7, 0.7, 0.7]));
    const now = runOf(latency([1, 1, 1]), throughput([0.3, 0.3, 0.3]));
    const text = renderComparison(compareRuns(before, now), before.at);
    expect(text.split("\n")[2]).toMatch(/^hot: operations per second × bare durable +0\.70 +0\.30 .*SLOWER$/);
    expect(text).toContain("1 of 2 figures became slower, 0 faster");
  });
});
