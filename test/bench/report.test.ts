import { describe, expect, test } from "vitest";
import type { ExperimentResult } from "../../bench/experiment.ts";
import { experiments } from "../../bench/experiments.ts";
import { dialects } from "../../bench/load/dialect.ts";
import { isMet, renderExperiment } from "../../bench/report.ts";
import { figures } from "../../bench/run-workload.ts";
import { range } from "../../bench/statistics.ts";
import type { Metric } from "../../bench/workload.ts";
import { workloads } from "../../bench/workloads.ts";

const zeros = Object.fromEntries(
  ["opsPerSecond", "ackP50", "ackP99", "everybodyP99", "sameP50", "sameP99", "crossP50", "crossP99"]
    .concat(["serverCpu", "postgresCpu", "smallestShare"])
    .map((metric) => [metric, 0]),
) as Record<Metric, number>;
const rounds = (metric: Metric, ...values: number[]) =>
  values.map((value) => ({ ...zeros, [metric]: value }));

describe("[bench] what is judged", () => {
  test("a ratio is that of one round, not of the medians", () => {
    const runs = [
      { label: "ours", rounds: rounds("opsPerSecond", 10, 5, 8) },
      { label: "bare durable", rounds: rounds("opsPerSecond", 20, 5, 10) },
    ];
    const [figure] = figures([{ kind: "ratio", metric: "opsPerSecond", to: 1, atLeast: 0.65 }], runs);
    expect(figure).toMatchObject({
      subject: "operations per second",
      unit: "× bare durable",
      rounds: [0.5, 1, 0.8],
      compared: true,
    });
    expect(figure && isMet(figure)).toBe(true);
  });

  test("an absolute value is compared with other runs only where no ratio of it is there", () => {
    const runs = [
      { label: "ours", rounds: rounds("serverCpu", 0.5) },
      { label: "bare durable", rounds: rounds("serverCpu", 0.25) },
    ];
    const value = { kind: "value", metric: "serverCpu", atMost: 0.25 } as const;
    expect(figures([value], runs)[0]).toMatchObject({ rounds: [0.5], compared: true });
    expect(figures([value, { kind: "ratio", metric: "serverCpu", to: 1 }], runs)[0]?.compared).toBe(false);
  });

  test("what needs a target that was left out is left out", () => {
    const runs = [
      { label: "ours", rounds: rounds("ackP50", 1) },
      { label: "bare durable", rounds: [] },
    ];
    expect(figures([{ kind: "ratio", metric: "ackP50", to: 1 }], runs)).toEqual([]);
    expect(figures([{ kind: "above", metric: "ackP50", other: "sameP50", atMost: 2 }], runs)).toHaveLength(1);
  });

  test("a missed aim, a violation and what could not be measured are seen", () => {
    const result: ExperimentResult = {
      name: "hot",
      title: "a title",
      columns: [
        { key: "ops", title: "ops/s", format: "whole" },
        { key: "cpu", title: "CPU", format: "two" },
      ],
      rows: [{ label: "ours", rounds: [{ ops: 1_000 }, { ops: 3_000 }, { ops: 2_000 }] }],
      figures: [
        { subject: "CPU", unit: "s", better: "lower", rounds: [0.4, 0.2, 0.3], atMost: 0.25, compared: true },
      ],
      violations: ["ours: a gap"],
    };
    expect(renderExperiment(result).split("\n")).toEqual([
      "hot: a title",
      "      ops/s  CPU",
      "ours  2,000    –",
      "  CPU: 0.30 s (aim ≤ 0.25: MISSED)",
      "  VIOLATION, ours: a gap",
    ]);
  });

  test("the noise of fewer than two rounds is not known", () => {
    expect(range([1, 4, 2])).toBe(3);
    expect(range([1])).toBeNaN();
    expect(range([1, Number.NaN])).toBeNaN();
  });
});

describe("[bench] the list of experiments", () => {
  test("names are unique, and every figure speaks of runs that are there", () => {
    const names = experiments.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, runs, figures: plans } of workloads) {
      for (const plan of plans) {
        expect(runs[plan.run ?? 0], name).toBeDefined();
        if (plan.kind === "ratio") expect(runs[plan.to], name).toBeDefined();
      }
    }
  });

  test("what --quick leaves out of a workload is no baseline of all its figures", () => {
    for (const { name, runs, figures: plans } of workloads.filter(({ quick }) => quick === true)) {
      const kept = plans.filter((plan) => plan.kind !== "ratio" || runs[plan.to]?.onlyFull !== true);
      expect(kept.length, name).toBeGreaterThan(0);
    }
  });
});

describe("[bench] joining, as the generator checks it", () => {
  const { welcome, snapshotPart } = dialects.aetherflow;

  test("a welcome tells how far it leads, from a snapshot or from what the replica had", () => {
    const snapshot = { version: 4, elements: {}, more: true };
    expect(welcome(JSON.stringify({ type: "welcome", version: 6, snapshot, ops: [] }), undefined)).toEqual({
      version: 6,
      reached: 4,
      more: true,
      fromSnapshot: true,
    });
    const ops = [{ version: 4 }, { version: 5 }];
    const since = { version: 3, id: "a" };
    expect(welcome(JSON.stringify({ type: "welcome", version: 5, ops }), since)).toEqual({
      version: 5,
      reached: 5,
      more: false,
      fromSnapshot: false,
    });
  });

  test("a gap between what the replica had and what it gets is an error", () => {
    const frame = JSON.stringify({ type: "welcome", version: 5, ops: [{ version: 5 }] });
    expect(() => welcome(frame, { version: 3, id: "a" })).toThrow("a gap in the welcome: 5 after 3");
    expect(() => welcome('{"type":"bye"}', undefined)).toThrow("expected welcome");
  });

  test("parts of a snapshot are known by their ends", () => {
    const part = (text: string) => snapshotPart(Buffer.from(text));
    expect(part('{"type":"snapshot","elements":{"a":{}},"more":true}')).toBe("more");
    expect(part('{"type":"snapshot","elements":{"a":{}},"more":false}')).toBe("last");
    expect(part('{"type":"ops","ops":[]}')).toBeUndefined();
  });
});
