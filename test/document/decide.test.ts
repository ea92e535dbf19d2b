import { describe, expect, it } from "vitest";
import {
  commitDraft,
  type Decision,
  Draft,
  decide,
  type SubmitToDecide,
} from "../../shared/document/decide.ts";
import { forgetBefore } from "../../shared/document/document-memory.ts";
import type { Author, Operation, SequencedOperation } from "../../shared/document/operation.ts";
import { applySequenced, createState, type DocumentState } from "../../shared/document/state.ts";

const ann: Author = { user: "ann", client: "a" };
const bob: Author = { user: "bob", client: "b" };
type Fields = Omit<Operation, "id" | "element"> & { element?: string };

let lastId = 0;
function operation(fields: Fields): Operation {
  lastId += 1;
  return { element: "e", ...fields, id: `00000000-0000-7000-8000-${String(lastId).padStart(12, "0")}` };
}

/** A document and its log, as one instance sees it. */
class Document {
  readonly state: DocumentState = createState();

  /** Sequences an operation as it is. */
  log(author: Author, fields: Fields, status: SequencedOperation["status"] = "applied"): void {
    const version = this.state.version + 1;
    const { user, client } = author;
    const at = "2026-01-01T00:00:00.000Z";
    applySequenced(this.state, {
      ...operation(fields),
      version,
      base: version - 1,
      status,
      session: "",
      user,
      client,
      at,
    });
  }

  decide(
    author: Author,
    base: number,
    ops: readonly Fields[],
    more: Partial<SubmitToDecide> = {},
    draft = new Draft(this.state),
  ): Decision {
    const limits = { maxElements: 0, maxDocumentBytes: 0 };
    return decide(draft, {
      ops: ops.map(operation),
      base,
      author,
      policy: "lww",
      retainedFrom: 1,
      limits,
      ...more,
    });
  }

  /** The single operation's outcome: what is sequenced, and what it collides with as `property@version`. */
  judge(author: Author, base: number, fields: Fields): { sequenced: object; collisions: string[] } {
    const decision = this.decide(author, base, [fields]);
    if (decision.outcome !== "accepted") throw new Error(JSON.stringify(decision));
    const [first] = decision.operations;
    const { id: _id, element: _element, ...sequenced } = first!.operation;
    const collisions = first!.collisions.map((each) => `${each.property}@${each.with.version}`);
    return { sequenced, collisions };
  }
}

/** A document whose element `e` was created by bob at version 1. */
function withElement(props: { [name: string]: string | number | (string | number)[] }): Document {
  const document = new Document();
  document.log(bob, { type: "create", props });
  return document;
}

