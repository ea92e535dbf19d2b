/** What scene and document were last known to have in common: who did what follows from it (`bind.ts`). */
import type { Properties } from "../../client/index.ts";
import { elementChange, type SceneChange } from "./difference.ts";
import type { InitialScene } from "./initial.ts";
import { type SceneElement, toWire } from "./model.ts";
import type { SceneCounters } from "./scene.ts";

export class Known {
  /** Elements that the scene does not show, perhaps, as the document has them. */
  readonly stale = new Set<string>();
  readonly #properties = new Map<string, Properties>();
  /** Versions of the scene's elements that were compared: an edit always makes a new one. */
  readonly #seen = new Map<string, SceneCounters>();

  /**
   * The editor has read its initial data; what it repaired in it is not this person's doing, but for the order. Between
   * that data and now others went on: such an element the scene shows as it was, and what it lacks is not this person's.
   */
  begin(scene: readonly SceneElement[], { board, properties }: InitialScene): void {
    for (const element of scene) {
      const { id, isDeleted } = element;
      const [was, is] = [properties.get(id), board.get(id)];
      const shown = was ?? is;
      if (shown === undefined || isDeleted) continue;
      const { index: _, ...wire } = toWire(element);
      const { index } = shown;
      this.#properties.set(id, index === undefined ? wire : { ...wire, index });
      if (was !== is) this.stale.add(id);
    }
    for (const id of board.elements.keys()) if (!this.#properties.has(id)) this.stale.add(id);
  }

  /** Scene and document agree on this. */
  agree(id: string, wire: Properties): void {
    this.#properties.set(id, wire);
  }

  /** Neither has it any more. */
  forget(id: string): void {
    this.#properties.delete(id);
    this.#seen.delete(id);
  }

  /** The editor's trace of an element that neither has any more: there is nothing to compare. */
  isTombstone({ id, isDeleted }: SceneElement): boolean {
    return isDeleted && !this.#properties.has(id);
  }

  /** Compared as it is now: nothing to send until its version is another. */
  see(element: SceneElement): void {
    const { id, version, versionNonce } = element;
    if (!this.isTombstone(element)) this.#seen.set(id, { version, versionNonce });
  }

  /** To be compared again, whatever its version. */
  lookAgainAt(id: string): void {
    this.#seen.delete(id);
  }

  /** What this person did since the scene was last compared. */
  changesIn(scene: readonly SceneElement[]): SceneChange[] {
    const changes: SceneChange[] = [];
    const present = new Set<string>();
    for (const element of scene) {
      // Over a day they become most of the scene, and this is done with every change of the editor.
      if (this.isTombstone(element)) continue;
      const { id, version, versionNonce } = element;
      present.add(id);
      const last = this.#seen.get(id);
      if (last?.version === version && last.versionNonce === versionNonce) continue;
      const change = elementChange(id, this.#properties.get(id), element);
      if (change !== undefined) changes.push(change);
      // What is not worth sending yet is looked at again.
      if (change !== undefined || this.#properties.has(id)) this.see(element);
    }
    for (const id of this.#properties.keys()) {
      if (!present.has(id)) changes.push({ type: "delete", element: id });
    }
    return changes;
  }
}
