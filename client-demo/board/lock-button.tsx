import { useState } from "react";
import { type DocumentReplica, LockHeldError, type LockInfo } from "../../client/index.ts";
import { LockIcon } from "../app/lock-icon.tsx";
import { messageOf, useNotices } from "../app/notices.tsx";
import { mayEdit, useBoardEvents } from "./use-board.ts";

/** More at once are no selection any more, but the board. */
const mostAtOnce = 50;

/** Reserves what is selected, or the whole board, for this person; or gives it back. */
export function LockButton(props: { readonly board: DocumentReplica; selection(): readonly string[] }) {
  const { board, selection } = props;
  useBoardEvents(board, ["locks", "lockLost", "role", "document", "status"]);
  const notices = useNotices();
  const [busy, setBusy] = useState(false);
  // In another window of theirs as well: who has locked something may unlock it anywhere.
  const own = board.locks.list.filter(({ user }) => user.id === board.user?.id);
  const held = [...new Set([...board.locks.held, ...own].map(({ element }) => element))];
  // Nothing of a board that somebody else has locked can be locked.
  const other = held.length === 0 ? board.locks.blocks(null) : undefined;
  const taken = other?.element === null ? takenBy(other, []) : undefined;
  const isLive = board.connection.state === "live";
  const run = async (): Promise<void> => {
    setBusy(true);
    const selected = selection().slice(0, mostAtOnce);
    try {
      if (held.length > 0) {
        await Promise.all(held.map((element) => board.locks.release(element)));
        notices.show("Unlocked: everybody may edit again.", { topic: "lock" });
        return;
      }
      for (const element of selected.length === 0 ? [null] : selected) await board.locks.acquire(element);
      notices.show(
        selected.length === 0
          ? "The board is locked: only you can edit it, until you unlock it or leave."
          : `Locked for you: ${selected.length === 1 ? "one element" : `${selected.length} elements`}.`,
        { topic: "lock" },
      );
    } catch (error) {
      notices.show(error instanceof LockHeldError ? takenBy(error.lock, selected) : messageOf(error), {
        tone: "warning",
        topic: "lock",
      });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button
      type="button"
      id="lock"
      aria-pressed={held.length > 0}
      disabled={busy || !isLive || taken !== undefined || !mayEdit(board)}
      title={
        taken ??
        (held.length > 0 ? "Give back what I have locked" : "Lock the selection, or the board, for me")
      }
      onClick={() => void run()}
    >
      <LockIcon open={held.length > 0} />
      <span className="wide">{held.length > 0 ? "Unlock" : "Lock"}</span>
    </button>
  );
}

/** `selected`: what was to be locked; nothing: the board. */
function takenBy({ user, element }: LockInfo, selected: readonly string[]): string {
  const what = element === null ? "the board" : selected.length === 0 ? "a part of this board" : "it";
  return `${user.name ?? user.id} has locked ${what} already.`;
}