describe("deciding: order of checks", () => {
  it("[document/decide] base beyond the current version is invalid, one older than the log too old", () => {
    const document = withElement({ x: 1 });
    expect(document.decide(ann, 2, [{ type: "update", set: { x: 2 } }])).toMatchObject({
      code: "invalid_operation",
    });
    document.log(bob, { type: "update", set: { x: 2 } });
    document.log(bob, { type: "update", set: { x: 3 } });
    const old = document.decide(ann, 1, [{ type: "update", set: { x: 2 } }], { retainedFrom: 3 });
    expect(old).toMatchObject({ code: "base_too_old" });
    expect(document.decide(ann, 2, [{ type: "update", set: { x: 2 } }], { retainedFrom: 3 })).toMatchObject({
      outcome: "accepted",
    });
  });

  it("[document/decide] a memory that does not reach back to base asks for the log", () => {
    const state = createState({ elements: new Map([["e", { x: 1 }]]), version: 10, operationId: "x" });
    const submit = {
      ops: [operation({ type: "update", set: { x: 2 } })],
      author: ann,
      policy: "lww",
      retainedFrom: 1,
    } as const;
    const limits = { maxElements: 0, maxDocumentBytes: 0 };
    expect(decide(new Draft(state), { ...submit, base: 9, limits })).toEqual({
      outcome: "needs_log",
      from: 11,
    });
    expect(decide(new Draft(state), { ...submit, base: 10, limits })).toMatchObject({ outcome: "accepted" });
  });

  it("[document/decide] existence comes before limits, limits before conflicts", () => {
    const document = withElement({ x: 1 });
    document.log(bob, { type: "update", set: { x: 5 } });
    const collides: Fields = { type: "update", set: { x: 2 } };
    const tooMany: Fields = { type: "create", element: "f", props: {} };
    const absent: Fields = { type: "update", element: "no", set: { x: 1 } };
    const strict = { policy: "strict", limits: { maxElements: 1, maxDocumentBytes: 0 } } as const;
    expect(document.decide(ann, 1, [collides, tooMany, absent], strict)).toMatchObject({
      code: "element_not_found",
      details: { path: "ops.2.element" },
    });
    expect(document.decide(ann, 1, [collides, tooMany], strict)).toMatchObject({
      code: "too_large",
      details: { limit: "maxElements" },
    });
    expect(document.decide(ann, 1, [collides], strict)).toMatchObject({
      code: "version_conflict",
      message: "version conflict: expected 2",
      details: { conflicts: [{ element: "e", property: "x", version: 2 }] },
    });
  });

  it("[document/decide] limits: at the limit is fine, past it is not, and what makes no larger is always fine", () => {
    const document = withElement({ text: "x".repeat(100) });
    const bytes = document.state.bytes;
    const grow: Fields = { type: "update", splice: { text: [[0, 0, "yy"]] } };
    expect(
      document.decide(ann, 1, [grow], { limits: { maxElements: 0, maxDocumentBytes: bytes + 2 } }),
    ).toMatchObject({ outcome: "accepted" });
    const limits = { maxElements: 0, maxDocumentBytes: bytes + 1 };
    expect(document.decide(ann, 1, [grow], { limits })).toMatchObject({
      code: "too_large",
      details: { limit: "maxDocumentBytes" },
    });
    const over = { maxElements: 1, maxDocumentBytes: 10 };
    expect(document.decide(ann, 1, [{ type: "update", set: { text: "" } }], { limits: over })).toMatchObject({
      outcome: "accepted",
    });
    expect(
      document.decide(ann, 1, [{ type: "delete" }, { type: "create", props: {} }], { limits: over }),
    ).toMatchObject({ outcome: "accepted" });
  });
});

