import fc from "fast-check";
import type { Json } from "../../shared/document/json.ts";
import type { SpliceEdit } from "../../shared/document/operation.ts";

/** Short texts with characters of one, two, three and four bytes, the last as surrogate pairs. */
export const text = fc.string({
  unit: fc.constantFrom("a", "b", "c", "é", "あ", "😀", "👩‍💻"),
  maxLength: 12,
});

/** Edits that fit a text: in order, without overlap, not inside a pair. */
export function fittingEdits(of: string, maxEdits = 3): fc.Arbitrary<SpliceEdit[]> {
  const characters = [...of];
  const places = [0];
  for (const character of characters) places.push((places.at(-1) ?? 0) + character.length);
  const place = fc.nat({ max: characters.length });
  return fc
    .tuple(
      fc.array(place, { minLength: 0, maxLength: maxEdits * 2 }),
      fc.array(fc.oneof(fc.constant(""), text), { minLength: maxEdits, maxLength: maxEdits }),
    )
    .map(([picked, inserts]) => {
      const sorted = picked.sort((a, b) => a - b);
      const edits: SpliceEdit[] = [];
      for (let index = 0; index + 1 < sorted.length; index += 2) {
        const from = places[sorted[index]!]!;
        const to = places[sorted[index + 1]!]!;
        edits.push([from, to - from, inserts[index / 2] ?? ""]);
      }
      return edits;
    });
}

/** Small values that are often equal to each other. */
export const value: fc.Arbitrary<Json> = fc.oneof(
  fc.integer({ min: -1, max: 2 }),
  fc.constantFrom<Json>(null, true, "x", -0, 1.5, [], [1, 2], { k: [0] }, { k: 1, l: { m: "é" } }),
);
