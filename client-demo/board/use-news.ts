import { useEffect } from "react";
import type { ConnectionState, DocumentReplica } from "../../client/index.ts";
import type { Notices } from "../app/notices.tsx";
import { nameOf } from "../app/people.ts";

/** Tells what happened: refusals, the connection, who comes and goes. */
export function useNews(board: DocumentReplica, notices: Notices): void {
  useEffect(() => {
    let before: ConnectionState["state"] = board.connection.state;
    let interrupted = false;
    const names = new Map([...board.presence.others].map(([id, session]) => [id, nameOf(session)]));
    const stops = [
      board.on("reject", ({ message, operations, dependent }) => {
        const count = operations.length + dependent.length;
        const what = count === 1 ? "An edit was" : `${count} edits were`;
        notices.show(`${what} refused: ${message}.`, { tone: "warning" });
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
    const leaving = (event: BeforeUnloadEvent): void => {
      // The browser asks: what is not saved would be lost.
      if (board.pendingCount > 0) event.preventDefault();
    };
    addEventListener("beforeunload", leaving);
    return () => {
      for (const stop of stops) stop();
      removeEventListener("beforeunload", leaving);
    };
  }, [board, notices]);
}