describe("deciding: the author's view", () => {
  it("[document/decide] create of what exists is invalid; of what was deleted it brings the id back", () => {
    const document = withElement({ x: 1 });
    expect(document.decide(ann, 1, [{ type: "create", props: {} }])).toMatchObject({
      code: "invalid_operation",
      details: { path: "ops.0.element" },
    });
    document.log(bob, { type: "delete" });
    expect(document.decide(ann, 1, [{ type: "create", props: {} }])).toMatchObject({
      code: "invalid_operation",
    });
    expect(document.judge(ann, 2, { type: "create", props: {} }).collisions).toEqual([]);
  });

  it("[document/decide] the author's own later operations are in the view, others' are not", () => {
    const document = new Document();
    document.log(ann, { type: "create", props: {} });
    expect(document.decide(ann, 0, [{ type: "update", set: { x: 1 } }])).toMatchObject({
      outcome: "accepted",
    });
    expect(document.decide(bob, 0, [{ type: "update", set: { x: 1 } }])).toMatchObject({
      code: "element_not_found",
    });
    document.log(ann, { type: "delete" });
    expect(document.decide(ann, 0, [{ type: "update", set: { x: 1 } }])).toMatchObject({
      code: "element_not_found",
    });
    expect(document.decide(bob, 1, [{ type: "update", set: { x: 1 } }])).toMatchObject({
      outcome: "accepted",
    });
  });

  it("[document/decide] earlier operations of the submit are in the view", () => {
    const document = new Document();
    const create: Fields = { type: "create", props: { list: [] } };
    expect(document.decide(ann, 0, [create, { type: "update", append: { list: [1] } }])).toMatchObject({
      outcome: "accepted",
    });
    expect(
      document.decide(ann, 0, [create, { type: "update", append: { list: [1] } }, create]),
    ).toMatchObject({ code: "invalid_operation", details: { path: "ops.2.element" } });
    expect(document.decide(ann, 0, [create, { type: "delete" }, { type: "delete" }])).toMatchObject({
      code: "element_not_found",
      details: { path: "ops.2.element" },
    });
  });

  it("[document/decide] append to what is no array and splice outside the text are invalid", () => {
    const document = withElement({ n: 1, text: "a😀" });
    const path = (fields: Fields): unknown => {
      const decision = document.decide(ann, 1, [fields]);
      return decision.outcome === "refused" ? [decision.code, decision.details.path] : decision.outcome;
    };
    expect(path({ type: "update", append: { n: [1] } })).toEqual(["invalid_operation", "ops.0.append.n"]);
    expect(path({ type: "update", append: { fresh: [1] } })).toBe("accepted");
    expect(path({ type: "update", splice: { n: [[0, 0, "x"]] } })).toEqual([
      "invalid_operation",
      "ops.0.splice.n",
    ]);
    expect(path({ type: "update", splice: { fresh: [[0, 0, "x"]] } })).toEqual([
      "invalid_operation",
      "ops.0.splice.fresh",
    ]);
    expect(path({ type: "update", splice: { text: [[2, 0, "x"]] } })).toEqual([
      "invalid_operation",
      "ops.0.splice.text",
    ]);
    expect(path({ type: "update", splice: { text: [[3, 0, "x"]] } })).toBe("accepted");
    expect(path({ type: "update", splice: { text: [[4, 0, "x"]] } })).toEqual([
      "invalid_operation",
      "ops.0.splice.text",
    ]);
    document.log(bob, { type: "update", splice: { text: [[3, 0, "longer"]] } });
    expect(path({ type: "update", splice: { text: [[4, 0, "x"]] } })).toEqual([
      "invalid_operation",
      "ops.0.splice.text",
    ]);
  });

  it("[document/decide] a splice needs all that its author wrote to the property in base", () => {
    const document = withElement({ text: "abc", other: "" });
    const splice: Fields = { type: "text", splice: { text: [[0, 0, "x"]] } };
    expect(document.decide(ann, 1, [splice, splice])).toMatchObject({
      code: "invalid_operation",
      details: { path: "ops.1.splice.text" },
    });
    expect(document.decide(ann, 1, [{ type: "update", set: { text: "n" } }, splice])).toMatchObject({
      code: "invalid_operation",
    });
    document.log(ann, splice);
    expect(document.decide(ann, 1, [splice])).toMatchObject({ code: "invalid_operation" });
    expect(document.decide(ann, 1, [{ type: "text", splice: { other: [[0, 0, "x"]] } }])).toMatchObject({
      outcome: "accepted",
    });
    expect(document.decide(ann, 2, [splice])).toMatchObject({ outcome: "accepted" });
  });
});

