import type { ConnectionState, DocumentReplica } from "../client/index.ts";
import { byId } from "./page.ts";

/** Shows the connection, what waits, version, latency and instance. Returns what stops it. */
export function showStatus(board: DocumentReplica): () => void {
  const connection = byId("connection", HTMLElement);
  const show = (): void => {
    const { state } = board.connection;
    connection.dataset.state = state;
    connection.textContent = describe(board.connection);
    const waiting = board.pendingCount;
    byId("pending", HTMLElement).textContent =
      waiting === 0 ? "all saved" : `${waiting} ${waiting === 1 ? "edit" : "edits"} waiting`;
    byId("version", HTMLElement).textContent = `version ${board.version}`;
    byId("latency", HTMLElement).textContent =
      board.latencyMs === undefined ? "" : `${board.latencyMs.toFixed(board.latencyMs < 10 ? 1 : 0)} ms`;
    byId("instance", HTMLElement).textContent =
      board.instanceId === undefined ? "" : `instance ${board.instanceId}`;
    byId("title", HTMLElement).textContent = board.documentMetadata?.name ?? "AetherFlow";
  };
  show();
  const stops = (["status", "progress", "latency", "document", "role"] as const).map((name) =>
    board.on(name, show),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

function describe(connection: ConnectionState): string {
  switch (connection.state) {
    case "connecting":
      return "connecting";
    case "syncing":
      return "catching up";
    case "live":
      return "live";
    case "reconnecting":
      return `offline (${connection.reason}), trying again`;
    case "closed":
      return `closed: ${connection.reason}`;
  }
}
