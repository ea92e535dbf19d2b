/** Section 2 over the wire: what an operation may be, in whose view it is made, and what is checked in which order. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { devToken, rest } from "../instances/start.ts";
import { accepted, enter, op, submit, type TestOperation, useTwoInstances } from "./two-instances.ts";

const running = useTwoInstances({ limits: { maxElements: 5 } });
const nested = (depth: number): unknown => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown;

/** One author on one instance, in a document with an element `e`. */
async function alone(props: Record<string, unknown> = {}, fields: Record<string, unknown> = {}) {
  const { one, ada, createDocument } = running();
  const docId = await createDocument({ elements: { e: props }, ...fields });
  const a = await enter(one, docId, ada, "a");
  return { docId, a };
}

describe("the shape of an operation", () => {
  it("[op-1] update, move, resize, style and text have one effect, and keep their names", async () => {
    const { docId, a } = await alone({ gone: 1 });
    const types = ["update", "move", "resize", "style", "text"];
    const ops = types.map((type) =>
      op("e", { type, set: { [type]: { is: type } }, append: { list: [type] } }),
    );
    const sequenced = await accepted(a, 1, ...ops);
    expect(sequenced.map(({ type }) => type)).toEqual(types);
    await accepted(a, 6, op("e", { unset: ["gone", "never"], splice: {} }), op("e"));
    const e = Object.fromEntries(types.map((type) => [type, { is: type }]));
    expect(await running().content(docId)).toEqual({ e: { ...e, list: types } });
    await a.close();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["append to what is no array", { append: { n: [1] } }, "append.n"],
    ["splice of what is no string", { splice: { n: [[0, 0, "x"]] } }, "splice.n"],
    ["splice of what is absent", { splice: { none: [[0, 0, "x"]] } }, "splice.none"],
    ["splice past the end", { splice: { t: [[5, 1, ""]] } }, "splice.t"],
    ["splice into a surrogate pair", { splice: { t: [[2, 0, "x"]] } }, "splice.t"],
    ["splice of half a surrogate pair", { splice: { t: [[1, 1, ""]] } }, "splice.t"],
    [
      "edits that overlap",
      {
        splice: {
          t: [
            [0, 2, ""],
            [1, 0, "x"],
          ],
        },
      },
      "splice.t.1",
    ],
    ["a property in set and in unset", { set: { t: 1 }, unset: ["t"] }, "unset.0"],
    ["a property in append and in splice", { append: { t: [] }, splice: { t: [] } }, "splice.t"],
    ["props of an update", { props: {} }, "props"],
    ["set of a delete", { type: "delete", set: {} }, "set"],
    ["set of a create", { type: "create", element: "new", set: {} }, "set"],
    ["an unknown type", { type: "rotate" }, "type"],
    ["an id in upper case", { id: randomUUID().toUpperCase() }, "id"],
    ["an element id of 129 characters", { element: "e".repeat(129) }, "element"],
    ["an element id with a slash", { element: "a/b" }, "element"],
    ["the element __proto__", { element: "__proto__" }, "element"],
    ["a property constructor", { set: JSON.parse('{"constructor":1}') }, "set"],
    ["a key prototype within a value", { set: { v: [{ prototype: 1 }] } }, "set.v.0.prototype"],
    ["a key with \\u0000", { set: { v: { "a\u0000": 1 } } }, "set.v"],
    ["a key with a lone surrogate", { set: { v: { "\ud800": 1 } } }, "set.v"],
    ["a value of depth 17", { set: { v: nested(17) } }, "set.v"],
    ["an append that makes a value of depth 17", { append: { v: [nested(16)] } }, "append.v"],
    ["extra that is no object", { extra: [] }, "extra"],
  ])("[op-2] refused as invalid_operation, with the path: %s", async (_, fields, path) => {
    const { docId, a } = await alone({ n: 1, t: "a😀bc" });
    const answer = await submit(a, 1, [op("e", { set: {} }), op("e", fields)]);
    expect(answer).toMatchObject({ code: "invalid_operation", version: 1 });
    const named = (answer as { details?: { path?: string } }).details?.path ?? "";
    expect(named.startsWith(`ops.1.${path}`), `${named} for ops.1.${path}`).toBe(true);
    expect(await running().content(docId)).toEqual({ e: { n: 1, t: "a😀bc" } });
    await a.close();
  });

  it("[op-3] accepted at the bounds: ids and names of 128, depth 16, any keys, positions in UTF-16", async () => {
    const name = "A-z_0.9:".padEnd(128, "x");
    const { docId, a } = await alone({ t: "a😀bc" });
    const inherited = JSON.parse('{"valueOf":1}') as object;
    const value: object = { "": 1, "a/b": 2, é: 3, toString: 4 };
    await accepted(
      a,
      1,
      op(name, { type: "create", props: { [name]: nested(16) } }),
      op(name, { append: { list: [nested(15)] }, set: { value, ...inherited } }),
      op("e", {
        splice: {
          t: [
            [1, 2, "é"],
            [3, 0, "!"],
            [5, 0, "."],
          ],
        },
      }),
    );
    const content: object = await running().content(docId);
    expect(content).toEqual({
      e: { t: "aé!bc." },
      [name]: { [name]: nested(16), list: [nested(15)], value, ...inherited },
    });
    await a.close();
  });

  it("[op-4] extra: 4,096 bytes are kept with the operation, one more is too_large", async () => {
    const { a } = await alone();
    const extra = (bytes: number) => ({ t: "é".repeat((bytes - 8) / 2) });
    expect(Buffer.byteLength(JSON.stringify(extra(4_096)))).toBe(4_096);
    const [kept] = await accepted(a, 1, op("e", { extra: extra(4_096) }));
    expect(kept?.extra).toEqual(extra(4_096));
    expect(await submit(a, 2, [op("e", { extra: { ...extra(4_096), n: 1 } })])).toMatchObject({
      code: "too_large",
      details: { limit: "maxExtraBytes" },
    });
    await a.close();
  });

  it("[op-5] unknown fields of messages and operations are ignored, and not passed on", async () => {
    const { a } = await alone();
    const answer = await submit(a, 1, [op("e", { set: { x: 1 }, version: 99, user: "bob", new: 1 })], {
      new: 1,
    });
    expect(answer).toMatchObject([{ version: 2, user: "ada" }]);
    expect((answer as object[])[0]).not.toHaveProperty("new");
    await a.close();
  });
});