describe("deciding: conflicts under lww", () => {
  it("[document/lww] different values collide and the later wins; equal ones and other properties do not", () => {
    const document = withElement({ x: 1, y: 1 });
    document.log(bob, { type: "move", set: { x: 2 } });
    expect(document.judge(ann, 1, { type: "move", set: { x: 3, y: 5 } })).toEqual({
      sequenced: { type: "move", set: { x: 3, y: 5 } },
      collisions: ["x@2"],
    });
    expect(document.judge(ann, 1, { type: "move", set: { x: 2 } }).collisions).toEqual([]);
    expect(document.judge(ann, 2, { type: "move", set: { x: 3 } }).collisions).toEqual([]);
    expect(document.judge(ann, 1, { type: "move", unset: ["x"] }).collisions).toEqual(["x@2"]);
  });

  it("[document/lww] two tabs of one person are two authors; one's own writes do not collide", () => {
    const document = withElement({ x: 1 });
    document.log(ann, { type: "move", set: { x: 2 } });
    expect(document.judge(ann, 1, { type: "move", set: { x: 3 } }).collisions).toEqual([]);
    expect(
      document.judge({ user: "ann", client: "a2" }, 1, { type: "move", set: { x: 3 } }).collisions,
    ).toEqual(["x@2"]);
  });

  it("[document/lww] compared is the latest write by another author, with the value that it left", () => {
    const document = withElement({ x: 1 });
    document.log(bob, { type: "move", set: { x: 2 } });
    document.log(ann, { type: "move", set: { x: 3 } });
    expect(document.judge(ann, 1, { type: "move", set: { x: 2 } }).collisions).toEqual([]);
    expect(document.judge(ann, 1, { type: "move", set: { x: 3 } }).collisions).toEqual(["x@2"]);
  });

  it("[document/lww] operations held back are not compared with", () => {
    const document = withElement({ x: 1 });
    document.log(bob, { type: "move", set: { x: 2 } }, "conflict");
    expect(document.state.version).toBe(2);
    expect(document.judge(ann, 1, { type: "move", set: { x: 3 } }).collisions).toEqual([]);
  });

  it("[document/lww] appends beside an append do not collide; beside an overwrite they are taken out", () => {
    const document = withElement({ list: [] });
    document.log(bob, { type: "update", append: { list: [1] } });
    expect(document.judge(ann, 1, { type: "update", append: { list: [2] } })).toEqual({
      sequenced: { type: "update", append: { list: [2] } },
      collisions: [],
    });
    document.log(bob, { type: "update", set: { list: [9] } });
    expect(document.judge(ann, 1, { type: "update", append: { list: [2] }, set: { z: 1 } })).toEqual({
      sequenced: { type: "update", set: { z: 1 } },
      collisions: ["list@3"],
    });
    document.log(ann, { type: "update", set: { list: [] } });
    expect(document.judge(ann, 1, { type: "update", append: { list: [2] } }).collisions).toEqual([]);
  });

  it("[document/lww] a set beside an append or a splice collides", () => {
    const document = withElement({ list: [], text: "" });
    document.log(bob, { type: "update", append: { list: [1] }, splice: { text: [[0, 0, "b"]] } });
    expect(document.judge(ann, 1, { type: "update", set: { list: [], text: "a" } }).collisions).toEqual([
      "list@2",
      "text@2",
    ]);
    expect(document.judge(ann, 1, { type: "update", set: { list: [1], text: "b" } }).collisions).toEqual([]);
  });

  it("[document/lww] a splice is moved past each of the others', in order", () => {
    const document = withElement({ text: "abc" });
    document.log(bob, { type: "text", splice: { text: [[0, 0, "12"]] } });
    document.log(bob, { type: "text", splice: { text: [[2, 1, ""]] } });
    expect(
      document.judge(ann, 1, {
        type: "text",
        splice: {
          text: [
            [1, 1, "X"],
            [3, 0, "!"],
          ],
        },
      }),
    ).toEqual({
      sequenced: {
        type: "text",
        splice: {
          text: [
            [2, 1, "X"],
            [4, 0, "!"],
          ],
        },
      },
      collisions: [],
    });
  });

  it("[document/lww] a splice beside an overwrite is taken out", () => {
    const document = withElement({ text: "abc" });
    document.log(bob, { type: "text", set: { text: "new" } });
    expect(document.judge(ann, 1, { type: "text", splice: { text: [[3, 0, "!"]] } })).toEqual({
      sequenced: { type: "text" },
      collisions: ["text@2"],
    });
  });

  it("[document/lww] a write to a deleted element is taken out; unset beside a delete and two deletes are no conflict", () => {
    const document = withElement({ x: 1, list: [] });
    document.log(bob, { type: "delete" });
    expect(document.judge(ann, 1, { type: "update", set: { x: 2 }, append: { list: [1] } })).toEqual({
      sequenced: { type: "update" },
      collisions: ["null@2"],
    });
    expect(document.judge(ann, 1, { type: "update", unset: ["x"] }).collisions).toEqual([]);
    expect(document.judge(ann, 1, { type: "update" }).collisions).toEqual([]);
    expect(document.judge(ann, 1, { type: "delete" }).collisions).toEqual([]);
  });

  it("[document/lww] a delete beside a write other than unset collides and deletes", () => {
    const document = withElement({ x: 1, y: 1 });
    document.log(bob, { type: "update", unset: ["y"] });
    expect(document.judge(ann, 1, { type: "delete" }).collisions).toEqual([]);
    document.log(bob, { type: "update", set: { x: 2 } });
    expect(document.judge(ann, 1, { type: "delete" })).toEqual({
      sequenced: { type: "delete" },
      collisions: ["null@3"],
    });
  });

  it("[document/lww] two creations collide, equal ones too; a create beside a delete does not", () => {
    const document = withElement({ x: 1 });
    expect(document.judge(ann, 0, { type: "create", props: { x: 1 } })).toEqual({
      sequenced: { type: "create", props: { x: 1 } },
      collisions: ["null@1"],
    });
    document.log(bob, { type: "delete" });
    expect(document.judge(ann, 0, { type: "create", props: { x: 1 } }).collisions).toEqual([]);
  });

  it("[document/lww] of an element deleted and created anew: writes are taken out, a delete deletes", () => {
    const document = withElement({ x: 1, list: [] });
    document.log(bob, { type: "delete" });
    document.log(bob, { type: "create", props: { x: 1, list: [] } });
    const write: Fields = { type: "update", set: { x: 1 }, unset: ["n"], append: { list: [1] } };
    expect(document.judge(ann, 1, write)).toEqual({ sequenced: { type: "update" }, collisions: ["null@3"] });
    expect(document.judge(ann, 1, { type: "delete" })).toEqual({
      sequenced: { type: "delete" },
      collisions: ["null@3"],
    });
    document.log(ann, { type: "create", props: { list: [] } });
    expect(document.judge(ann, 1, { type: "update", append: { list: [1] } })).toEqual({
      sequenced: { type: "update", append: { list: [1] } },
      collisions: [],
    });
  });
});

