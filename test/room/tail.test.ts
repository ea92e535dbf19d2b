import { expect, it } from "vitest";
import { payloadStart } from "../../server/room/frame.ts";
import { Tail } from "../../server/room/tail.ts";
import { opsFrames } from "../../server/room/wire.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { seededRandom } from "../support/seeded-random.ts";

const payloadOf = (frame: Buffer) => frame.toString("utf8", payloadStart(frame));

it("[room/tail] gives back what was told, from any version on, and what of it is on an element", () => {
  const random = seededRandom();
  const why = `seed ${random.seed}`;
  for (let round = 0; round < 20; round += 1) {
    const tail = new Tail();
    const log: { element: string; text: string }[] = [];
    const maxBytes = random.pick([0, 300, 5_000]);
    const batches = random.between(1, 200);
    for (let batch = 0; batch < batches; batch += 1) {
      const first = log.length + 1;
      const told = Array.from({ length: random.between(1, 30) }, (_, index) => {
        const element = random.pick(["a", "ab", "ü", "b"]);
        // What looks like an element's name within a value, and characters of one to four bytes.
        const note = random.pick([
          "",
          'x","element":"a',
          "é".repeat(random.between(0, 40)),
          "漢🙂".repeat(20),
        ]);
        const text = JSON.stringify({ version: first + index, type: "update", element, set: { note } });
        return { element, text };
      });
      log.push(...told);
      let version = first;
      for (const frame of opsFrames(
        told.map(({ text }) => text),
        maxBytes,
      )) {
        const { ops } = JSON.parse(payloadOf(frame.frame)) as { ops: SequencedOperation[] };
        const expected = told.slice(version - first, version - first + ops.length);
        expect(ops, why).toEqual(expected.map(({ text }) => JSON.parse(text)));
        if (maxBytes > 0 && ops.length > 1) {
          const bytes = expected.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
          expect(bytes, why).toBeLessThanOrEqual(maxBytes);
        }
        tail.push(version, frame);
        version += ops.length;
      }
      expect(version - first, why).toBe(told.length);
    }
    const current = log.length;
    expect(tail.after(current, current), why).toEqual([]);
    // A thousand are kept, whatever the sizes of the frames.
    expect(tail.leadsFrom(Math.max(0, current - 970), current), why).toBe(true);
    expect(tail.leadsFrom(0, current), why).toBe(tail.after(0, current) !== undefined);
    for (let trial = 0; trial < 20; trial += 1) {
      const after = random.between(Math.max(0, current - 970), current);
      const through = random.between(after, current);
      expect(tail.after(after, current), why).toEqual(log.slice(after).map(({ text }) => text));
      const element = random.pick(["a", "ab", "ü", "c"]);
      expect(tail.on(element, after, through), why).toEqual(
        log
          .slice(after, through)
          .filter((each) => each.element === element)
          .map(({ text }) => JSON.parse(text)),
      );
    }
  }
});

it("[room/tail] does not reach back without end", () => {
  const tail = new Tail();
  for (let version = 1; version <= 3_000; version += 1) {
    for (const frame of opsFrames([JSON.stringify({ version, element: "e" })], 0)) tail.push(version, frame);
  }
  expect(tail.leadsFrom(500, 3_000)).toBe(false);
  expect(tail.after(500, 3_000)).toBeUndefined();
  const large = new Tail();
  for (let version = 1; version <= 100; version += 1) {
    const text = JSON.stringify({ version, element: "e", set: { text: "x".repeat(100_000) } });
    for (const frame of opsFrames([text], 0)) large.push(version, frame);
  }
  expect(large.leadsFrom(0, 100)).toBe(false);
  expect(large.leadsFrom(85, 100)).toBe(true);
});
