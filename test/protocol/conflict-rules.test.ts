/** Section 3 over the wire: what collides and what does not, which record it makes, and what `strict` says of it. */
import { describe, expect, it } from "vitest";
import type { ConflictInfo } from "../../shared/protocol/messages.ts";
import { devToken } from "../instances/start.ts";
import { accepted, enter, op, submit, type TestOperation, useTwoInstances } from "./two-instances.ts";

const running = useTwoInstances();

const before = { n: 0, t: "abc", list: [1], o: { k: 1 }, gone: 1 };
type Content = Record<string, unknown> | undefined;
interface Case {
  readonly what: string;
  readonly first: readonly Record<string, unknown>[];
  readonly second: Record<string, unknown>;
  /** What it collides at; null: the whole element; undefined: nothing. */
  readonly at?: string | null;
  /** The element under `lww`. */
  readonly left: Content;
}
const cases: Case[] = [
  {
    what: "different properties",
    first: [{ set: { n: 1 } }],
    second: { set: { t: "x" } },
    left: { n: 1, t: "x" },
  },
  {
    what: "an equal value",
    first: [{ set: { o: { k: 2, l: 1 } } }],
    second: { set: { o: { l: 1, k: 2 } } },
    left: { o: { k: 2, l: 1 } },
  },
  {
    what: "different values",
    first: [{ set: { n: 1 } }],
    second: { set: { n: 2 } },
    at: "n",
    left: { n: 2 },
  },
  {
    what: "a value and its removal",
    first: [{ unset: ["n"] }],
    second: { set: { n: 2 } },
    at: "n",
    left: { n: 2 },
  },
  {
    what: "a removal beside a value",
    first: [{ set: { n: 2 } }],
    second: { unset: ["n"] },
    at: "n",
    left: { n: undefined },
  },
  { what: "two removals", first: [{ unset: ["n"] }], second: { unset: ["n"] }, left: { n: undefined } },
  {
    what: "two appends",
    first: [{ append: { list: [2] } }],
    second: { append: { list: [3] } },
    left: { list: [1, 2, 3] },
  },
  {
    what: "an append beside a set",
    first: [{ set: { list: [9] } }],
    second: { append: { list: [3] } },
    at: "list",
    left: { list: [9] },
  },
  {
    what: "a set beside an append",
    first: [{ append: { list: [2] } }],
    second: { set: { list: [9] } },
    at: "list",
    left: { list: [9] },
  },
  {
    what: "two splices",
    first: [{ splice: { t: [[0, 0, "1"]] } }],
    second: { splice: { t: [[3, 0, "2"]] } },
    left: { t: "1abc2" },
  },
  {
    what: "two insertions at one place",
    first: [{ splice: { t: [[1, 0, "1"]] } }],
    second: { splice: { t: [[1, 0, "2"]] } },
    left: { t: "a12bc" },
  },
  {
    what: "both delete a part",
    first: [{ splice: { t: [[0, 2, ""]] } }],
    second: { splice: { t: [[1, 2, ""]] } },
    left: { t: "" },
  },
  {
    what: "an insertion into what is replaced",
    first: [{ splice: { t: [[0, 3, "X"]] } }],
    second: { splice: { t: [[1, 0, "i"]] } },
    left: { t: "Xi" },
  },
  {
    what: "a splice beside a set",
    first: [{ set: { t: "new" } }],
    second: { splice: { t: [[0, 1, "z"]] } },
    at: "t",
    left: { t: "new" },
  },
  {
    what: "a set beside a splice",
    first: [{ splice: { t: [[0, 1, "z"]] } }],
    second: { set: { t: "new" } },
    at: "t",
    left: { t: "new" },
  },
  {
    what: "a write beside a delete",
    first: [{ type: "delete" }],
    second: { set: { n: 1 } },
    at: null,
    left: undefined,
  },
  {
    what: "a delete beside a write",
    first: [{ set: { n: 1 } }],
    second: { type: "delete" },
    at: null,
    left: undefined,
  },
  {
    what: "a removal beside a delete",
    first: [{ type: "delete" }],
    second: { unset: ["n"] },
    left: undefined,
  },
  {
    what: "a delete beside a removal",
    first: [{ unset: ["n"] }],
    second: { type: "delete" },
    left: undefined,
  },
  { what: "two deletes", first: [{ type: "delete" }], second: { type: "delete" }, left: undefined },
  {
    what: "a write to one that was deleted and created anew",
    first: [{ type: "delete" }, { type: "create", props: { n: 5 } }],
    second: { set: { n: 1 } },
    at: null,
    left: { n: 5 },
  },
  {
    what: "a delete of one that was deleted and created anew",
    first: [{ type: "delete" }, { type: "create", props: { n: 5 } }],
    second: { type: "delete" },
    at: null,
    left: undefined,
  },
  { what: "nothing written", first: [{ set: { n: 1 } }], second: {}, left: { n: 1 } },
];

