import { expect, test } from "vitest";
import { Replica } from "../../client/replica.ts";
import { UndoHistory } from "../../client/undo-history.ts";
import type { Operation, SequencedOperation } from "../../shared/document/operation.ts";

type Method = (this: unknown, ...values: unknown[]) => unknown;

/** How often maps and sets are asked, changed or gone through meanwhile: a measure that no other process disturbs. */
function accesses(work: () => void): number {
  let count = 0;
  const patched: (() => void)[] = [];
  const instrument = (prototype: object, names: readonly string[]): void => {
    for (const name of names) {
      const original = Reflect.get(prototype, name) as Method;
      const counting: Method = function (...values) {
        count += 1;
        return original.apply(this, values);
      };
      Reflect.set(prototype, name, counting);
      patched.push(() => Reflect.set(prototype, name, original));
    }
  };
  instrument(Map.prototype, ["get", "set", "has", "delete"]);
  instrument(Set.prototype, ["add", "has", "delete"]);
  instrument(Object.getPrototypeOf(new Map().keys()), ["next"]);
  instrument(Object.getPrototypeOf(new Set().keys()), ["next"]);
  try {
    work();
  } finally {
    for (const restore of patched) restore();
  }
  return count;
}

/** A replica whose user has just moved so many elements that somebody else had made. */
function moved(elements: number) {
  let ids = 0;
  const newId = (): string => `00000000-0000-7000-8000-${(++ids).toString(16).padStart(12, "0")}`;
  const replica = new Replica(newId);
  const history = new UndoHistory({
    view: replica.view,
    confirmed: () => replica.confirmed,
    now: () => 0,
    newId,
    onChange: () => {},
  });
  replica.observer = history;
  const others = (operation: Omit<Operation, "id">): SequencedOperation => {
    const version = replica.version + 1;
    const by = { session: "s", user: "ben", client: "c", at: "2026-01-31T12:00:00.000Z" };
    return { ...operation, id: newId(), version, base: version - 1, status: "applied", ...by };
  };
  const own = (...changes: Omit<Operation, "id">[]): void => {
    const operations = changes.map((change) => ({ ...change, id: newId() }));
    history.record(operations);
    for (const operation of operations) replica.change(operation);
    history.settle();
  };
  const theirs = (operation: Omit<Operation, "id">): void => {
    replica.receive([others(operation)]);
    history.settle();
  };
  const names = Array.from({ length: elements }, (_, index) => `e${index}`);
  for (const element of names)
    replica.receive([others({ type: "create", element, props: { x: 0, list: [], text: "abc" } })]);
  own(...names.map((element) => ({ type: "update" as const, element, set: { x: 1 } })));
  return { history, own, theirs };
}

test("[sdk/undo] a change costs what it changes, however many elements the history holds", () => {
  const costs = [1_000, 20_000].map((elements) => {
    const { history, own, theirs } = moved(elements);
    const costs = {
      move: accesses(() => own({ type: "move", element: "e1", set: { x: 2 } })),
      append: accesses(() => own({ type: "update", element: "e2", append: { list: [1] } })),
      step: accesses(() => {
        history.stop();
        own({ type: "text", element: "e3", splice: { text: [[0, 1, "A"]] } });
      }),
      create: accesses(() => own({ type: "create", element: "new", props: {} })),
      theirs: accesses(() => theirs({ type: "update", element: "e4", set: { x: 3 } })),
      typed: accesses(() => theirs({ type: "text", element: "e3", splice: { text: [[3, 0, "!"]] } })),
      deleted: accesses(() => theirs({ type: "delete", element: "e5" })),
      undo: accesses(() => history.takeUndo()),
    };
    expect(history.state.canUndo).toBe(true);
    return costs;
  });
  const [few, many] = costs;
  for (const [name, cost] of Object.entries(many ?? {})) {
    const before = Object.entries(few ?? {}).find(([other]) => other === name)?.[1] ?? 0;
    expect(cost, name).toBeLessThan(2 * before + 50);
  }
});
