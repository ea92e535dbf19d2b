import type { DocumentReplica } from "../../client/index.ts";
import { toScene, toWire } from "../binding/index.ts";

interface BoxEditor {
  getAppState(): {
    readonly scrollX: number;
    readonly scrollY: number;
    readonly width: number;
    readonly height: number;
    readonly zoom: { readonly value: number };
  };
  updateScene(scene: { readonly appState: { readonly selectedElementIds: Record<string, true> } }): void;
}

const [width, height] = [200, 100];

/**
 * Puts a box into the middle of the view and selects it: the editor alone has no way to begin without a pointer. Enter
 * writes into it, arrows move it. `show` brings it into the scene.
 */
export function addBox(board: DocumentReplica, editor: BoxEditor, show: () => void): void {
  const { scrollX, scrollY, zoom, ...view } = editor.getAppState();
  const id = [...crypto.getRandomValues(new Uint32Array(3))].map((part) => part.toString(36)).join("");
  // Not quite one on the other.
  const shift = (board.elements.size % 10) * 12;
  const x = Math.round(view.width / zoom.value / 2 - scrollX - width / 2) + shift;
  const y = Math.round(view.height / zoom.value / 2 - scrollY - height / 2) + shift;
  const [seed = 1] = crypto.getRandomValues(new Uint16Array(1));
  const fields = { type: "rectangle", x, y, width, height, seed, roundness: { type: 3 } };
  const box = toScene(id, fields, { version: 1, versionNonce: 1 });
  if (box === undefined) return;
  board.undoStop();
  board.transact((change) => change.create(id, toWire(box)));
  show();
  editor.updateScene({ appState: { selectedElementIds: { [id]: true } } });
}