async function pair(fields: Record<string, unknown>) {
  const { one, two, ada, bob, createDocument } = running();
  const docId = await createDocument({ elements: { e: before }, ...fields });
  const [a, b] = [await enter(one, docId, ada, "a"), await enter(two, docId, bob, "b")];
  return { docId, a, b, close: () => Promise.all([a.close(), b.close()]) };
}

describe("two authors on two instances, the second not knowing the first", () => {
  it.each(cases)("[conflict-4] lww: $what", async ({ first, second, at, left }) => {
    const { docId, a, b, close } = await pair({});
    const firsts = await accepted(a, 1, ...first.map((fields) => op("e", fields)));
    const [late] = await accepted(b, 1, op("e", second));
    expect(late).toMatchObject({ status: "applied", version: firsts.length + 2, base: 1 });
    expect(late?.conflict === undefined).toBe(at === undefined);
    const { e } = await running().content(docId);
    if (left === undefined) expect(e).toBeUndefined();
    else
      expect(e).toMatchObject(
        Object.fromEntries(Object.entries(left).filter(([, value]) => value !== undefined)),
      );
    for (const name of Object.keys(left ?? {}))
      if (left?.[name] === undefined) expect(e).not.toHaveProperty(name);
    if (at !== undefined) {
      const { conflict } = await a.next("conflict");
      expect(conflict).toMatchObject({
        element: "e",
        properties: at === null ? [] : [at],
        resolvedBy: "system",
      });
      expect(conflict.operations).toContain(late?.id);
    } else expect(b.messages.filter(({ type }) => type === "conflict")).toEqual([]);
    await close();
  });

  it.each(cases)("[conflict-5] strict: $what", async ({ first, second, at }) => {
    const { a, b, close } = await pair({ conflictPolicy: "strict" });
    const firsts = await accepted(a, 1, ...first.map((fields) => op("e", fields)));
    const answer = await submit(b, 1, [op("e", second)]);
    if (at === undefined) expect(answer).toMatchObject([{ status: "applied" }]);
    else {
      const version = firsts.length + 1;
      expect(answer).toMatchObject({
        code: "version_conflict",
        message: `version conflict: expected ${version}`,
        version,
        details: { conflicts: [{ element: "e", property: at, version }] },
      });
    }
    await close();
  });

  it.each([
    ["of different things", { n: 1 }],
    ["of equal things", { n: 2 }],
  ])("[conflict-6] two creations %s collide as a whole; the later replaces the earlier", async (_, props) => {
    const { docId, a, b, close } = await pair({});
    const made = op("new", { type: "create", props });
    await accepted(a, 1, made);
    const again = op("new", { type: "create", props: { n: 2 } });
    expect((await accepted(b, 1, again))[0]?.conflict).toBeDefined();
    const { conflict } = await a.next("conflict");
    expect(conflict).toMatchObject({ element: "new", properties: [], operations: [made.id, again.id] });
    expect((await running().content(docId)).new).toEqual({ n: 2 });
    await close();
  });

  it("[conflict-7] onConflict reject asks for strict for one submit, whatever the policy", async () => {
    const { a, b, close } = await pair({ conflictPolicy: "merge" });
    await accepted(a, 1, op("e", { set: { t: "x" } }));
    const write = () => [op("e", { set: { t: "y" } })];
    expect(await submit(b, 1, write(), { onConflict: "reject" })).toMatchObject({ code: "version_conflict" });
    expect(await submit(b, 1, write())).toMatchObject([{ status: "applied" }]);
    await close();
  });

  it("[conflict-8] one's own later writes are no conflict, and another tab's are", async () => {
    const { one, ada } = running();
    const { docId, a, close } = await pair({});
    const [x, y] = [op("e", { set: { n: 1 } }), op("e", { set: { n: 2 } })];
    expect(await accepted(a, 1, x)).toMatchObject([{ version: 2 }]);
    expect((await accepted(a, 1, y))[0]?.conflict).toBeUndefined();
    const tab = await enter(one, docId, ada, "another tab");
    expect((await accepted(tab, 1, op("e", { set: { n: 3 } })))[0]?.conflict).toBeDefined();
    await tab.close();
    await close();
  });
});

