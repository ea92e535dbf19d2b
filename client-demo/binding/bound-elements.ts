/** Which arrows and texts hang on a shape: derived from what they say about themselves. Pure. */
import type { SceneElement } from "./model.ts";

/** An entry of a shape's `boundElements`. */
export interface BoundElement {
  readonly id: string;
  readonly type: string;
}

/** The shapes that an element is bound to. */
export function targetsOf(element: SceneElement): string[] {
  const { containerId, startBinding, endBinding } = element as {
    readonly containerId?: unknown;
    readonly startBinding?: { readonly elementId?: unknown } | null;
    readonly endBinding?: { readonly elementId?: unknown } | null;
  };
  return [containerId, startBinding?.elementId, endBinding?.elementId].filter(
    (target) => typeof target === "string",
  );
}

/**
 * For each shape what is bound to it, in the order of the ids.
 * @param only the shapes that are asked for; default: all.
 */
export function boundByShape(
  elements: Iterable<SceneElement>,
  only?: ReadonlySet<string>,
): Map<string, BoundElement[]> {
  const shapes = new Map<string, BoundElement[]>();
  for (const element of elements) {
    if (element.isDeleted) continue;
    const { id, type } = element;
    for (const target of new Set(targetsOf(element))) {
      if (only?.has(target) === false) continue;
      const bound = shapes.get(target) ?? [];
      shapes.set(target, bound);
      bound.push({ id, type: type === "text" ? "text" : "arrow" });
    }
  }
  for (const bound of shapes.values()) bound.sort((one, other) => (one.id < other.id ? -1 : 1));
  return shapes;
}

/** The list that a shape should have when it has another one now; undefined: it is right as it is. */
export function repairedBound(
  shape: SceneElement,
  expected: readonly BoundElement[],
): readonly BoundElement[] | null | undefined {
  const { boundElements } = shape as { readonly boundElements?: readonly BoundElement[] | null };
  const present = boundElements ?? [];
  const ids = new Set(expected.map(({ id }) => id));
  const kept = present.filter(({ id }) => ids.has(id));
  const known = new Set(kept.map(({ id }) => id));
  const added = expected.filter(({ id }) => !known.has(id));
  if (added.length === 0 && kept.length === present.length) return undefined;
  const bound = [...kept, ...added];
  return bound.length === 0 ? null : bound;
}
