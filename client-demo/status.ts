import type { ConnectionState, DocumentReplica } from "../client/index.ts";
import { byId } from "./page.ts";

/** Shows the connection, what waits, version, latency and instance. Returns what stops it. */
export function showStatus(board: DocumentReplica): () => void {
  const show = (): void => {
    const connection = byId("connection", HTMLElement);
    connection.dataset.state = board.connection.state;
    put("connection", describe(board.connection));
    const waiting = board.pendingCount;
    put(
      "pending",
      waiting === 0 ? "all saved" : `${waiting} ${waiting === 1 ? "change" : "changes"} waiting`,
    );
    put("version", `version ${board.version}`);
    const { latencyMs } = board;
    put("latency", latencyMs === undefined ? "" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`);
    put("instance", board.instanceId === undefined ? "" : `instance ${board.instanceId}`);
    const name = board.documentMetadata?.name ?? "Board";
    put("title", name);
    document.title = `${name} · AetherFlow`;
  };
  show();
  const stops = (["status", "progress", "latency", "document", "role"] as const).map((name) =>
    board.on(name, show),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

function put(id: string, text: string): void {
  const element = byId(id, HTMLElement);
  if (element.textContent !== text) element.textContent = text;
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
      return "offline, trying again";
    case "closed":
      return "closed";
  }
}
