import { useCallback, useRef, useSyncExternalStore } from "react";
import type { DocumentEvents, DocumentReplica } from "../../client/index.ts";

/** Renders again when one of these events comes, once a frame at most; returns how many came. */
export function useBoardEvents(board: DocumentReplica, names: readonly (keyof DocumentEvents)[]): number {
  const count = useRef(0);
  const key = names.join(" ");
  const subscribe = useCallback(
    (listener: () => void) => {
      let frame: number | undefined;
      const changed = (): void => {
        frame ??= requestAnimationFrame(() => {
          frame = undefined;
          count.current += 1;
          listener();
        });
      };
      const stops = (key.split(" ") as (keyof DocumentEvents)[]).map((name) => board.on(name, changed));
      return () => {
        for (const stop of stops) stop();
        if (frame !== undefined) cancelAnimationFrame(frame);
      };
    },
    [board, key],
  );
  return useSyncExternalStore(subscribe, () => count.current);
}

/** Whether this person may change the board now. */
export function mayEdit(board: DocumentReplica): boolean {
  const active = board.documentMetadata?.state === "active";
  return active && board.role !== "viewer" && board.connection.state !== "closed";
}
