import { describe, expect, test } from "vitest";
import { dialects } from "../../bench/load/dialect.ts";
import { Histogram } from "../../bench/load/histogram.ts";
import { createText, operationId, operationText } from "../../bench/load/operations.ts";
import { LoadRoom } from "../../bench/load/room.ts";
import { median } from "../../bench/statistics.ts";
import { seededRandom } from "../support/seeded-random.ts";

describe("[bench] the generator's own instruments", () => {
  test("a percentile is at most 1.6 % (and a microsecond) above that of the sorted samples", () => {
    const seed = 7;
    const random = seededRandom(seed);
    const histogram = new Histogram();
    const samples = Array.from({ length: 20_000 }, () => 10 ** (random.next() * 6 - 3));
    for (const sample of samples) histogram.add(sample);
    samples.sort((a, b) => a - b);
    for (const share of [0.001, 0.5, 0.9, 0.99, 1]) {
      const exact = samples[Math.ceil(samples.length * share) - 1] as number;
      const shown = histogram.percentile(share);
      expect(shown, `p${share * 100}, seed ${seed}`).toBeGreaterThanOrEqual(exact - 0.001);
      expect(shown, `p${share * 100}, seed ${seed}`).toBeLessThanOrEqual(exact * 1.017 + 0.001);
    }
    expect(new Histogram().percentile(0.5)).toBeNaN();
  });

  test("the median leaves out what could not be measured", () => {
    expect(median([3, Number.NaN, 1, 2])).toBe(2);
    expect(median([4, 1])).toBe(2.5);
    expect(median([Number.NaN])).toBeNaN();
  });

  test("operations are valid JSON of about 200 bytes under ids that never repeat", () => {
    const ids = new Set<string>();
    for (const writer of [0, 1, 299]) {
      for (const number of [0, 1, 2, 100_000]) {
        ids.add(operationId(writer, number));
        const text = operationText(writer, number, `e${writer}-${number % 5}`);
        expect(Object.keys(JSON.parse(text))).toEqual(["id", "type", "element", "set"]);
        expect(text.length).toBeGreaterThan(150);
        expect(text.length).toBeLessThan(250);
        expect(JSON.parse(createText(writer, number, "e")).type).toBe("create");
      }
    }
    expect(ids.size).toBe(12);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("an operation that nobody submitted, or that comes a second time, is a violation", () => {
    const room = new LoadRoom(1);
    room.submitted("a", 0, 0);
    const bytes = Buffer.from("[a]");
    const frame = room.place({ first: 1, ids: ["a"] }, bytes);
    if (typeof frame === "string") throw new Error(frame);
    const [one] = frame.tracked;
    if (one === undefined) throw new Error("nothing is tracked");
    expect(room.known(1, Buffer.from("[a]"))).toBe(frame);
    expect(room.known(1, Buffer.from("[b]"))).toBeUndefined();
    room.complete(frame, one);
    expect(room.underway).toBe(0);
    expect(room.place({ first: 2, ids: ["a"] }, bytes)).toContain("came twice");
    expect(room.place({ first: 2, ids: ["b"] }, bytes)).toContain("was not submitted");
  });

  test("a gap within a frame and every answer that is no acknowledgement are violations", () => {
    const { read } = dialects.aetherflow;
    expect(read('{"type":"ops","ops":[{"version":4,"id":"a"},{"version":5,"id":"b"}]}')).toEqual({
      first: 4,
      ids: ["a", "b"],
    });
    expect(read('{"type":"ops","ops":[{"version":4,"id":"a"},{"version":6,"id":"b"}]}')).toContain("gap");
    expect(read('{"type":"reject","seq":1,"code":"locked"}')).toContain("locked");
    expect(read('{"type":"presence","left":[]}')).toBeUndefined();
  });
});
