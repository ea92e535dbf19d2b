/**
 * Raw ws: a relay without a database. `--each`: one ready frame a message, as fast as `ws` sends it;
 * `--turn` (default): one shared frame a room and event-loop turn. Who connects to `/ROOM?ballast=BYTES` gets a ready
 * frame of so many bytes after the welcome, where a server would send the document.
 *
 *   node dist/bench/baselines/raw-ws.js [--each] [--port 0]
 */

import type { Duplex } from "node:stream";
import { parseArgs } from "node:util";
import type { RawData } from "ws";
import { textFrame } from "./frame.ts";
import { opsFrame, rawSocket, serveSockets } from "./relay.ts";

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    each: { type: "boolean", default: false },
    turn: { type: "boolean" },
  },
});

interface Room {
  readonly sockets: Set<Duplex>;
  version: number;
  queue: Buffer[];
}
const rooms = new Map<string, Room>();
let turn: Room[] = [];

const ballasts = new Map<number, Buffer>();
function ballast(bytes: number): Buffer {
  const made = ballasts.get(bytes) ?? textFrame(Buffer.alloc(bytes, "#"));
  ballasts.set(bytes, made);
  return made;
}

function send(room: Room, ops: readonly Buffer[]): void {
  const frame = opsFrame(room.version + 1, ops);
  room.version += ops.length;
  for (const socket of room.sockets) socket.write(frame);
}

await serveSockets(Number(flags.port), (ws, path) => {
  const room = rooms.get(path) ?? { sockets: new Set<Duplex>(), version: 0, queue: [] };
  rooms.set(path, room);
  const socket = rawSocket(ws);
  room.sockets.add(socket);
  ws.on("close", () => {
    room.sockets.delete(socket);
    if (room.sockets.size === 0) rooms.delete(path);
  });
  ws.on("message", (message: RawData) => {
    if (flags.each) {
      send(room, [message as Buffer]);
      return;
    }
    if (room.queue.push(message as Buffer) > 1) return;
    if (turn.push(room) > 1) return;
    setImmediate(() => {
      const ready = turn;
      turn = [];
      for (const one of ready) send(one, one.queue.splice(0));
    });
  });
  const bytes = Number(/\?ballast=(\d+)$/.exec(path)?.[1] ?? 0);
  ws.send(`{"welcome":${room.version},"more":${bytes > 0}}`);
  if (bytes > 0) socket.write(ballast(bytes));
});