describe("records", () => {
  it("[conflict-9] two who drag one shape make one record, told once a second at most, the last state always", async () => {
    const { one } = running();
    const { docId, a, b, close } = await pair({ editors: ["bob", "col"] });
    const sent: TestOperation[] = [];
    const startedAt = performance.now();
    for (let n = 1; n <= 60; n += 1) {
      const drag = op("e", { type: "move", set: { n } });
      sent.push(drag);
      await accepted(n % 2 === 0 ? a : b, 1, drag);
    }
    const collided = new Set(a.operations.flatMap(({ conflict }) => conflict ?? []));
    expect(collided.size).toBe(1);
    const [id] = collided;
    const last = await a.next("conflict", ({ conflict }) =>
      conflict.operations.includes(sent.at(-1)?.id ?? ""),
    );
    expect(last.conflict).toMatchObject({ id, properties: ["n"], resolution: "lww" });
    expect(new Set(last.conflict.operations)).toEqual(new Set(sent.map((each) => each.id)));
    const told = a.messages.filter(({ type }) => type === "conflict").length;
    expect(told).toBeLessThanOrEqual(2 + (performance.now() - startedAt) / 1_000);
    // A third person's collision is another matter.
    const col = await enter(one, docId, await devToken(one.url, "col"), "c");
    const [third] = await accepted(col, 1, op("e", { set: { n: 99 } }));
    expect(third?.conflict).not.toBe(id);
    await col.close();
    await close();
  });

  it("[conflict-14] a record holds the newest 100 operations", async () => {
    const { a, b, close } = await pair({});
    for (let n = 1; n <= 6; n += 1) {
      const author = n % 2 === 0 ? a : b;
      await accepted(
        author,
        1,
        ...Array.from({ length: 30 }, (_, k) => op("e", { set: { n: n * 100 + k } })),
      );
    }
    const newest = a.operations.slice(-1)[0]?.id ?? "";
    const { conflict } = await a.next("conflict", (message) => message.conflict.operations.includes(newest));
    expect(conflict.operations).toHaveLength(100);
    await close();
  });

  it("[conflict-15] a record of an instance is told to everybody with the same content", async () => {
    const { a, b, close } = await pair({});
    await accepted(a, 1, op("e", { set: { n: 1 } }));
    await accepted(b, 1, op("e", { set: { n: 2 } }));
    const heard: ConflictInfo[] = [];
    for (const client of [a, b]) heard.push((await client.next("conflict")).conflict);
    expect(heard[0]).toEqual(heard[1]);
    expect(heard[0]?.description).not.toBe("");
    await close();
  });
});
