/** What the person has under the pointer. Pure. */

import { targetsOf } from "./bound-elements.ts";
import type { EditorState, SceneElement } from "./model.ts";

/**
 * Elements that the editor holds by reference in the middle of a gesture: replaced by a new object, the stroke or the
 * drag would die. They may only be written into.
 */
export function heldElements(state: EditorState, elements: readonly SceneElement[]): ReadonlySet<string> {
  const held = new Set<string>();
  for (const element of [state.newElement, state.multiElement, state.resizingElement]) {
    if (element !== null && element !== undefined) held.add(element.id);
  }
  if (state.editingLinearElement) held.add(state.editingLinearElement.elementId);
  if (state.cursorButton !== "down") return held;
  for (const [id, selected] of Object.entries(state.selectedElementIds)) if (selected) held.add(id);
  if (held.size === 0) return held;
  // Texts and arrows go with the shape that is dragged.
  for (const element of elements) if (targetsOf(element).some((id) => held.has(id))) held.add(element.id);
  return held;
}
