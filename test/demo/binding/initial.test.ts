import { expect, it } from "vitest";
import { type Binding, bindExcalidraw, initialScene } from "../../../client-demo/binding/index.ts";
import { ModelServer } from "../../client/model-server.ts";
import { World } from "../../client/world.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { FakeEditor } from "./fake-editor.ts";

/** Ann opens a board on which Ben works: `before` her editor is bound, or after that and before it tells of anything. */
async function openWhile(
  moment: "before it is bound" | "before its first change",
  bens: Parameters<World["peers"][number]["document"]["transact"]>[0],
) {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const [ann, ben] = [world.join("ann").document, world.join("ben").document];
  await world.drain();
  ben.transact((tx) => {
    for (const id of ["box", "other"])
      tx.create(id, {
        type: "rectangle",
        x: 1,
        y: 1,
        width: 50,
        height: 40,
        index: id === "box" ? "a1" : "a2",
      });
  });
  await world.drain();
  const change = async () => {
    ben.transact(bens);
    await world.drain();
  };
  const initial = initialScene(ann);
  const editor = new FakeEditor(initial.elements, () => random.between(1, 2 ** 30));
  if (moment === "before it is bound") await change();
  let frame: (() => void) | undefined;
  const binding: Binding = bindExcalidraw(editor, initial, {
    mutateElement: editor.mutateElement,
    nextFrame: (callback) => {
      frame = callback;
      return () => {};
    },
  });
  if (moment === "before its first change") await change();
  const { version } = server;
  editor.tell();
  frame?.();
  editor.tell();
  await world.drain();
  binding.close();
  // Nobody but Ben did anything.
  expect(server.version).toBe(version);
  return { living: editor.living, elements: server.elements };
}

it.each(["before it is bound", "before its first change"] as const)(
  "[binding-2] what others delete, change and make while the editor mounts, %s, is so",
  async (moment) => {
    const gone = await openWhile(moment, (tx) => tx.delete("box"));
    expect(gone.living.map(({ id }) => id)).toEqual(["other"]);
    expect([...gone.elements.keys()]).toEqual(["other"]);
    const moved = await openWhile(moment, (tx) => tx.move("box", { x: 300 }));
    expect(moved.living.find(({ id }) => id === "box")?.x).toBe(300);
    expect(moved.elements.get("box")?.x).toBe(300);
    const made = await openWhile(moment, (tx) =>
      tx.create("third", { type: "ellipse", x: 9, y: 9, width: 5, height: 5, index: "a3" }),
    );
    expect(made.living.map(({ id }) => id)).toEqual(["box", "other", "third"]);
  },
);
