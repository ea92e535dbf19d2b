import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editBetween, mergeText, placeAfter } from "../../../client-demo/binding/merge-text.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "é", "😀", "😁"), maxLength: 8 });
const property = (check: (one: string, two: string, three: string) => void): void => {
  fc.assert(fc.property(text, text, text, check), { seed: 20_261_124, numRuns: 3_000 });
};

describe("what is typed into a field while others type", () => {
  it("[demo/merge] is all there is when nobody else typed, and others' text is when nothing was typed", () => {
    property((shown, mine) => {
      expect(mergeText(shown, mine, shown)).toBe(mine);
      expect(mergeText(shown, shown, mine)).toBe(mine);
    });
  });

  it("[demo/merge] keeps what both inserted, each where it was typed", () => {
    property((left, middle, right) => {
      const shown = `${left}|${right}`;
      expect(mergeText(shown, `<${shown}`, `${shown}${middle}>`)).toBe(`<${shown}${middle}>`);
      expect(mergeText(shown, `${shown}${middle}>`, `<${shown}`)).toBe(`<${shown}${middle}>`);
    });
    expect(mergeText("", "mine", "theirs")).toBe("theirsmine");
  });

  it("[demo/merge] never makes half a character", () => {
    property((shown, mine, theirs) => {
      expect(mergeText(shown, mine, theirs)).not.toMatch(/\p{Surrogate}/u);
    });
  });

  it("[demo/merge] an edit makes the text of which it was taken, and a caret keeps its neighbours", () => {
    property((before, after) => {
      const { start, end, insert } = editBetween(before, after);
      expect(before.slice(0, start) + insert + before.slice(end)).toBe(after);
    });
    expect(placeAfter(3, editBetween("one two", "one and two"))).toBe(3);
    expect(placeAfter(7, editBetween("one two", "one and two"))).toBe(11);
  });
});
