import { useEffect } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import { useBoardEvents } from "./use-board.ts";

/**
 * Undo and redo of this person's own edits, by the SDK: the editor's own history would bring back what others have
 * changed since. Its keys are taken before the editor sees them; in a text field they are the field's.
 */
export function UndoButtons(props: { readonly board: DocumentReplica; beforeUndo(): void }) {
  const { board, beforeUndo } = props;
  useBoardEvents(board, ["undo"]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const key = event.key.toLowerCase();
      if (key !== "z" && key !== "y") return;
      const { target } = event;
      if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      beforeUndo();
      if (key === "y" || event.shiftKey) board.redo();
      else board.undo();
    };
    addEventListener("keydown", pressed, { capture: true });
    return () => removeEventListener("keydown", pressed, { capture: true });
  }, [board, beforeUndo]);
  const run = (step: () => boolean): void => {
    beforeUndo();
    step();
  };
  return (
    <span className="undo">
      <button
        type="button"
        className="icon"
        aria-label="Undo my last edit"
        title="Undo my last edit (Ctrl+Z)"
        disabled={!board.canUndo}
        onClick={() => run(() => board.undo())}
      >
        ↶
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Redo"
        title="Redo (Ctrl+Shift+Z)"
        disabled={!board.canRedo}
        onClick={() => run(() => board.redo())}
      >
        ↷
      </button>
    </span>
  );
}
