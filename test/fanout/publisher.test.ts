import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maxPayloadBytes, type News, readEnvelope, readNotified } from "../../server/fanout/news.ts";
import { pack } from "../../server/fanout/publisher.ts";

const operation = (version: number, text = "") =>
  JSON.stringify({ version, id: `id-${version}`, element: "e", type: "update", set: { text } });
const batch = (docId: string, from: number, to: number, text = ""): News => ({
  kind: "operations",
  docId,
  from,
  to,
  previousId: from === 1 ? null : `id-${from - 1}`,
  texts: Array.from({ length: to - from + 1 }, (_, index) => operation(from + index, text)),
});
const unpack = (payloads: readonly string[]) =>
  payloads.flatMap((payload): unknown[] => [...(readEnvelope(payload)?.news ?? ["unreadable"])]);

describe("notifications", () => {
  it("[notify-1] consecutive batches of one document become one item, others stay apart", () => {
    const news = unpack(
      pack("i", [batch("a", 1, 2), batch("b", 7, 7), batch("a", 3, 3), batch("a", 5, 5)], undefined),
    );
    expect(news).toMatchObject([
      {
        docId: "a",
        from: 1,
        to: 3,
        previousId: null,
        texts: [operation(1), operation(2), operation(3)],
      },
      { docId: "b", from: 7, to: 7 },
      { docId: "a", from: 5, to: 5 },
    ]);
  });

  it("[notify-7] ranges without their operations become one, whoever wrote what lies between", () => {
    const range = (from: number, to: number): News => {
      const { texts: _, ...rest } = batch("a", from, to) as Extract<News, { kind: "operations" }>;
      return rest;
    };
    expect(unpack(pack("i", [range(1, 30), range(61, 90)], undefined))).toEqual([
      { kind: "operations", docId: "a", from: 1, to: 90, previousId: null },
    ]);
    // With operations, only what follows.
    expect(unpack(pack("i", [range(1, 30), batch("a", 61, 62)], undefined))).toHaveLength(2);
  });

  it("[notify-4] a notification whose lines are not those that its head tells of is no notification", () => {
    const [payload = ""] = pack("i", [batch("a", 1, 2), { kind: "change", docId: "b" }], undefined);
    expect(unpack([payload])).toHaveLength(2);
    expect(unpack([`${payload}\n${operation(3)}`, payload.slice(0, payload.lastIndexOf("\n"))])).toEqual([
      "unreadable",
      "unreadable",
    ]);
  });

  it("[notify-6] of what another version tells, this one hears which documents to look at", () => {
    const told = [
      { kind: "operations", docId: "a", span: [1, 2] },
      { kind: "later", docId: "a" },
      { kind: "presence", docId: "b", left: "everybody" },
    ];
    const payload = `${JSON.stringify({ instanceId: "i", news: told })}\nanything`;
    expect(readEnvelope(payload)).toEqual({
      instanceId: "i",
      news: [
        { kind: "change", docId: "a" },
        { kind: "change", docId: "b" },
      ],
    });
  });

  it("[notify-5] a line is the operation of its version, or nothing", () => {
    expect(readNotified(operation(7), 7)).toMatchObject({ version: 7, id: "id-7", element: "e" });
    for (const text of [operation(6), "", "null", "7", "{", '{"version":7}'])
      expect(readNotified(text, 7)).toBeUndefined();
  });

  it("[notify-2] what does not fit points at the log", () => {
    const [news] = unpack(pack("i", [batch("a", 1, 2, "é".repeat(4_000))], undefined));
    expect(news).toEqual({ kind: "operations", docId: "a", from: 1, to: 2, previousId: null });
  });

  it("[notify-3] no payload is refused by PostgreSQL, nothing is lost, a canary comes last", () => {
    const news = fc.array(
      fc.oneof(
        fc
          .record({
            doc: fc.constantFrom("a", "b", "c"),
            size: fc.nat(20),
            text: fc.string({ maxLength: 900, unit: "grapheme" }),
          })
          .map(({ doc, size, text }) => batch(doc, 1, size + 1, text)),
        fc.array(fc.uuid(), { maxLength: 400 }).map((left): News => ({ kind: "presence", docId: "a", left })),
        fc.array(fc.tuple(fc.uuid(), fc.string({ maxLength: 3_000 })), { maxLength: 10 }).map(
          (states): News => ({
            kind: "presence",
            docId: "b",
            states: Object.fromEntries(states.map(([id, text]) => [id, [1, { text }] as const])),
          }),
        ),
        fc.constant<News>({ kind: "change", docId: "c" }),
      ),
    );
    fc.assert(
      fc.property(news, (all) => {
        const payloads = pack("instance-1", all, 42);
        for (const payload of payloads)
          expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(maxPayloadBytes);
        expect(payloads.at(-1)?.endsWith('"canary":42}')).toBe(true);
        const told = unpack(payloads);
        expect(told).not.toContain("unreadable");
        const left = (items: readonly unknown[]) =>
          (items as News[]).flatMap((item) => (item.kind === "presence" ? (item.left ?? []) : [])).sort();
        expect(left(told)).toEqual(left(all));
        const states = (items: readonly unknown[]) =>
          (items as News[])
            .flatMap((item) => (item.kind === "presence" ? Object.keys(item.states ?? {}) : []))
            .sort();
        expect(states(told)).toEqual(states(all));
        const highest = (items: readonly unknown[], doc: string) =>
          Math.max(
            0,
            ...(items as News[]).map((item) =>
              item.kind === "operations" && item.docId === doc ? item.to : 0,
            ),
          );
        for (const doc of ["a", "b", "c"]) expect(highest(told, doc)).toBe(highest(all, doc));
      }),
      { numRuns: 300 },
    );
  });
});
