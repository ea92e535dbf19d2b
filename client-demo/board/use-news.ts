import { useEffect } from "react";
import type { ConnectionState, DocumentReplica, LockInfo } from "../../client/index.ts";
import { rememberNames } from "../app/known-names.ts";
import type { Notices } from "../app/notices.tsx";
import { wordsOf, writtenNames } from "../app/property-words.ts";

/** Says who has locked what this person wanted to change, all of it or a part. */
export function showLocked(notices: Notices, { user }: Pick<LockInfo, "user">, partly: boolean): void {
  const name = user.name ?? user.id;
  notices.show(
    partly ? `${name} has locked a part of that: only the rest was changed.` : `${name} has locked that.`,
    { tone: "warning", topic: "lock" },
  );
}

/** Tells what happened: refusals, conflicts, the connection. */
export function useNews(board: DocumentReplica, notices: Notices): void {
  useEffect(() => {
    let before: ConnectionState["state"] = board.connection.state;
    let interrupted = false;
    rememberNames(board.presence.others.values());
    const stops = [
      board.on("reject", ({ code, message, details, operations, dependent }) => {
        const count = operations.length + dependent.length;
        const what = count === 1 ? "An edit was" : `${count} edits were`;
        const lock = details?.lock as Partial<Pick<LockInfo, "user">> | undefined;
        if (code === "locked" && lock?.user !== undefined) {
          showLocked(notices, { user: lock.user }, false);
          return;
        }
        if (code === "version_conflict") {
          notices.show("Someone else changed this first, so your change was not applied.", {
            tone: "warning",
          });
          return;
        }
        notices.show(`${what} refused: ${message}.`, { tone: "warning" });
      }),
      board.on("conflict", ({ resolution, element, properties: all }) => {
        if (resolution === "manual") return; // It has a panel of its own.
        const properties = writtenNames(all, board.get(element));
        // Two measurements are no conflict of two people.
        if (all.length > 0 && properties.length === 0) return;
        const what = properties.length === 0 ? "an element" : `the ${wordsOf(properties)} of an element`;
        notices.show(
          resolution === "merge"
            ? `Two people changed ${what} at once: both changes are in it.`
            : `Two people changed ${what} at once: the later change holds.`,
        );
      }),
      board.on("heldBack", ({ operations }) => {
        const count = operations.length === 1 ? "An edit of yours" : `${operations.length} edits of yours`;
        notices.show(
          `${count} ${operations.length === 1 ? "needs" : "need"} a decision: someone else changed the same thing.`,
          { tone: "warning" },
        );
      }),
      board.on("lockLost", ({ reason }) => {
        if (reason !== "released")
          notices.show("A lock of yours has ended.", { tone: "warning", topic: "lock" });
      }),
      board.on("presence", ({ joined }) => {
        if (joined.length > 0) rememberNames(board.presence.others.values());
      }),
      board.on("status", ({ state }) => {
        if (state === "reconnecting" && before === "live") interrupted = true;
        else if (state === "live" && interrupted) {
          interrupted = false;
          notices.show("Connected again.", { topic: "connection" });
        }
        before = state;
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [board, notices]);
}
