import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SpliceEdit } from "../../shared/document/operation.ts";
import {
  applySplice,
  composeSplices,
  differenceSplice,
  moveSplice,
  moveSplicePair,
} from "../../shared/document/splice.ts";
import { fittingEdits, text } from "./arbitraries.ts";
import { naiveMove } from "./oracle.ts";

const moved = (of: string, past: SpliceEdit[], edits: SpliceEdit[]): string | undefined =>
  applySplice(applySplice(of, past)!, moveSplice(edits, past));
const textAndTwo = text.chain((of) => fc.tuple(fc.constant(of), fittingEdits(of), fittingEdits(of)));

describe("splice", () => {
  it("[document/splice] positions are those of the text before all edits of the list", () => {
    expect(
      applySplice("abcdef", [
        [0, 1, "X"],
        [1, 0, "Y"],
        [4, 2, ""],
      ]),
    ).toBe("XYbcd");
    expect(
      applySplice("ab", [
        [1, 0, "1"],
        [1, 0, "2"],
      ]),
    ).toBe("a12b");
  });

  it.each<[string, SpliceEdit[]]>([
    ["abc", [[4, 0, "x"]]],
    ["abc", [[2, 2, ""]]],
    [
      "abc",
      [
        [2, 1, ""],
        [1, 0, "x"],
      ],
    ],
    ["a😀", [[2, 0, "x"]]],
    ["a😀", [[1, 1, ""]]],
    ["a😀", [[2, 1, ""]]],
  ])(
    "[document/splice] an edit outside the text, out of order or inside a surrogate pair does not apply: %j %j",
    (of, edits) => {
      expect(applySplice(of, edits)).toBeUndefined();
    },
  );

  it("[document/splice] insertions at one place: the earlier in order stands left", () => {
    expect(moved("ab", [[1, 0, "first"]], [[1, 0, "second"]])).toBe("afirstsecondb");
  });

  it("[document/splice] text inserted into what another deletes survives", () => {
    expect(moved("abcd", [[1, 2, ""]], [[2, 0, "X"]])).toBe("aXd");
    expect(moved("abcd", [[2, 0, "X"]], [[1, 2, ""]])).toBe("aXd");
  });

  it("[document/splice] text inserted into what another replaces stands right of the replacement, either way round", () => {
    expect(moved("abcd", [[1, 2, "NEW"]], [[2, 0, "X"]])).toBe("aNEWXd");
    expect(moved("abcd", [[2, 0, "X"]], [[1, 2, "NEW"]])).toBe("aNEWXd");
  });

  it("[document/splice] a replacement stands at the start of what it replaces", () => {
    expect(moved("abcdef", [[1, 3, "P"]], [[2, 3, "Q"]])).toBe("aPQf");
    expect(moved("abcdef", [[2, 3, "P"]], [[1, 3, "Q"]])).toBe("aQPf");
    expect(moved("abcdef", [[1, 3, "P"]], [[1, 3, "Q"]])).toBe("aPQef");
  });

  it("[document/splice] what both delete is deleted once", () => {
    expect(moved("abcdef", [[1, 3, ""]], [[2, 3, ""]])).toBe("af");
    expect(moved("abcdef", [[1, 4, ""]], [[2, 1, ""]])).toBe("af");
  });

  it("[document/splice] moving agrees with the merge written out gap by gap", () => {
    fc.assert(
      fc.property(textAndTwo, ([of, past, edits]) => {
        const after = applySplice(of, past)!;
        const result = applySplice(after, moveSplice(edits, past));
        expect(result).toBe(applySplice(after, naiveMove(edits, past, of.length, false)));
        expect(result).toBeDefined();
      }),
      { numRuns: 5_000 },
    );
  });

  it("[document/splice] both ways round end in the same text", () => {
    fc.assert(
      fc.property(textAndTwo, ([of, mine, theirs]) => {
        const pair = moveSplicePair(mine, theirs);
        const one = applySplice(applySplice(of, theirs)!, pair.mine);
        expect(one).toBeDefined();
        expect(applySplice(applySplice(of, mine)!, pair.theirs)).toBe(one);
      }),
      { numRuns: 5_000 },
    );
  });

  it("[document/splice] a replica that shows theirs under its own typing ends as the server, over many edits", () => {
    const script = text.chain((of) =>
      fc.tuple(fc.constant(of), fittingEdits(of), fc.array(fc.nat(), { maxLength: 8 }), text),
    );
    fc.assert(
      fc.property(script, ([of, typed, places, inserted]) => {
        let confirmed = of;
        let pending: SpliceEdit[] = typed;
        let shown = applySplice(of, typed)!;
        for (const place of places) {
          const at = [...confirmed].slice(0, place % ([...confirmed].length + 1)).join("").length;
          const theirs: SpliceEdit[] = [[at, 0, inserted]];
          const pair = moveSplicePair(pending, theirs);
          confirmed = applySplice(confirmed, theirs)!;
          shown = applySplice(shown, pair.theirs)!;
          pending = pair.mine;
        }
        expect(shown).toBe(applySplice(confirmed, pending));
      }),
      { numRuns: 2_000 },
    );
  });

  it("[document/splice] a composed list does what the two did one after the other", () => {
    const two = text.chain((of) =>
      fittingEdits(of).chain((first) =>
        fc.tuple(fc.constant(of), fc.constant(first), fittingEdits(applySplice(of, first)!)),
      ),
    );
    fc.assert(
      fc.property(two, ([of, first, second]) => {
        const both = applySplice(applySplice(of, first)!, second);
        expect(applySplice(of, composeSplices(first, second))).toBe(both);
      }),
      { numRuns: 5_000 },
    );
  });

  it("[document/splice] typing letter after letter composes into one edit", () => {
    const typed = [..."hello"].reduce<SpliceEdit[]>(
      (all, letter, at) => composeSplices(all, [[3 + at, 0, letter]]),
      [],
    );
    expect(typed).toEqual([[3, 0, "hello"]]);
  });

  it("[document/splice] the difference is one edit that fits and makes one text of the other", () => {
    fc.assert(
      fc.property(text, text, text, text, (head, before, after, tail) => {
        const edits = differenceSplice(head + before + tail, head + after + tail);
        expect(applySplice(head + before + tail, edits)).toBe(head + after + tail);
        expect(edits.length).toBe(before === after ? 0 : 1);
      }),
      { numRuns: 5_000 },
    );
    expect(differenceSplice("abcXdef", "abcYYdef")).toEqual([[3, 1, "YY"]]);
    expect(differenceSplice("aaa", "aa")).toEqual([[2, 1, ""]]);
    expect(differenceSplice("😀", "😁")).toEqual([[0, 2, "😁"]]);
  });
});