describe("the author's view", () => {
  it("[submit-9] existence is that of base with the author's own operations on top, in flight ones included", async () => {
    const { one, two, ada, bob, createDocument, content } = running();
    const docId = await createDocument({ elements: { e: {}, f: {} } });
    const [a, b] = [await enter(one, docId, ada, "a"), await enter(two, docId, bob, "b")];
    expect(await submit(a, 2, [op("e", { type: "create" })])).toMatchObject({ code: "invalid_operation" });
    for (const type of ["update", "delete"])
      expect(await submit(a, 2, [op("none", { type })])).toMatchObject({ code: "element_not_found" });
    // Within one submit, and over submits that are not answered yet.
    await accepted(
      a,
      2,
      op("g", { type: "create" }),
      op("g", { set: { x: 1 } }),
      op("g", { type: "delete" }),
    );
    expect(await submit(a, 5, [op("g", { set: {} })])).toMatchObject({ code: "element_not_found" });
    const piped = [op("g", { type: "create" }), op("g", { set: { y: 1 } }), op("g", { set: { z: 1 } })];
    const answers = await Promise.all(piped.map((each) => submit(a, 5, [each])));
    expect(answers.flat()).toHaveLength(3);
    // Somebody else's, after base: not in the view.
    await b.sequenced(piped[2]?.id ?? "");
    expect(await submit(b, 2, [op("g", { set: { x: 1 } })])).toMatchObject({
      code: "element_not_found",
      details: { path: expect.stringContaining("ops.0") },
    });
    // Deleted by somebody else after base: still in it, so it is a conflict and not an error.
    await accepted(a, 8, op("f", { type: "delete" }));
    const [write] = await accepted(b, 2, op("f", { set: { x: 1 } }));
    expect(write?.conflict).toBeDefined();
    expect(await content(docId)).toEqual({ e: {}, g: { y: 1, z: 1 } });
    await Promise.all([a.close(), b.close()]);
  });

  it("[submit-10] a property is spliced once a submit, and only when what its author wrote to it is in base", async () => {
    const { docId, a } = await alone({ t: "abc" });
    const type = (at: number, text: string) => op("e", { type: "text", splice: { t: [[at, 0, text]] } });
    expect(await submit(a, 1, [type(3, "d"), type(4, "e")])).toMatchObject({ code: "invalid_operation" });
    expect(await submit(a, 1, [op("e", { set: { t: "x" } }), type(1, "y")])).toMatchObject({
      code: "invalid_operation",
    });
    await accepted(a, 1, type(3, "d"));
    expect(await submit(a, 1, [type(4, "e")])).toMatchObject({ code: "invalid_operation" });
    await accepted(a, 2, type(4, "e"));
    // In flight: the second is sent before the first is answered.
    const [first, second] = await Promise.all([submit(a, 3, [type(5, "f")]), submit(a, 3, [type(6, "g")])]);
    expect([Array.isArray(first), Array.isArray(second)]).toEqual([true, false]);
    // Another property is another matter.
    await accepted(a, 3, op("e", { set: { u: "" } }));
    expect(await running().content(docId)).toEqual({ e: { t: "abcdef", u: "" } });
    await a.close();
  });
});

