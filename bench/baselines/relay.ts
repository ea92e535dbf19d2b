/**
 * The relay that the baselines share: a room for each path, an operation for each message, and for each batch one
 * frame `{"first":VERSION,"ops":[…]}`, made once and written to every socket of the room. No validation, no state,
 * no protocol: what it costs is what any server of this kind pays at least.
 *
 * A room has at most one batch in flight; a flight carries the batches of all rooms that have something to say.
 */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { textFrame } from "./frame.ts";

/** What one room wants to say: operations after version `first - 1`. */
export interface RelayBatch {
  readonly doc: string;
  readonly first: number;
  readonly ops: readonly Buffer[];
}

export interface RelayOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** Flights at a time. */
  readonly flights: number;
  /** Most operations a flight. */
  readonly maxOperations: number;
  /**
   * Makes the batches durable. Per batch: the version of its first operation as stored (later than proposed: the
   * operations in between are `missed`), or `again` when the room has to propose once more.
   */
  commit(batches: readonly RelayBatch[]): Promise<RelayAnswer[]>;
  /** The version at which a room starts. */
  open(doc: string): Promise<number>;
  /** Called with what was committed, after it was broadcast. */
  committed?(batches: readonly RelayBatch[]): void;
}

export interface RelayAnswer {
  readonly missed: readonly Buffer[];
  readonly again: boolean;
}

export interface Relay {
  readonly port: number;
  /** Operations that another instance stored; ignored unless they follow on what the room has. False: there is a gap. */
  deliver(doc: string, first: number, ops: readonly Buffer[]): boolean;
  /** The version that an open room has reached; undefined when nobody is in it. */
  version(doc: string): number | undefined;
}

interface Room {
  readonly doc: string;
  readonly sockets: Set<Duplex>;
  version: number;
  queue: Buffer[];
  inFlight: boolean;
  dirty: boolean;
  /** What `deliver` brought while a batch was in flight. */
  readonly waiting: { first: number; ops: readonly Buffer[] }[];
}

const comma = Buffer.from(",");
const end = Buffer.from("]}");

/** `{"first":N,"ops":[…]}` as a frame. */
export function opsFrame(first: number, ops: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`{"first":${first},"ops":[`)];
  for (const [index, op] of ops.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(op);
  }
  parts.push(end);
  return textFrame(Buffer.concat(parts));
}

/** The raw socket under a `ws` connection: one write of a ready frame, one system call. */
export function rawSocket(ws: WebSocket): Duplex {
  return (ws as WebSocket & { _socket: Duplex })._socket;
}

/** One listener for all: one made in the upgrade would keep its request alive. */
function terminate(this: WebSocket): void {
  this.terminate();
}

/** Serves WebSockets on a port: `join` gets each connection with its path. */
export async function serveSockets(
  port: number,
  join: (ws: WebSocket, path: string) => void,
): Promise<number> {
  const server = createServer((_request, response) => response.end());
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, skipUTF8Validation: true });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", terminate);
      join(ws, request.url ?? "/");
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", 4096, resolve));
  process.on("SIGTERM", () => process.exit(0));
  const bound = (server.address() as AddressInfo).port;
  console.log(`listening on http://127.0.0.1:${bound}`);
  return bound;
}

/** Starts a relay and prints `listening on http://127.0.0.1:PORT`. */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const rooms = new Map<string, Promise<Room>>();
  const open = new Map<string, Room>();
  const dirty: Room[] = [];
  let flights = 0;
  let scheduled = false;

  const broadcast = (room: Room, first: number, ops: readonly Buffer[]): void => {
    const frame = opsFrame(first, ops);
    for (const socket of room.sockets) socket.write(frame);
    room.version = first + ops.length - 1;
  };

  const mark = (room: Room): void => {
    if (room.dirty || room.inFlight || room.queue.length === 0) return;
    room.dirty = true;
    dirty.push(room);
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      while (flights < options.flights && dirty.length > 0) void fly();
    });
  };

  const deliver = (room: Room, first: number, ops: readonly Buffer[]): boolean => {
    const known = room.version + 1 - first;
    if (known < 0) return false;
    if (known < ops.length) broadcast(room, room.version + 1, ops.slice(known));
    return true;
  };

  const fly = async (): Promise<void> => {
    flights += 1;
    const taken: { room: Room; batch: RelayBatch }[] = [];
    let count = 0;
    while (dirty.length > 0 && count < options.maxOperations) {
      const room = dirty.shift() as Room;
      const ops = room.queue.splice(0, options.maxOperations);
      room.dirty = false;
      room.inFlight = true;
      count += ops.length;
      taken.push({ room, batch: { doc: room.doc, first: room.version + 1, ops } });
    }
    const answers = await options.commit(taken.map(({ batch }) => batch));
    const stored: RelayBatch[] = [];
    for (const [index, { room, batch }] of taken.entries()) {
      const answer = answers[index] as RelayAnswer;
      room.inFlight = false;
      if (answer.missed.length > 0) deliver(room, batch.first, answer.missed);
      if (answer.again) room.queue.unshift(...batch.ops);
      else {
        stored.push({ ...batch, first: room.version + 1 });
        broadcast(room, room.version + 1, batch.ops);
      }
      for (const news of room.waiting.splice(0)) deliver(room, news.first, news.ops);
      mark(room);
    }
    if (stored.length > 0) options.committed?.(stored);
    flights -= 1;
    while (flights < options.flights && dirty.length > 0) void fly();
  };

  const port = await serveSockets(options.port, (ws, path) => {
    const doc = path.slice(1);
    let entering = rooms.get(doc);
    if (entering === undefined) {
      entering = options.open(doc).then((version) => {
        const room: Room = {
          doc,
          sockets: new Set(),
          version,
          queue: [],
          inFlight: false,
          dirty: false,
          waiting: [],
        };
        open.set(doc, room);
        return room;
      });
      rooms.set(doc, entering);
    }
    void entering.then((room) => {
      const socket = rawSocket(ws);
      room.sockets.add(socket);
      ws.on("close", () => {
        room.sockets.delete(socket);
        if (room.sockets.size > 0) return;
        rooms.delete(doc);
        open.delete(doc);
      });
      ws.on("message", (message: RawData) => {
        room.queue.push(message as Buffer);
        mark(room);
      });
      ws.send(`{"welcome":${room.version}}`);
    });
  });

  return {
    port,
    version: (doc) => open.get(doc)?.version,
    deliver(doc, first, ops) {
      const room = open.get(doc);
      if (room === undefined) return true;
      if (!room.inFlight) return deliver(room, first, ops);
      room.waiting.push({ first, ops });
      return true;
    },
  };
}
