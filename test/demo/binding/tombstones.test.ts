import { describe, expect, it } from "vitest";
import { bindExcalidraw, initialScene, toScene } from "../../../client-demo/binding/index.ts";
import { Known } from "../../../client-demo/binding/known.ts";
import { ModelServer } from "../../client/model-server.ts";
import { World } from "../../client/world.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { FakeEditor } from "./fake-editor.ts";

describe("what was deleted", () => {
  it("[binding-3] leaves the scene, whoever deleted it, and nothing more is sent for it", async () => {
    const random = seededRandom(1);
    const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
    const world = new World(server, random);
    const [ann, ben] = [world.join("ann").document, world.join("ben").document];
    await world.drain();
    const initial = initialScene(ann);
    const editor = new FakeEditor(initial.elements, () => random.between(1, 2 ** 30));
    let frame: (() => void) | undefined;
    const binding = bindExcalidraw(editor, initial, {
      mutateElement: editor.mutateElement,
      nextFrame: (callback) => {
        frame = callback;
        return () => {};
      },
    });
    editor.tell();
    const settle = async (): Promise<void> => {
      editor.tell();
      await world.drain();
      frame?.();
      frame = undefined;
    };
    for (let round = 0; round < 20; round++) {
      ben.transact((tx) => tx.create(`ben-${round}`, { type: "rectangle", width: 10, height: 10 }));
      editor.add({ id: `ann-${round}`, type: "rectangle" });
      await settle();
      ben.transact((tx) => tx.delete(`ben-${round}`));
      const mine = editor.living.find(({ id }) => id === `ann-${round}`);
      if (mine !== undefined) editor.remove(mine, true);
      await settle();
    }
    expect(server.elements.size).toBe(0);
    expect(editor.living).toEqual([]);
    // Those of the last round go with the next change that is shown.
    expect(editor.elements.length).toBeLessThanOrEqual(2);
    const { version } = server;
    for (let round = 0; round < 3; round++) await settle();
    expect(server.version).toBe(version);
    binding.close();
  });

  it("[binding-3] is not compared with every change of the editor", () => {
    const known = new Known();
    const box = toScene("box", { type: "rectangle", width: 10, height: 10 }, { version: 1, versionNonce: 1 });
    if (box === undefined) throw new Error("no drawing");
    known.agree("box", {});
    const deleted = { ...box, isDeleted: true, version: 2 };
    expect(known.changesIn([deleted])).toEqual([{ type: "delete", element: "box" }]);
    known.forget("box");
    const tombstone = Object.defineProperty({ ...deleted }, "version", {
      get: () => {
        throw new Error("looked at");
      },
    });
    expect(known.changesIn([tombstone])).toEqual([]);
    // The editor's own redo brings it back.
    expect(known.changesIn([box])).toEqual([expect.objectContaining({ type: "create", element: "box" })]);
  });
});
