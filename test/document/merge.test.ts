import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { merge as mergeOfClient } from "../../client/index.ts";
import { checkJson, type Json, jsonEqual } from "../../shared/document/json.ts";
import { merge, mergeValues } from "../../shared/document/merge.ts";
import { text, value } from "./arbitraries.ts";

const key = fc.constantFrom("a", "b", "c", "d");
const nested: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    value,
    text,
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(key, tie("json"), { noNullPrototype: true }),
  ),
})).json;
const maybe = fc.option(nested, { nil: undefined, freq: 10 });

describe("the three-way merge", () => {
  it("[merge] an untouched side gives way: merge(b,b,w) = w, merge(b,c,b) = c, and merge(b,x,x) = x", () => {
    fc.assert(
      fc.property(maybe, maybe, (base, other) => {
        expect(jsonEqual(merge(base, base, other), other)).toBe(true);
        expect(jsonEqual(merge(base, other, base), other)).toBe(true);
        expect(jsonEqual(merge(base, other, other), other)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it("[merge] is deterministic, changes nothing that it is given, and gives a valid value; the SDK's is the same", () => {
    fc.assert(
      fc.property(maybe, maybe, maybe, (base, current, wanted) => {
        const before = JSON.stringify([base, current, wanted]);
        const merged = merge(base, current, wanted);
        expect(JSON.stringify([base, current, wanted])).toBe(before);
        expect(mergeOfClient(base, current, wanted)).toEqual(merged);
        if (merged !== undefined) expect(checkJson(merged, 16)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  it("[merge] texts keep what both sides typed, and lose what either deleted", () => {
    const part = fc.string({ unit: fc.constantFrom("a", "é", "😀"), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(part, part, part, part, part, (first, second, third, theirs, mine) => {
        const base = `${first}1${second}2${third}`;
        expect(
          merge(base, `${first}<${theirs}>${second}2${third}`, `${first}1${second}[${mine}]${third}`),
        ).toBe(`${first}<${theirs}>${second}[${mine}]${third}`);
      }),
    );
    fc.assert(
      fc.property(text, text, text, (base, theirs, mine) => {
        // Both insert into the middle: the one that stands first in the order stands left.
        expect(merge(`(${base})`, `(${theirs}|${base})`, `(${mine}#${base})`)).toContain("|");
        expect(merge(`(${base})`, `(${theirs}|${base})`, `(${mine}#${base})`)).toContain("#");
      }),
    );
    expect(merge("red fox", "red quick fox", "red fox jumps")).toBe("red quick fox jumps");
    expect(merge("x😀y", "x😁y", "x😀y!")).toBe("x😁y!");
  });

  it("[merge] objects keep the keys that either changed, at every depth", () => {
    const dictionary = fc.dictionary(key, value, { noNullPrototype: true });
    fc.assert(
      fc.property(dictionary, dictionary, dictionary, (base, theirs, mine) => {
        const prefixed = (prefix: string, from: { [key: string]: Json }) =>
          Object.fromEntries(Object.entries(from).map(([name, item]) => [prefix + name, item]));
        const current = { ...base, ...prefixed("their-", theirs) };
        const wanted = { ...base, ...prefixed("my-", mine) };
        const all = { ...current, ...wanted };
        expect(merge(base, current, wanted)).toEqual(all);
        expect(merge({ in: base }, { in: current }, { in: wanted })).toEqual({ in: all });
      }),
    );
    expect(merge({ a: 1, b: 2, c: 3 }, { a: 1, c: 3 }, { b: 2, c: 4 })).toEqual({ c: 4 });
    expect(merge({ a: 1 }, { a: 2 }, { a: 3 })).toEqual({ a: 3 });
    expect(merge({ a: 1 }, { a: 2 }, {})).toEqual({});
    expect(merge({ a: { x: "one" } }, { a: { x: "one two" } }, { a: { x: "zero one" } })).toEqual({
      a: { x: "zero one two" },
    });
  });

  it("[merge] arrays are the current one plus what the author added less what the author removed", () => {
    const item = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(
        fc.uniqueArray(item),
        fc.uniqueArray(item),
        fc.uniqueArray(item),
        (base, current, wanted) => {
          fc.pre(![current, wanted].some((side) => jsonEqual(side, base)) && !jsonEqual(current, wanted));
          const merged = merge(base, current, wanted) as number[];
          const added = wanted.filter((each) => !base.includes(each));
          const removed = base.filter((each) => !wanted.includes(each));
          expect(merged).toEqual([...current.filter((each) => !removed.includes(each)), ...added]);
        },
      ),
    );
    expect(merge([1, 1, 2], [1, 1, 2, 3], [1, 2])).toEqual([1, 2, 3]);
    expect(merge([{ a: 1, b: 2 }], [{ b: 2, a: 1 }, 5], [])).toEqual([5]);
    const many = Array.from({ length: 20_000 }, (_, index) => index);
    expect(merge(many, [...many, -1], [...many, -2])).toHaveLength(20_002);
  });

  it("[merge] other kinds, kinds that differ, absent values and what would be invalid: as the later one wants", () => {
    expect(merge(1, 2, 3)).toBe(3);
    expect(merge("a", 2, "b")).toBe("b");
    expect(merge(undefined, { a: 1 }, { b: 1 })).toEqual({ b: 1 });
    expect(merge({ a: 1 }, undefined, { b: 1 })).toEqual({ b: 1 });
    expect(merge({ a: 1 }, { b: 1 }, undefined)).toBeUndefined();
    expect(merge(null, true, null)).toBe(true);
    let deep: Json = "x";
    for (let depth = 0; depth < 17; depth++) deep = { in: deep };
    expect(mergeValues({}, { a: 1 }, { deep })).toBeUndefined();
    expect(merge({}, { a: 1 }, { deep })).toEqual({ deep });
  });
});
