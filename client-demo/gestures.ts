/** What a pointer does while it is down. Every move is a change of its own; the SDK sends the newest only. */
import type { DocumentReplica, Transaction } from "../client/index.ts";
import { boardSize, readItem } from "./item.ts";

type Place = readonly [number, number];
type Change = (make: (tx: Transaction) => void) => void;

export interface Gesture {
  /** Where the pointer was since the last call, at least one place. */
  move(places: readonly Place[]): void;
}

/** Moves an element by what the pointer moves. */
export function dragging(board: DocumentReplica, change: Change, id: string, [x, y]: Place): Gesture {
  const start = readItem(board.get(id) ?? {});
  return {
    move(places) {
      const [toX, toY] = places.at(-1) ?? [x, y];
      if (board.get(id) === undefined) return; // Somebody else deleted it.
      const left = clamp(start.x + toX - x, 0, boardSize.w - 20);
      const top = clamp(start.y + toY - y, 0, boardSize.h - 20);
      change((tx) => tx.move(id, { x: left, y: top }));
    },
  };
}

/** Makes an element larger or smaller by its lower right corner. */
export function resizing(board: DocumentReplica, change: Change, id: string, [x, y]: Place): Gesture {
  const start = readItem(board.get(id) ?? {});
  return {
    move(places) {
      const [toX, toY] = places.at(-1) ?? [x, y];
      if (board.get(id) === undefined) return;
      const width = clamp(start.w + toX - x, 60, 2_000);
      const height = clamp(start.h + toY - y, 44, 2_000);
      change((tx) => tx.resize(id, { w: width, h: height }));
    },
  };
}

/** Goes on with a stroke. */
export function drawing(board: DocumentReplica, change: Change, id: string, [x, y]: Place): Gesture {
  let last: Place = [x, y];
  return {
    move(places) {
      if (board.get(id) === undefined) return;
      const points: [number, number][] = [];
      for (const place of places) {
        if (place[0] === last[0] && place[1] === last[1]) continue;
        points.push([place[0] - x, place[1] - y]);
        last = place;
      }
      if (points.length > 0) change((tx) => tx.append(id, "points", points));
    },
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
