import { describe, expect, it } from "vitest";
import { isElementId, isPropertyName, isUuid } from "../../shared/document/identifier.ts";
import { checkJson, type Json, jsonEqual, maxJsonDepth } from "../../shared/document/json.ts";

const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)]);

describe("JSON values", () => {
  it("[document/json] a scalar is of depth 0, [] of depth 1; 16 is admitted, 17 is not", () => {
    expect(checkJson(1, 0)).toBeUndefined();
    expect(checkJson([], 0)).toBeDefined();
    expect(checkJson([], 1)).toBeUndefined();
    expect(checkJson(nested(maxJsonDepth), maxJsonDepth)).toBeUndefined();
    expect(checkJson(nested(maxJsonDepth + 1), maxJsonDepth)).toMatchObject({ message: "nested too deeply" });
  });

  it.each<[string, unknown, string]>([
    ["\\u0000", { a: ["x\u0000"] }, "a.0"],
    ["a lone high surrogate", ["\ud800"], "0"],
    ["a lone low surrogate", { k: "\udc00x" }, "k"],
    ["a lone surrogate in a key", { a: { "\ud800": 1 } }, "a"],
    ["\\u0000 in a key", { "\u0000": 1 }, ""],
    ["a number that overflows", JSON.parse('{"n": 1e400}'), "n"],
    ["__proto__", JSON.parse('{"a": [{"__proto__": 1}]}'), "a.0.__proto__"],
    ["constructor", { constructor: 1 }, "constructor"],
    ["prototype", { a: { prototype: {} } }, "a.prototype"],
    ["undefined", [undefined], "0"],
    ["an object of a class", { when: new Date(0) }, "when"],
  ])("[document/json] refused with its place: %s", (_, value, path) => {
    expect(checkJson(value, maxJsonDepth)).toMatchObject({ path });
  });

  it("[document/json] pairs of surrogates and other keys are admitted", () => {
    expect(checkJson({ "ключ 😀": "😀", toString: 1, "": null }, maxJsonDepth)).toBeUndefined();
  });

  it("[document/json] equality: -0 is 0, order of keys does not count, absent is not null", () => {
    expect(jsonEqual(-0, 0)).toBe(true);
    expect(jsonEqual({ a: 1, b: [{}] }, { b: [{}], a: 1 })).toBe(true);
    expect(jsonEqual(undefined, null)).toBe(false);
    expect(jsonEqual([], {})).toBe(false);
    expect(jsonEqual([1, 2], [2, 1])).toBe(false);
    expect(jsonEqual({ a: 1 }, { toString: 1 })).toBe(false);
    expect(jsonEqual({ toString: 1 }, { a: 1 })).toBe(false);
    expect(jsonEqual("1", 1)).toBe(false);
  });
});

describe("identifiers", () => {
  it("[document/identifier] element ids and property names: 1–128 of A-Za-z0-9_.:-, no prototype names", () => {
    for (const good of ["a", "A-9_.:", "x".repeat(128), "toString"])
      expect(isElementId(good), good).toBe(true);
    for (const bad of [
      "",
      "x".repeat(129),
      "a b",
      "é",
      "a\n",
      "__proto__",
      "constructor",
      "prototype",
      1,
      null,
    ]) {
      expect(isElementId(bad), String(bad)).toBe(false);
      expect(isPropertyName(bad), String(bad)).toBe(false);
    }
  });

  it("[document/identifier] UUIDs are lower-case", () => {
    expect(isUuid("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")).toBe(true);
    expect(isUuid("0190A1B2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")).toBe(false);
    expect(isUuid("0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")).toBe(false);
    expect(isUuid("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\n")).toBe(false);
  });
});
