import { describe, expect, it } from "vitest";
import { elementChange, type SceneElement, toScene, toWire } from "../../../client-demo/binding/index.ts";

const counters = { version: 1, versionNonce: 1 };

function scene(properties: Parameters<typeof toScene>[1]): SceneElement {
  const element = toScene("e", properties, counters);
  if (element === undefined) throw new Error("no drawing");
  return element;
}

function changed(element: SceneElement, fields: Record<string, unknown>): SceneElement {
  return { ...element, ...fields, version: element.version + 1 };
}

describe("what a person did becomes the smallest change", () => {
  const box = scene({ type: "rectangle", width: 50, height: 40, index: "a0" });
  const wire = toWire(box);

  it("[difference-1] the editor's own counters are no change", () => {
    expect(elementChange("e", wire, { ...box, version: 9, versionNonce: 7 })).toBeUndefined();
    for (const name of ["version", "versionNonce", "updated", "isDeleted", "boundElements", "id"])
      expect(wire).not.toHaveProperty(name);
  });

  it.each([
    [{ x: 3, y: 4 }, "move"],
    [{ x: 3, width: 60 }, "resize"],
    [{ strokeColor: "#e03131", opacity: 50 }, "style"],
    [{ locked: true }, "update"],
  ])("[difference-2] %j is a %s of these properties alone", (fields, kind) => {
    const change = elementChange("e", wire, changed(box, fields));
    expect(change).toMatchObject({ type: "write", kind, set: fields, unset: [], append: {}, texts: {} });
    expect(change?.type === "write" && Object.keys(change.set)).toEqual(Object.keys(fields));
  });

  it("[difference-3] a stroke that grows is its new points, rounded to a hundredth", () => {
    const stroke = scene({ type: "freedraw", points: [[0, 0]], index: "a0" });
    const points = [
      [0, 0],
      [1.234_567, 2.001],
      [3.333_33, 0.018],
    ];
    const added = [
      [1.23, 2],
      [3.33, 0.02],
    ];
    expect(elementChange("e", toWire(stroke), changed(stroke, { points }))).toMatchObject({
      kind: "resize",
      set: {},
      append: { points: added },
    });
  });

  it("[difference-4] typing is a text before and after, whatever it does to the width beside it", () => {
    const text = scene({ type: "text", text: "ab", width: 20, index: "a0" });
    const typed = changed(text, { text: "abc", originalText: "abc", width: 30 });
    expect(elementChange("e", toWire(text), typed)).toMatchObject({
      kind: "text",
      set: { width: 30 },
      texts: { text: { before: "ab", after: "abc" }, originalText: { before: "ab", after: "abc" } },
    });
  });

  it("[difference-5] gone, with a tombstone or without, is a delete; what was never sent is nothing", () => {
    expect(elementChange("e", wire, undefined)).toEqual({ type: "delete", element: "e" });
    const deleted = changed(box, { isDeleted: true });
    expect(elementChange("e", wire, deleted)).toEqual({ type: "delete", element: "e" });
    expect(elementChange("e", undefined, deleted)).toBeUndefined();
    expect(elementChange("e", undefined, changed(box, { width: 0, height: 0 }))).toBeUndefined();
  });

  it("[difference-6] what is sent is a copy: the editor goes on writing into its own", () => {
    const groupIds = ["g"];
    const change = elementChange("e", undefined, changed(box, { groupIds }));
    groupIds.push("h");
    expect(change).toMatchObject({ type: "create", properties: { groupIds: ["g"] } });
  });
});

describe("what others wrote becomes a scene that the editor survives", () => {
  it.each([
    { type: "rectangle", x: "far", width: null, groupIds: "none", index: "🙂" },
    { type: "arrow", points: [[0, 0], "x"], startBinding: 7 },
    { type: "line", points: [[1, 2]] },
    { type: "freedraw", points: 5, pressures: {} },
    { type: "text", text: 5, fontSize: "big", lineHeight: null },
    { type: "image", scale: "no", fileId: { a: 1 } },
  ])("[scene-1] %j", (properties) => {
    const element: Record<string, unknown> = { ...scene(properties as never) };
    for (const name of ["x", "y", "width", "height", "angle", "opacity"])
      expect(Number.isFinite(element[name]), name).toBe(true);
    expect(Array.isArray(element.groupIds)).toBe(true);
    expect(element.index).toBeNull();
    if (properties.type === "arrow" || properties.type === "line") expect(element.points).toHaveLength(2);
  });

  it("[scene-2] what is no drawing is not shown", () => {
    expect(toScene("e", { title: "a cell" }, counters)).toBeUndefined();
    expect(toScene("e", { type: "paragraph" }, counters)).toBeUndefined();
  });

  it("[scene-3] a text that a script wrote has an extent", () => {
    const text = scene({ type: "text", text: "two\nlines" });
    expect(text).toMatchObject({ originalText: "two\nlines", height: 50 });
  });

  it("[scene-4] what it makes is sent back as it came", () => {
    const properties = toWire(
      scene({ type: "arrow", index: "a1", seed: 2 ** 31 - 1, customData: { from: "script" } }),
    );
    expect(toWire(scene(properties))).toEqual(properties);
  });
});
