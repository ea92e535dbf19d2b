import { useEffect } from "react";
import type { ConnectionState, DocumentReplica } from "../../client/index.ts";
import type { Notices } from "../app/notices.tsx";
import { nameOf } from "../app/people.ts";
import { wordsOf } from "../app/property-words.ts";

/** Tells what happened: refusals, the connection, who comes and goes. */
export function useNews(board: DocumentReplica, notices: Notices): void {
  useEffect(() => {
    let before: ConnectionState["state"] = board.connection.state;
    let interrupted = false;
    const names = new Map([...board.presence.others].map(([id, session]) => [id, nameOf(session)]));
    const stops = [
      board.on("reject", ({ code, message, details, operations, dependent }) => {
        const count = operations.length + dependent.length;
        const what = count === 1 ? "An edit was" : `${count} edits were`;
        const lock = details?.lock as
          | { readonly user?: { readonly id: string; readonly name?: string } }
          | undefined;
        if (code === "locked" && lock?.user !== undefined) {
          notices.show(`${lock.user.name ?? lock.user.id} has locked that.`, { tone: "warning" });
          return;
        }
        if (code === "version_conflict") {
          notices.show("Somebody else changed the same first: your change was not made.", {
            tone: "warning",
          });
          return;
        }
        notices.show(`${what} refused: ${message}.`, { tone: "warning" });
      }),
      board.on("conflict", ({ resolution, properties }) => {
        if (resolution === "manual") return; // It has a panel of its own.
        const what = properties.length === 0 ? "an element" : `the ${wordsOf(properties)} of an element`;
        notices.show(
          resolution === "merge"
            ? `Two people changed ${what} at once: both changes are in it.`
            : `Two people changed ${what} at once: the later change holds.`,
        );
      }),
      board.on("heldBack", ({ operations }) => {
        const count = operations.length === 1 ? "An edit of yours" : `${operations.length} edits of yours`;
        notices.show(`${count} waits for a decision: somebody else changed the same.`, { tone: "warning" });
      }),
      board.on("lockLost", ({ reason }) => {
        if (reason !== "released") notices.show("A lock of yours has ended.", { tone: "warning" });
      }),
      board.on("status", ({ state }) => {
        if (state === "reconnecting" && before === "live") interrupted = true;
        else if (state === "live" && interrupted) {
          interrupted = false;
          notices.show("Connected again.");
        }
        before = state;
      }),
      board.on("presence", ({ joined, left }) => {
        const gone = left.map((id) => names.get(id));
        for (const id of left) names.delete(id);
        for (const id of joined) {
          const session = board.presence.others.get(id);
          if (session === undefined) continue;
          names.set(id, nameOf(session));
          notices.say(`${nameOf(session)} is here`);
        }
        if (gone[0] !== undefined) notices.say(`${gone[0]} left`);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [board, notices]);
}
