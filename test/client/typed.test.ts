import { expectTypeOf, test } from "vitest";
import { type DocumentReplica, openDocument, type Properties, type Transaction } from "../../client/index.ts";

interface Note {
  kind: "note";
  x: number;
  text: string;
  colour?: string;
  points?: [number, number][];
}
interface Line {
  kind: "line";
  x: number;
  list: string[];
}

test("[sdk/typed] elements and changes have the given shape", () => {
  const check = (board: DocumentReplica<Note>, tx: Transaction<Note>): void => {
    expectTypeOf(board.elements).toEqualTypeOf<ReadonlyMap<string, Note>>();
    expectTypeOf(board.get("a")).toEqualTypeOf<Note | undefined>();
    expectTypeOf(tx.get("a")).toEqualTypeOf<Note | undefined>();
    tx.create("a", { kind: "note", x: 1, text: "" });
    tx.update("a", { x: 2 }, { unset: ["colour"] });
    tx.splice("a", "text", 0, 0, "x");
    tx.edit("a", "colour", "red");
    tx.append("a", "points", [[1, 2]]);
    // @ts-expect-error: text is missing
    tx.create("a", { kind: "note", x: 1 });
    // @ts-expect-error: nothing is
    tx.create("a");
    // @ts-expect-error: not a number
    tx.move("a", { x: "1" });
    // @ts-expect-error: no such property
    tx.update("a", { y: 1 });
    // @ts-expect-error: may not be absent
    tx.update("a", {}, { unset: ["text"] });
    // @ts-expect-error: no text
    tx.splice("a", "x", 0, 0, "");
    // @ts-expect-error: no array
    tx.append("a", "text", ["x"]);
    // @ts-expect-error: not its items
    tx.append("a", "points", ["x"]);
  };
  expectTypeOf(check).toBeFunction();
  expectTypeOf(openDocument<Note>).returns.toEqualTypeOf<DocumentReplica<Note>>();
});

test("[sdk/typed] a union of shapes: properties of any of them", () => {
  const check = (tx: Transaction<Note | Line>): void => {
    tx.create("a", { kind: "line", x: 1, list: [] });
    tx.update("a", { text: "x" });
    tx.append("a", "list", ["x"]);
    tx.append("a", "points", [[1, 2]]);
    tx.splice("a", "text", 0, 0, "x");
    // @ts-expect-error: neither has it
    tx.update("a", { z: 1 });
    // @ts-expect-error: items of the other
    tx.append("a", "list", [[1, 2]]);
  };
  expectTypeOf(check).toBeFunction();
});

test("[sdk/typed] without a shape, any property may be written", () => {
  const check = (board: DocumentReplica, tx: Transaction): void => {
    expectTypeOf(board.elements).toEqualTypeOf<ReadonlyMap<string, Properties>>();
    tx.create("a");
    tx.create("a", { anything: [1, { deep: null }] });
    tx.update("a", { x: 1 }, { unset: ["y"] });
    tx.append("a", "list", [1, "x"]);
    tx.splice("a", "text", 0, 0, "x");
    // @ts-expect-error: no JSON
    tx.update("a", { x: () => {} });
  };
  expectTypeOf(check).toBeFunction();
});
