import { describe, expect, it } from "vitest";
import {
  type CollidedOperation,
  type RecentConflict,
  recordConflicts,
} from "../../shared/document/conflict-record.ts";
import type { Author } from "../../shared/document/operation.ts";

const ann: Author = { user: "ann", client: "a" };
const bob: Author = { user: "bob", client: "b" };
const cy: Author = { user: "cy", client: "c" };

function collided(
  id: string,
  author: Author,
  element: string,
  ...with_: [string | null, Author, number][]
): CollidedOperation {
  const collisions = with_.map(([property, other, version]) => ({
    property,
    with: { version, author: other, operationId: `op${version}`, at: "", life: null },
  }));
  return { operation: { id, type: "update", element }, author, collisions, outcome: "applied" };
}

function record(decided: CollidedOperation[], recent: RecentConflict[] = []) {
  let ids = 0;
  return recordConflicts({ decided, recent, newId: () => `new${++ids}` });
}

const recent = {
  id: "old",
  element: "e",
  authors: ["bob\nb", "ann\na"],
  resolution: "lww",
  resolvedBy: "system",
} as const;

describe("conflict records", () => {
  it("[document/record] an operation belongs to the record of its latest colliding write, which names all of them", () => {
    const { writes, byOperation } = record([collided("x", ann, "e", ["p", bob, 7], ["q", cy, 9])]);
    expect(byOperation).toEqual(new Map([["x", "new1"]]));
    expect(writes).toEqual([
      {
        id: "new1",
        join: false,
        element: "e",
        properties: ["p", "q"],
        resolution: "lww",
        resolvedBy: "system",
        description: "cy and ann changed p, q of e at the same time; the later change was kept",
        authors: ["cy\nc", "ann\na"],
        operations: ["op7", "op9", "x"],
      },
    ]);
  });

  it("[document/record] of records on other elements, of which thousands may be unresolved, nothing is made", () => {
    let looks = 0;
    const others = Array.from({ length: 1_000 }, (_, index) => ({
      ...recent,
      id: `other${index}`,
      element: `e${index}`,
      get authors() {
        looks += 1;
        return recent.authors;
      },
    }));
    const { writes } = record([collided("x", ann, "e", ["p", bob, 7])], [...others, recent]);
    expect(writes).toMatchObject([{ id: "old", join: true }]);
    expect(looks).toBe(0);
  });

  it("[document/record] one side a creation or deletion: the whole element", () => {
    expect(record([collided("x", ann, "e", ["p", bob, 7], [null, bob, 9])]).writes).toMatchObject([
      { properties: [] },
    ]);
  });

  it("[document/record] repeated collisions of the same two on one element make one record, either way round", () => {
    const { writes, byOperation } = record([
      collided("x", ann, "e", ["p", bob, 7]),
      collided("y", bob, "e", ["q", ann, 8]),
      collided("z", ann, "f", ["p", bob, 9]),
      collided("none", ann, "e"),
    ]);
    expect([...byOperation]).toEqual([
      ["x", "new1"],
      ["y", "new1"],
      ["z", "new2"],
    ]);
    expect(writes).toMatchObject([
      { properties: ["p", "q"], operations: ["op7", "x", "op8", "y"] },
      { element: "f" },
    ]);
  });

  it("[document/record] a recent record of the two is joined; another element's, another pair's, an unresolved one is not", () => {
    const decided = [collided("x", ann, "e", ["p", bob, 7])];
    expect(record(decided, [recent]).writes).toMatchObject([
      { id: "old", join: true, operations: ["op7", "x"] },
    ]);
    for (const other of [
      { ...recent, element: "f" },
      { ...recent, authors: ["bob\nb", "cy\nc"] },
      { ...recent, resolution: "manual", resolvedBy: null } as const,
    ]) {
      expect(record(decided, [other]).writes).toMatchObject([{ id: "new1", join: false }]);
    }
  });
});
