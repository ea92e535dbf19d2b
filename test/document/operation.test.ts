import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeEffect,
  encodeEffect,
  type Operation,
  readOperation,
} from "../../shared/document/operation.ts";
import { operationSchema } from "../../shared/document/operation-schema.ts";

const id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
const update = (fields: object): unknown => ({ id, type: "update", element: "e", ...fields });
const read = (value: unknown) => {
  const reading = readOperation(value);
  return reading.ok ? "ok" : `${reading.code} ${reading.path}`;
};

describe("reading an operation", () => {
  it("[document/operation] a clean operation has its known fields only; props of a create default to {}", () => {
    expect(
      readOperation({ ...(update({ set: { x: 1 }, extra: { k: 1 } }) as object), version: 9, bad: "\u0000" }),
    ).toEqual({
      ok: true,
      operation: { id, type: "update", element: "e", set: { x: 1 }, extra: { k: 1 } },
    });
    expect(readOperation({ id, type: "create", element: "e" })).toEqual({
      ok: true,
      operation: { id, type: "create", element: "e", props: {} },
    });
  });

  it.each<[unknown, string]>([
    [null, "invalid_operation "],
    [[], "invalid_operation "],
    [update({ id: id.toUpperCase() }), "invalid_operation id"],
    [update({ type: "rotate" }), "invalid_operation type"],
    [update({ element: "__proto__" }), "invalid_operation element"],
    [update({ props: {} }), "invalid_operation props"],
    [{ id, type: "create", element: "e", set: {} }, "invalid_operation set"],
    [{ id, type: "delete", element: "e", props: {} }, "invalid_operation props"],
    [{ id, type: "delete", element: "e", unset: [] }, "invalid_operation unset"],
    [update({ set: null }), "invalid_operation set"],
    [update({ set: { "a b": 1 } }), "invalid_operation set"],
    [update({ set: JSON.parse('{"__proto__": 1}') }), "invalid_operation set"],
    [update({ set: { a: { b: [Number.NaN] } } }), "invalid_operation set.a.b.0"],
    [update({ set: { a: 1 }, unset: ["a"] }), "invalid_operation unset.0"],
    [update({ unset: ["a"], append: { a: [] } }), "invalid_operation append.a"],
    [update({ append: { a: [] }, splice: { a: [] } }), "invalid_operation splice.a"],
    [update({ append: { a: 1 } }), "invalid_operation append.a"],
    [update({ splice: { a: [[0, 1]] } }), "invalid_operation splice.a.0"],
    [update({ splice: { a: [[-1, 0, "x"]] } }), "invalid_operation splice.a.0"],
    [update({ splice: { a: [[0, 0.5, "x"]] } }), "invalid_operation splice.a.0"],
    [update({ splice: { a: [[0, 0, "\ud800"]] } }), "invalid_operation splice.a.0"],
    [
      update({
        splice: {
          a: [
            [2, 2, ""],
            [3, 0, "x"],
          ],
        },
      }),
      "invalid_operation splice.a.1",
    ],
    [
      update({
        splice: {
          a: [
            [2, 2, ""],
            [4, 0, "x"],
          ],
        },
      }),
      "ok",
    ],
    [update({ extra: [] }), "invalid_operation extra"],
    [update({ extra: { k: "x".repeat(4088) } }), "ok"],
    [update({ extra: { k: "x".repeat(4089) } }), "too_large extra"],
    [update({ extra: { k: "é".repeat(2045) } }), "too_large extra"],
    [update({}), "ok"],
  ])("[document/operation] %j is %s", (value, expected) => {
    expect(read(value)).toBe(expected);
  });

  it("[document/operation] an array is of depth 16 at most after an append too", () => {
    const deep = (depth: number): unknown => (depth === 0 ? 0 : [deep(depth - 1)]);
    expect(read(update({ append: { a: [deep(15)] } }))).toBe("ok");
    expect(read(update({ append: { a: [deep(16)] } }))).toMatch("invalid_operation append.a");
  });

  it("[document/operation] agrees with the schema on every shape", () => {
    const rarely = <T>(bad: readonly T[], good: readonly T[]): fc.Arbitrary<T> =>
      fc.oneof(
        { weight: 40, arbitrary: fc.constantFrom(...good) },
        { weight: 1, arbitrary: fc.constantFrom(...bad) },
      );
    const name = rarely(["a b", "__proto__"], ["a", "b", "c", "d", "f", "g", "h", "toString"]);
    const json = rarely<unknown>(
      [{ constructor: 1 }, "\ud800", Number.NaN, { k: [{ __proto__: null, prototype: 1 }] }],
      [0, "x", null, [], [1], { k: [] }],
    );
    const byName = (value: fc.Arbitrary<unknown>) =>
      fc.array(fc.tuple(name, value), { maxLength: 2 }).map((entries) => {
        const object: { [key: string]: unknown } = {};
        for (const [key, each] of entries) {
          Object.defineProperty(object, key, {
            value: each,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        }
        return object;
      });
    const wild = fc.constantFrom<unknown>(null, 1, [], {}, "x");
    const edit = fc.oneof(
      { weight: 40, arbitrary: fc.tuple(fc.nat(4), fc.nat(2), fc.constantFrom("", "x")) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<unknown>([0, 1], [-1, 0, ""], [0, 0, "\u0000"], [1.5, 0, ""], null),
      },
    );
    const mostly = (value: fc.Arbitrary<unknown>) =>
      fc.oneof({ weight: 60, arbitrary: value }, { weight: 1, arbitrary: wild });
    const absent = fc.constant(undefined);
    const seldom = (value: fc.Arbitrary<unknown>) =>
      fc.oneof({ weight: 12, arbitrary: absent }, { weight: 1, arbitrary: value });
    const candidate = fc.record(
      {
        id: mostly(fc.constant(id)),
        type: mostly(
          fc.constantFrom("create", "delete", "update", "update", "move", "resize", "style", "text"),
        ),
        element: mostly(fc.constantFrom("e", "f")),
        props: seldom(mostly(byName(json))),
        set: mostly(byName(json)),
        unset: mostly(fc.array(mostly(name), { maxLength: 2 })),
        append: mostly(byName(mostly(fc.array(json, { maxLength: 2 })))),
        splice: mostly(byName(mostly(fc.array(edit, { maxLength: 3 })))),
        extra: mostly(byName(json)),
        unknown: json,
      },
      { requiredKeys: ["id", "type", "element"] },
    );
    const seen = { ok: 0, refused: 0 };
    fc.assert(
      fc.property(candidate, (value) => {
        const reading = readOperation(value);
        const parsed = operationSchema.safeParse(value);
        expect(reading.ok).toBe(parsed.success);
        seen[reading.ok ? "ok" : "refused"] += 1;
        if (reading.ok) expect(reading.operation).toEqual(parsed.data);
      }),
      { numRuns: 8_000 },
    );
    expect(Math.min(seen.ok, seen.refused)).toBeGreaterThan(500);
  });

  it("[document/operation] an effect is written as exactly the fields that it has, and read back", () => {
    const op: Operation = {
      id,
      type: "text",
      element: "e",
      set: { a: 1 },
      splice: { t: [[0, 1, "é"]] },
      extra: { k: 1 },
    };
    expect(encodeEffect(op)).toBe('{"set":{"a":1},"splice":{"t":[[0,1,"é"]]}}');
    expect(encodeEffect({ type: "delete", element: "e" })).toBe("{}");
    const { id: _id, extra: _extra, ...effect } = op;
    expect(decodeEffect("text", "e", encodeEffect(op))).toEqual(effect);
    expect(decodeEffect("delete", "e", "{}")).toEqual({ type: "delete", element: "e" });
  });
});
