import type { ConnectionState, DocumentReplica } from "../../client/index.ts";
import { useOnline } from "../app/use-online.ts";
import { ComingsLine } from "./comings-line.tsx";
import { useBoardEvents } from "./use-board.ts";

/** One line about the connection, what waits, version, latency and instance, and who came or left. */
export function StatusLine(props: { readonly board: DocumentReplica; readonly waitingImages: number }) {
  const { board, waitingImages } = props;
  useBoardEvents(board, ["status", "progress", "latency", "document", "role"], 200);
  const online = useOnline();
  const { connection, pendingCount, version } = board;
  // Of a connection that is gone they say nothing.
  const { latencyMs, instanceId } = connection.state === "live" ? board : {};
  const waiting = [...counted(pendingCount, "edit"), ...counted(waitingImages, "image")];
  return (
    <footer className="status-line">
      <span id="connection" data-state={connection.state}>
        {describe(connection, online)}
      </span>
      <span id="pending" data-count={pendingCount + waitingImages}>
        {waiting.length === 0 ? "all saved" : `${waiting.join(", ")} waiting`}
      </span>
      <span id="version">version {version}</span>
      <span id="latency">
        {latencyMs === undefined ? "" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`}
      </span>
      <span id="instance">{instanceId === undefined ? "" : `instance ${instanceId}`}</span>
      <ComingsLine board={board} />
    </footer>
  );
}

function counted(count: number, what: string): string[] {
  return count === 0 ? [] : [`${count} ${what}${count === 1 ? "" : "s"}`];
}

function describe(connection: ConnectionState, online: boolean): string {
  switch (connection.state) {
    case "connecting":
      // An attempt of many is no news: it would flicker.
      return connection.attempt === 0 ? "connecting" : trying(online);
    case "syncing":
      return "catching up";
    case "live":
      return "live";
    case "reconnecting":
      return trying(online);
    case "closed":
      return "closed";
  }
}

function trying(online: boolean): string {
  return online ? "no server, trying again" : "offline, trying again";
}