describe("a submit", () => {
  it("[submit-11] is stored whole or not at all, under consecutive versions, while others write", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ elements: { e: {} } });
    const [a, b] = [await enter(one, docId, ada), await enter(two, docId, bob)];
    const many = (name: string) => Array.from({ length: 20 }, (_, n) => op("e", { set: { [name]: n } }));
    const sent = Array.from({ length: 10 }, (_, n) => [
      submit(a, 1, many(`a${n}`)),
      submit(b, 1, many(`b${n}`)),
    ]);
    const bad = [...many("bad"), op("none")];
    expect(await submit(a, 1, bad)).toMatchObject({
      code: "element_not_found",
      details: { path: "ops.20.element" },
    });
    for (const answer of await Promise.all(sent.flat())) {
      const versions = (answer as { version: number }[]).map(({ version }) => version);
      expect(versions).toEqual(versions.map((_, index) => (versions[0] ?? 0) + index));
    }
    const ids = new Set(bad.map(({ id }) => id));
    expect(b.operations.filter(({ id }) => ids.has(id))).toEqual([]);
    await Promise.all([a.close(), b.close()]);
  });

  it("[submit-12] a malformed one is refused and handled; without a usable seq it is a bad message", async () => {
    const { a } = await alone();
    const twice = op("e");
    const bad: [unknown, unknown, object?][] = [
      [1, [twice, twice]],
      [1, []],
      [1, "none"],
      [-1, [op("e")]],
      [0.5, [op("e")]],
      [undefined, [op("e")]],
      [1, [op("e")], { onConflict: "ignore" }],
      [1, ["nonsense"]],
      [99, [op("e")]],
    ];
    for (const [index, [base, ops, more]] of bad.entries()) {
      a.send({ type: "submit", seq: index + 1, base, ops, ...more });
      expect(await a.next("reject")).toMatchObject({ seq: index + 1, code: "invalid_operation", version: 1 });
    }
    a.send({ type: "submit", seq: "10", base: 1, ops: [op("e")] });
    expect(await a.next("error")).toMatchObject({ code: "bad_message" });
    const good = op("e");
    a.send({ type: "submit", seq: bad.length + 1, base: 1, ops: [good] });
    expect(await a.sequenced(good.id)).toMatchObject({ version: 2 });
    await a.close();
  });

  it("[submit-13] a repeat is told by its ids, not by what it says, in the order of its operations", async () => {
    const { docId, a } = await alone();
    const [first, second] = [op("e", { set: { x: 1 } }), op("e", { set: { y: 1 } })];
    await accepted(a, 1, first, second);
    void submit(a, 0, [
      { ...second, element: "none", set: { x: 9 } },
      { ...first, type: "delete", set: undefined },
    ]);
    expect(await a.next("ack")).toMatchObject({ seq: 2, versions: [3, 2], duplicate: true });
    expect(await running().content(docId)).toEqual({ e: { x: 1, y: 1 } });
    await a.close();
  });

  it("[submit-14] is checked in the order that is written down", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ elements: { e: { x: 0 }, f: {} }, conflictPolicy: "strict" });
    const owner = await enter(one, docId, ada, "owner");
    const b = await enter(two, docId, bob, "b");
    const done = op("e", { set: { x: 1 } });
    await accepted(b, 2, done);
    const rejected = async (base: number, ...ops: TestOperation[]) => {
      const answer = await submit(b, base, ops);
      return Array.isArray(answer) ? "accepted" : answer.code;
    };
    const lock = async (action: string) => {
      owner.send({ type: "lock", requestId: "r", action, element: "e" });
      expect(await owner.next("result")).toMatchObject({ ok: true });
    };
    const patch = (fields: object) => rest(one.url, ada, "PATCH", `/documents/${docId}`, fields);
    const tooMany = Array.from({ length: 9 }, () => op(randomUUID(), { type: "create" }));
    await accepted(owner, 3, op("f", { set: { x: 1 } }));
    const stale = op("f", { set: { x: 2 } });
    // Conflicts last, the document's limits before them, existence and fit before those, base before all of them.
    expect(await rejected(3, stale)).toBe("version_conflict");
    expect(await rejected(3, stale, ...tooMany)).toBe("too_large");
    expect(await rejected(3, stale, ...tooMany, op("none"))).toBe("element_not_found");
    expect(await rejected(99, op("none"))).toBe("invalid_operation");
    await lock("acquire");
    expect(await rejected(99, op("e"))).toBe("locked");
    await patch({ state: "archived" });
    await b.next("document", ({ document }) => document.state === "archived");
    expect(await rejected(99, op("e"))).toBe("not_active");
    await patch({ editors: [], viewers: ["bob"] });
    await b.next("role");
    expect(await rejected(99, op("e"))).toBe("forbidden");
    // Shape first of all; and a repeat is a repeat, whatever would be said of it now.
    expect(await rejected(99, op("e", { type: "rotate" }))).toBe("invalid_operation");
    void submit(b, 99, [done]);
    expect(await b.next("ack")).toMatchObject({ versions: [3] });
    await Promise.all([owner.close(), b.close()]);
  });

  it("[submit-15] an id of another author, or some known and some not, is refused, on any instance", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ elements: { e: {} } });
    const a = await enter(one, docId, ada, "tab");
    const mine = op("e", { set: { x: 1 } });
    await accepted(a, 1, mine);
    for (const [token, clientId] of [
      [bob, "tab"],
      [ada, "another tab"],
    ] as const) {
      const other = await enter(two, docId, token, clientId);
      expect(await submit(other, 2, [{ ...mine }])).toMatchObject({ code: "invalid_operation" });
      await other.close();
    }
    expect(await submit(a, 2, [mine, op("e")])).toMatchObject({ code: "invalid_operation" });
    await a.close();
  });

  it("[submit-16] someone without a token reads a public document and may not edit it", async () => {
    const { one, two, createDocument } = running();
    const docId = await createDocument({ public: true, elements: { e: {} } });
    for (const token of [undefined, await devToken(one.url, "zoe")]) {
      const reader = await enter(two, docId, token, "r");
      expect(reader.welcome.role).toBe("viewer");
      expect(await submit(reader, 1, [op("e")])).toMatchObject({ code: "forbidden" });
      reader.send({ type: "lock", requestId: "l", action: "acquire" });
      expect(await reader.next("result")).toMatchObject({ ok: false, code: "forbidden" });
      await reader.close();
    }
  });
});
