/**
 * Reads along what one replica sends and receives, beneath the SDK: the SDK's own belief is not the evidence.
 * Checks as it goes that every stream is contiguous; the rest is compared with the log at the end.
 */
import { WebSocket } from "ws";
import type { CreateWebSocket } from "../../client/index.ts";
import type { ServerMessage, Submit } from "../../shared/protocol/messages.ts";

export class Witness {
  readonly name: string;
  /** Every operation id that left this replica, in the order of the first time. */
  readonly submitted = new Set<string>();
  /** Submitted again on a later connection. */
  repeated = 0;
  /** Connections that were opened and welcomed. */
  connections = 0;
  /** Operation id by version, as received on any of its streams. */
  readonly received = new Map<number, string>();
  /** Acknowledged by `ack` or `welcome.committed` rather than by appearance: repeats of what was stored. */
  readonly recognised = new Map<string, number>();
  readonly refused: string[] = [];
  readonly violations: string[] = [];
  #version = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** A socket factory for `openDocument` that this witness reads along. */
  readonly createWebSocket: CreateWebSocket = (url, subprotocol) => {
    const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false });
    const sentBySeq = new Map<number, Submit>();
    const send = socket.send.bind(socket);
    socket.send = ((text: string) => {
      const message = JSON.parse(text) as { type: string } | Submit;
      if (message.type === "submit" && "seq" in message) {
        sentBySeq.set(message.seq, message);
        for (const { id } of message.ops) {
          if (this.submitted.has(id)) this.repeated += 1;
          this.submitted.add(id);
        }
      }
      send(text);
    }) as typeof socket.send;
    socket.on("message", (data) => this.#read(JSON.parse(String(data)) as ServerMessage, sentBySeq));
    return socket;
  };

  #read(message: ServerMessage, sentBySeq: ReadonlyMap<number, Submit>): void {
    switch (message.type) {
      case "welcome":
        this.connections += 1;
        if (message.snapshot !== undefined) this.#version = message.snapshot.version;
        this.#follow(message.ops);
        for (const [id, version] of Object.entries(message.committed)) this.recognised.set(id, version);
        break;
      case "ops":
        this.#follow(message.ops);
        break;
      case "ack":
        for (const [index, { id }] of (sentBySeq.get(message.seq)?.ops ?? []).entries())
          this.recognised.set(id, message.versions[index] ?? 0);
        break;
      case "reject":
        // These two leave the submit unhandled: it comes again as it was.
        if (message.code !== "unavailable" && message.code !== "rate_limited")
          this.refused.push(`${message.code}: ${message.message} ${JSON.stringify(message.details ?? {})}`);
        break;
      case "error":
        this.violations.push(`error ${message.code}: ${message.message}`);
        break;
      default:
        break;
    }
  }

  #follow(ops: readonly { readonly version: number; readonly id: string }[]): void {
    for (const { version, id } of ops) {
      if (version !== this.#version + 1)
        this.violations.push(`version ${version} came after ${this.#version}`);
      const before = this.received.get(version);
      if (before !== undefined && before !== id)
        this.violations.push(`version ${version} was ${before}, then ${id}`);
      this.#version = version;
      this.received.set(version, id);
    }
  }
}