describe("drafts", () => {
  it("[document/draft] what was decided before is decided on; a refused submit leaves no trace", () => {
    const document = withElement({ x: 1 });
    const draft = new Draft(document.state);
    document.decide(ann, 1, [{ type: "move", set: { x: 2 } }], {}, draft);
    const marks = () => [
      draft.version,
      draft.operations.at(-1)?.operation.id,
      draft.growth,
      draft.size,
      draft.operations.length,
      draft.element("e"),
      draft.memory("e"),
    ];
    const before = structuredClone(marks());
    const refused = document.decide(
      bob,
      1,
      [
        { type: "create", element: "f", props: {} },
        { type: "move", set: { x: 100 } },
        { type: "delete", element: "no" },
      ],
      {},
      draft,
    );
    expect(refused).toMatchObject({ outcome: "refused", tentative: true });
    expect(draft.element("f")).toBeUndefined();
    expect(draft.memory("f")).toBeUndefined();
    expect(marks()).toEqual(before);
    const second = document.decide(bob, 1, [{ type: "move", set: { x: 3 } }], {}, draft);
    expect(second).toMatchObject({
      operations: [{ version: 3, collisions: [{ property: "x", with: { version: 2 } }] }],
    });
    expect(document.state.elements.get("e")).toEqual({ x: 1 });
  });

  it("[document/draft] committed later than proposed, its records move along", () => {
    const document = withElement({ x: 1 });
    const draft = new Draft(document.state);
    document.decide(
      ann,
      1,
      [
        { type: "move", set: { x: 2 } },
        { type: "move", set: { y: 2 } },
      ],
      {},
      draft,
    );
    document.log(bob, { type: "create", element: "f", props: {} });
    expect(() => commitDraft(draft, { firstVersion: 2, at: "now" })).toThrow();
    commitDraft(draft, { firstVersion: 3, at: "2026-01-01T00:00:01.000Z" });
    expect(document.state).toMatchObject({ version: 4, operationId: draft.operations.at(-1)?.operation.id });
    expect(document.judge(bob, 2, { type: "move", set: { x: 9, y: 9 } }).collisions).toEqual(["x@3", "y@4"]);
    expect(document.judge(bob, 3, { type: "move", set: { x: 9, y: 9 } }).collisions).toEqual(["y@4"]);
  });

  it("[document/memory] what the retained log cannot be asked for is forgotten, the last writes are not", () => {
    const document = withElement({ text: "" });
    document.log(bob, { type: "create", element: "f", props: {} });
    document.log(bob, { type: "delete", element: "f" });
    for (let letter = 0; letter < 5; letter++)
      document.log(ann, { type: "text", splice: { text: [[0, 0, "x"]] } });
    forgetBefore(document.state.memory, 7);
    const { since, elements } = document.state.memory;
    expect(since).toBe(6);
    expect([...elements.keys()]).toEqual(["e"]);
    const entry = elements.get("e")!.properties.get("text")!;
    expect(entry.last.version).toBe(8);
    expect(entry.splices?.previous?.record.version).toBe(7);
    expect(entry.splices?.previous?.previous).toBeUndefined();
  });
});
