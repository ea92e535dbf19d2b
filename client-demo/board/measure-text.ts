import type { restoreElements } from "@excalidraw/excalidraw";
import type { SceneElement } from "../binding/index.ts";

/** What the editor makes of a text's wrapping and size, with the fonts of this machine. */
export function measureText(
  restore: typeof restoreElements,
  text: SceneElement,
  scene: readonly SceneElement[],
): Record<string, unknown> | undefined {
  const { containerId } = text as { readonly containerId?: string | null };
  const parts = scene.filter(({ id }) => id === text.id || id === containerId);
  const [measured] = restore(structuredClone(parts) as never, null, { refreshDimensions: true }).filter(
    ({ id }) => id === text.id,
  );
  if (measured?.type !== "text") return undefined;
  const { text: wrapped, width, height } = measured;
  return { text: wrapped, width, height };
}
