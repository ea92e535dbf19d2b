/**
 * The first frames of a session: what fits rides in the `welcome`; a larger snapshot, and the operations after it,
 * follow in frames of their own, as fast as the reader takes them.
 */
import type { SessionLimits, Welcome } from "../../shared/protocol/messages.ts";
import { encodeFrame } from "../room/frame.ts";
import type { Joined } from "../room/joining.ts";
import { opsFrames } from "../room/wire.ts";
import type { ClientSocket } from "./client-socket.ts";

/** Part of a snapshot that rides in the `welcome` itself; larger ones follow in shared frames. */
const inlineSnapshotLength = 64 * 1024;

/** All of a welcome but what the room's texts bring. */
export type WelcomeFields = Omit<Welcome, "snapshot" | "ops">;

/** Writes it; `onAnswered` after the first frame. False: the session closed meanwhile. */
export async function sendWelcome(options: {
  readonly socket: ClientSocket;
  readonly joined: Pick<Joined, "snapshot" | "operations">;
  readonly fields: () => WelcomeFields;
  /** Of elements and operations in one frame; 0: no limit. */
  readonly maxBytes: number;
  readonly isClosed: () => boolean;
  readonly onAnswered: () => void;
}): Promise<boolean> {
  const { socket, maxBytes, isClosed } = options;
  const { snapshot, operations } = options.joined;
  const parts = (await snapshot?.parts) ?? [];
  if (isClosed()) return false;
  const [first = ""] = parts;
  const inline = parts.length <= 1 && first.length <= inlineSnapshotLength;
  const bytes = operations.reduce((sum, text) => sum + Buffer.byteLength(text), Buffer.byteLength(first));
  const fits = inline && (maxBytes === 0 || bytes <= maxBytes);
  const rides = fits ? operations.join(",") : "";
  const base = snapshot === undefined ? "" : snapshotField(snapshot, inline ? first : "", !inline);
  const fields = JSON.stringify(options.fields()).slice(0, -1);
  socket.send(encodeFrame(`${fields}${base},"ops":[${rides}]}`));
  options.onAnswered();
  async function* following(): AsyncGenerator<Buffer> {
    if (!inline && snapshot !== undefined) yield* await snapshot.frames();
    if (!fits) yield* opsFrames(operations, maxBytes).map(({ frame }) => frame);
  }
  for await (const frame of following()) {
    await socket.drained();
    if (isClosed()) return false;
    socket.send(frame);
  }
  return true;
}

function snapshotField(
  snapshot: { version: number; operationId: string | null },
  inside: string,
  more: boolean,
): string {
  const id = snapshot.operationId === null ? "" : `,"id":"${snapshot.operationId}"`;
  return `,"snapshot":{"version":${snapshot.version}${id},"elements":{${inside}},"more":${more}}`;
}

/** Of all limits those that a client is told. */
export function sessionLimits(limits: SessionLimits): SessionLimits {
  const { maxMessageBytes, maxServerMessageBytes, maxOpsPerSubmit, maxInFlight } = limits;
  const { maxPresenceBytes, opsPerSecond, presencePerSecond } = limits;
  return {
    maxMessageBytes,
    maxServerMessageBytes,
    maxOpsPerSubmit,
    maxInFlight,
    maxPresenceBytes,
    opsPerSecond,
    presencePerSecond,
  };
}
