import { useCallback, useRef, useSyncExternalStore } from "react";
import type { DocumentEvents, DocumentReplica } from "../../client/index.ts";

/**
 * Renders again when one of these events comes, once a frame at most; returns how many came.
 * @param everyMs at most so often: while many draw, the line below is not worth a layout each frame.
 */
export function useBoardEvents(
  board: DocumentReplica,
  names: readonly (keyof DocumentEvents)[],
  everyMs = 0,
): number {
  const count = useRef(0);
  const key = names.join(" ");
  const subscribe = useCallback(
    (listener: () => void) => {
      let frame: number | undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
      let again = false;
      const render = (): void => {
        frame = undefined;
        count.current += 1;
        listener();
        if (everyMs === 0) return;
        timer = setTimeout(() => {
          timer = undefined;
          if (again) changed();
        }, everyMs);
      };
      const changed = (): void => {
        again = timer !== undefined;
        if (!again) frame ??= requestAnimationFrame(render);
      };
      const stops = (key.split(" ") as (keyof DocumentEvents)[]).map((name) => board.on(name, changed));
      return () => {
        for (const stop of stops) stop();
        clearTimeout(timer);
        if (frame !== undefined) cancelAnimationFrame(frame);
      };
    },
    [board, key, everyMs],
  );
  return useSyncExternalStore(subscribe, () => count.current);
}

/** Whether this person may change the board now. */
export function mayEdit(board: DocumentReplica): boolean {
  const active = board.documentMetadata?.state === "active";
  return active && board.role !== "viewer" && board.connection.state !== "closed";
}
