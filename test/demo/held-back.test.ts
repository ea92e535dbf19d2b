import { describe, expect, it } from "vitest";
import type { SequencedOperation } from "../../client/index.ts";
import { afterHeldBack } from "../../client-demo/board/held-back.ts";

const box = { type: "rectangle", x: 1, link: "a" };
const held = (...changes: readonly Partial<SequencedOperation>[]) => changes as readonly SequencedOperation[];

describe("what using held-back edits would make of an element", () => {
  it("[demo/held-back] changes follow each other; what they remove is gone", () => {
    const changes = held({ type: "move", set: { x: 2 } }, { type: "update", set: { y: 3 }, unset: ["link"] });
    expect(afterHeldBack(changes, box, {})).toEqual({ type: "rectangle", x: 2, y: 3 });
    expect(box).toEqual({ type: "rectangle", x: 1, link: "a" });
  });

  it("[demo/held-back] a deletion deletes it; what comes after that brings it back as it was", () => {
    const [move, remove] = held({ type: "move", set: { x: 2 } }, { type: "delete" });
    if (move === undefined || remove === undefined) throw new Error("no operations");
    expect(afterHeldBack([move, remove], box, {})).toBeUndefined();
    expect(afterHeldBack([remove, move], box, {})).toEqual({ ...box, x: 2 });
  });

  it("[demo/held-back] a change to what is deleted by now brings it back as it was last; a creation makes it anew", () => {
    expect(afterHeldBack(held({ type: "move", set: { x: 2 } }), undefined, box)).toEqual({ ...box, x: 2 });
    expect(afterHeldBack(held({ type: "create", props: { x: 5 } }), box, {})).toEqual({ x: 5 });
    expect(afterHeldBack(held({ type: "delete" }), undefined, box)).toBeUndefined();
  });
});
