import { useEffect, useState } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import { LockIcon } from "../app/lock-icon.tsx";
import type { Editor, SceneElement } from "../binding/index.ts";

interface Mark {
  readonly id: string;
  readonly label: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface View {
  readonly scrollX: number;
  readonly scrollY: number;
  readonly zoom: { readonly value: number };
}

type MarkedEditor = Pick<Editor, "onChange" | "getSceneElementsIncludingDeleted"> & {
  getAppState(): View;
};

/** Who holds which element: a frame with a name, over the editor. */
export function LockMarks(props: { readonly board: DocumentReplica; readonly editor: MarkedEditor }) {
  const { board, editor } = props;
  const [marks, setMarks] = useState<readonly Mark[]>([]);
  useEffect(() => {
    let told = "";
    const look = (): void => {
      const next = board.locks.list.length === 0 ? [] : marksOf(board, editor);
      const text = JSON.stringify(next);
      if (text !== told) setMarks(next);
      told = text;
    };
    look();
    const stops = [board.on("locks", look), editor.onChange(look)];
    return () => {
      for (const stop of stops) stop();
    };
  }, [board, editor]);
  return (
    <div className="lock-marks" aria-hidden="true">
      {marks.map(({ id, label, ...box }) => (
        <div key={id} style={box}>
          <span className="lock-label">
            <LockIcon />
            {label}
          </span>
        </div>
      ))}
    </div>
  );
}

const margin = 6;

function marksOf(board: DocumentReplica, editor: MarkedEditor): Mark[] {
  const { scrollX, scrollY, zoom } = editor.getAppState();
  const scene = new Map(editor.getSceneElementsIncludingDeleted().map((element) => [element.id, element]));
  return board.locks.list.flatMap(({ element, user, clientId }) => {
    const shape = scene.get(element ?? "") as (SceneElement & Record<string, number>) | undefined;
    if (element === null || shape === undefined || shape.isDeleted) return [];
    const { x = 0, y = 0, width = 0, height = 0 } = shape;
    return {
      id: element,
      label:
        user.id !== board.user?.id
          ? (user.name ?? user.id)
          : clientId === board.clientId
            ? "you"
            : "you, elsewhere",
      left: (Math.min(x, x + width) + scrollX) * zoom.value - margin,
      top: (Math.min(y, y + height) + scrollY) * zoom.value - margin,
      width: Math.abs(width) * zoom.value + 2 * margin,
      height: Math.abs(height) * zoom.value + 2 * margin,
    };
  });
}
