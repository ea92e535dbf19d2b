import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyOperation } from "../../shared/document/apply.ts";
import type { Elements, Json, Properties } from "../../shared/document/json.ts";
import { own } from "../../shared/document/json.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";
import { Reversal, type RevertSelection } from "../../shared/document/revert.ts";
import { text } from "./arbitraries.ts";

const ids = ["e", "f"];
const small = fc.integer({ min: 0, max: 2 });

/** An effect without regard to what is there: many have none. */
const effect = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant("create" as const), props: properties() }) },
  { weight: 1, arbitrary: fc.constant({ type: "delete" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("update" as const),
      set: fc.dictionary(fc.constantFrom("x", "y", "list"), small),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("update" as const),
      unset: fc.uniqueArray(fc.constantFrom("x", "y", "text")),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("update" as const),
      append: fc.record({ list: fc.array(small, { maxLength: 2 }) }),
    }),
  },
  {
    weight: 2,
    arbitrary: text.map((insert) => ({
      type: "text" as const,
      splice: { text: [[0, 0, insert] as const] },
    })),
  },
);

function properties() {
  return fc.record(
    { x: small, y: small, text, list: fc.array(small, { maxLength: 2 }) },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Properties>;
}

const log = fc.array(
  fc.record({
    effect,
    element: fc.constantFrom(...ids),
    user: fc.constantFrom("ann", "bob"),
    status: fc.constantFrom<SequencedOperation["status"]>(
      ...(["applied", "applied", "applied", "applied", "conflict", "resolved"] as const),
    ),
  }),
  { maxLength: 30 },
);

function sequenced(drafts: readonly Drafted[]): SequencedOperation[] {
  return drafts.map(
    ({ effect, element, user, status }, at): SequencedOperation => ({
      ...effect,
      id: `op ${at + 1}`,
      element,
      version: at + 1,
      base: at,
      status,
      session: "",
      user,
      client: `${user}-tab`,
      at: "",
    }),
  );
}

interface Drafted {
  readonly effect: Omit<Operation, "id" | "element">;
  readonly element: string;
  readonly user: string;
  readonly status: SequencedOperation["status"];
}

function stateAt(operations: readonly SequencedOperation[], version: number): Elements {
  const elements: Elements = new Map();
  for (const op of operations.slice(0, version)) if (op.status === "applied") applyOperation(elements, op);
  return elements;
}

function revert(operations: readonly SequencedOperation[], selection: RevertSelection): Elements {
  const version = selection.from - 1;
  const reversal = new Reversal({ elements: stateAt(operations, version), version }, selection);
  for (const op of operations.slice(version)) reversal.add(op);
  const after = stateAt(operations, operations.length);
  for (const op of reversal.operations(() => "new")) applyOperation(after, op);
  return after;
}

/** What an operation writes: `null` the whole element; told by its own effect on the state before it. */
function writes(operations: readonly SequencedOperation[], op: SequencedOperation): (string | null)[] {
  const before = stateAt(operations, op.version - 1).get(op.element);
  if (op.status !== "applied") return [];
  if (op.type === "create") return [null];
  if (before === undefined) return [];
  if (op.type === "delete") return [null];
  const fits = (name: string) =>
    op.append?.[name] !== undefined
      ? before[name] === undefined || Array.isArray(before[name])
      : op.splice?.[name] === undefined || typeof before[name] === "string";
  return [
    ...Object.keys(op.set ?? {}),
    ...(op.unset ?? []),
    ...Object.keys(op.append ?? {}).filter(fits),
    ...Object.keys(op.splice ?? {}).filter(fits),
  ];
}

const parameters = { numRuns: Number(process.env.RUNS ?? 2_000) };

describe("undoing a part of the log", () => {
  test("[history-4] everything of a range with nothing after it: the content before", () => {
    fc.assert(
      fc.property(log, fc.nat(), (drafts, cut) => {
        const operations = sequenced(drafts);
        const from = (cut % (operations.length + 1)) + 1;
        const after = revert(operations, { from, to: operations.length + 1 });
        expect(after).toEqual(stateAt(operations, from - 1));
      }),
      parameters,
    );
  });

  test("[history-4] no property that somebody outside wrote since is changed; all others are as before", () => {
    fc.assert(
      fc.property(log, fc.nat(), fc.nat(), fc.boolean(), (drafts, one, other, whole) => {
        const operations = sequenced(drafts);
        const count = operations.length;
        const [from, to] = [(one % (count + 1)) + 1, (other % (count + 1)) + 1].sort((a, b) => a - b) as [
          number,
          number,
        ];
        const selection: RevertSelection = { from, to, ...(whole ? {} : { user: "ann" }) };
        const isOutside = (op: SequencedOperation) =>
          op.version < from || op.version > to || (!whole && op.user !== "ann");
        const now = stateAt(operations, count);
        const after = revert(operations, selection);
        const since = operations.slice(from - 1);
        for (const element of ids) {
          const events = since.flatMap((op) =>
            op.element === element ? writes(operations, op).map((name) => ({ op, name })) : [],
          );
          const selectedLife = events.findLast(({ op, name }) => name === null && !isOutside(op));
          const lastOutside = events.findLast(({ op }) => isOutside(op));
          if (events.every(({ op }) => isOutside(op))) expect(after.get(element)).toEqual(now.get(element));
          if (lastOutside === undefined) {
            expect(after.get(element)).toEqual(stateAt(operations, from - 1).get(element));
          } else if (selectedLife === undefined || selectedLife.op.version < lastOutside.op.version) {
            // No creation or deletion is undone.
            expect(after.has(element)).toBe(now.has(element));
          }
          if (lastOutside === undefined || !after.has(element) || !now.has(element)) continue;
          if (selectedLife !== undefined && selectedLife.op.version > lastOutside.op.version) continue;
          const names = new Set([
            ...Object.keys(now.get(element) ?? {}),
            ...Object.keys(after.get(element) ?? {}),
          ]);
          for (const name of names) {
            const since = events.filter((event) => event.name === name || event.name === null);
            const pivot = since.findLast(({ op, name }) => isOutside(op) || name === null);
            const at = since.at(-1) === pivot ? count : (pivot?.op.version ?? from - 1);
            const expected = valueAt(operations, at, element, name);
            expect(own(after.get(element), name), `${element}.${name}`).toEqual(expected);
          }
        }
      }),
      parameters,
    );
  });

  function valueAt(
    operations: readonly SequencedOperation[],
    version: number,
    element: string,
    name: string,
  ): Json | undefined {
    return own(stateAt(operations, version).get(element), name);
  }

  test("[history-4] a creation is undone as a whole, unless somebody wrote to the element since", () => {
    const ann = { user: "ann", status: "applied" } as const;
    const bob = { user: "bob", status: "applied" } as const;
    const create = { ...ann, element: "e", effect: { type: "create", props: { x: 1 } } } as const;
    const move = { ...ann, element: "e", effect: { type: "move", set: { x: 2 } } } as const;
    const style = { ...bob, element: "e", effect: { type: "style", set: { y: 1 } } } as const;
    const remove = { ...ann, element: "e", effect: { type: "delete" } } as const;
    const byAnn = { from: 1, to: 9, user: "ann" };
    expect(revert(sequenced([create, move]), byAnn)).toEqual(new Map());
    expect(revert(sequenced([create, move, style]), byAnn)).toEqual(new Map([["e", { x: 1, y: 1 }]]));
    expect(revert(sequenced([create, style, move, remove]), { ...byAnn, from: 3 })).toEqual(
      new Map([["e", { x: 1, y: 1 }]]),
    );
    // A write to what is not there is none: the deletion is undone all the same.
    expect(revert(sequenced([create, remove, style]), { from: 2, to: 2 })).toEqual(
      new Map([["e", { x: 1 }]]),
    );
  });
});
