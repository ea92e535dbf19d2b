import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyOperation } from "../../shared/document/apply.ts";
import type { Elements, Properties } from "../../shared/document/json.ts";
import type { OperationEffect } from "../../shared/document/operation.ts";
import { effectBytes, elementBytes } from "../../shared/document/size.ts";
import { value } from "./arbitraries.ts";

const freeze = <T>(thing: T): T => {
  if (typeof thing === "object" && thing !== null) for (const each of Object.values(thing)) freeze(each);
  return Object.freeze(thing);
};
const applied = (
  before: Properties | undefined,
  op: Omit<OperationEffect, "element">,
): Properties | undefined => {
  const elements: Elements = new Map(before === undefined ? [] : [["e", freeze(before)]]);
  applyOperation(elements, freeze({ ...op, element: "e" }));
  return elements.get("e");
};

describe("applying", () => {
  it("[document/apply] a create replaces a present element whole", () => {
    expect(applied({ a: 1, b: 2 }, { type: "create", props: { a: 3 } })).toEqual({ a: 3 });
  });

  it("[document/apply] writes and deletes of an absent element have no effect", () => {
    expect(applied(undefined, { type: "update", set: { a: 1 }, append: { l: [1] } })).toBeUndefined();
    expect(applied(undefined, { type: "delete" })).toBeUndefined();
  });

  it("[document/apply] set, unset, append and splice of one operation", () => {
    const before = { a: 1, gone: 1, list: [1], text: "héllo" };
    const op: Omit<OperationEffect, "element"> = {
      type: "update",
      set: { a: 2, n: null },
      unset: ["gone", "absent"],
      append: { list: [2], fresh: [3] },
      splice: { text: [[1, 1, "e"]] },
    };
    expect(applied(before, op)).toEqual({
      a: 2,
      n: null,
      list: [1, 2],
      fresh: [3],
      text: "hello",
    });
  });

  it("[document/apply] an append to what is no array and a splice that does not fit have no effect", () => {
    const before = { a: 1, text: "x" };
    expect(
      applied(before, {
        type: "update",
        append: { a: [1] },
        splice: { text: [[2, 0, "y"]], a: [[0, 0, "z"]], no: [[0, 0, "z"]] },
      }),
    ).toEqual(before);
  });

  it("[document/apply] names of Object.prototype are ordinary properties", () => {
    expect(applied({ a: 1 }, { type: "update", unset: ["toString"], append: { valueOf: [1] } })).toEqual({
      a: 1,
      valueOf: [1],
    });
    const edits: readonly [number, number, string][] = [[0, 0, "x"]];
    const splice = Object.fromEntries([["toString", edits]]);
    expect(applied({ a: 1 }, { type: "update", splice })).toEqual({ a: 1 });
  });

  it("[document/apply] never throws, and the size is kept by differences", () => {
    const names = fc.constantFrom("a", "b", "l", "t", "toString");
    const fields = fc.record(
      {
        set: fc.dictionary(names, value, { maxKeys: 2 }),
        unset: fc.array(names, { maxLength: 3 }),
        append: fc.dictionary(names, fc.array(value, { maxLength: 2 }), { maxKeys: 2 }),
        splice: fc.dictionary(names, fc.constantFrom([[0, 0, "é"] as const], [[0, 1, "b😀"] as const]), {
          maxKeys: 2,
        }),
      },
      { requiredKeys: [] },
    );
    const op = fc.oneof(
      fc.record({
        type: fc.constant("create" as const),
        props: fc.dictionary(names, fc.oneof(value, fc.constant("t")), { maxKeys: 3 }),
      }),
      fc.constant({ type: "delete" as const }),
      fields.map((each) => {
        const names = Object.keys(each.set ?? {});
        // Within one operation a property stands in one field only.
        const rest = (object: object | undefined, taken: string[]) =>
          Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !taken.includes(name)));
        const unset = (each.unset ?? []).filter((name) => !names.includes(name));
        const append = rest(each.append, [...names, ...unset]);
        const splice = rest(each.splice, [...names, ...unset, ...Object.keys(append)]);
        return { type: "update" as const, set: each.set ?? {}, unset, append, splice };
      }),
    );
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 12 }), (ops) => {
        const elements: Elements = new Map();
        let bytes = 0;
        for (const each of ops) {
          const effect = freeze({ ...each, element: "e" }) as OperationEffect;
          const before = elements.get("e");
          const present = before !== undefined ? freeze(before) : undefined;
          // A splice that does not fit has no effect, which the size does not look at: the server sequences none.
          if (effect.type === "update") {
            for (const name of Object.keys(effect.splice ?? {})) if (present?.[name] === "") return;
          }
          bytes += effectBytes(present, effect);
          applyOperation(elements, effect);
          expect(bytes).toBe(elementBytes("e", elements.get("e")));
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
