import { useCallback, useEffect } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import { useBoardEvents } from "./use-board.ts";

/**
 * Undo and redo of this person's own edits, by the SDK: the editor's own history would bring back what others have
 * changed since. Its keys are taken before the editor sees them; in a text field they are the field's.
 */
export function UndoButtons(props: { readonly board: DocumentReplica; beforeUndo(): void }) {
  const { board, beforeUndo } = props;
  useBoardEvents(board, ["undo"]);
  const run = useCallback(
    (step: "undo" | "redo"): void => {
      beforeUndo();
      // A key is pressed where its button is disabled as well.
      if (step === "undo" ? board.canUndo : board.canRedo) board[step]();
    },
    [board, beforeUndo],
  );
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const { target } = event;
      const typing = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
      const key = event.key.toLowerCase();
      const isUndo = (event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y");
      if (!isUndo || typing) {
        // A command is a step of its own; typing is one until it ends, and so are arrows that nudge.
        const goesOn = typing ? key !== "escape" : event.repeat || key.startsWith("arrow");
        if (goesOn) return;
        beforeUndo();
        board.undoStop();
        return;
      }
      event.preventDefault();
      event.stopImmediatePropagation();
      run(key === "y" || event.shiftKey ? "redo" : "undo");
    };
    addEventListener("keydown", pressed, { capture: true });
    return () => removeEventListener("keydown", pressed, { capture: true });
  }, [board, beforeUndo, run]);
  return (
    <span className="undo">
      <button
        type="button"
        className="icon"
        aria-label="Undo my last edit"
        title="Undo my last edit (Ctrl+Z)"
        disabled={!board.canUndo}
        onClick={() => run("undo")}
      >
        ↶
      </button>
      <button
        type="button"
        className="icon"
        aria-label="Redo"
        title="Redo (Ctrl+Shift+Z)"
        disabled={!board.canRedo}
        onClick={() => run("redo")}
      >
        ↷
      </button>
    </span>
  );
}
