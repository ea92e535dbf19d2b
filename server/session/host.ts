/** Accepts WebSocket connections: what an upgrade must bring, who is open, heartbeats, and the end of all of them. */
import { type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import { closeCodes } from "../../shared/protocol/codes.ts";
import { subprotocol } from "../../shared/protocol/messages.ts";
import { type ProblemParts, problemAnswer } from "../../shared/protocol/problem.ts";
import type { ConcurrencyLimit } from "../access/rate.ts";
import type { Config } from "../config.ts";
import type { Turn } from "../room/turn.ts";
import { ClientSocket } from "./client-socket.ts";
import type { SessionServices } from "./services.ts";
import { type Connection, Session } from "./session.ts";

export interface SessionHost {
  /** The sessions whose rows an expired lease took. */
  renewRows(): Promise<void>;
  /** Bytes that wait for slow readers. */
  waitingBytes(): number;
  /** Accepts no further connection and sends everybody `bye`; resolves when all are gone or `withinMs` is over. */
  close(withinMs: number): Promise<void>;
}

export interface SessionHostOptions {
  readonly server: Server;
  readonly services: SessionServices;
  readonly turn: Turn;
  readonly config: Pick<Config, "limits" | "sockets" | "auth" | "server">;
  /** Open sockets by address. */
  readonly addresses: ConcurrencyLimit;
  readonly newId: () => string;
}

interface Open {
  readonly session: Session;
  readonly ws: WebSocket;
  readonly socket: ClientSocket;
  /** Something came since the heartbeat looked last: a clock read for each message would be a look too many. */
  heard: boolean;
  heardAtMs: number;
}

const path = /^\/v1\/documents\/([^/?#]+)\/ws\/?(?:\?.*)?$/;
const maxUserAgentLength = 1_000;
const maxPlatformLength = 100;

export function createSessionHost(options: SessionHostOptions): SessionHost {
  const { server, services, turn, config, addresses, newId } = options;
  const { limits, sockets: times } = config;
  const open = new Map<Session, Open>();
  let closing = false;

  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // 85 KiB of a client's frame were inflated to 90 MB.
    perMessageDeflate: false,
    maxPayload: limits.maxMessageBytes === 0 ? 0 : limits.maxMessageBytes,
    handleProtocols: () => subprotocol,
  });

  function forget(session: Session): void {
    open.delete(session);
    services.metrics.sessions.set(open.size);
  }

  function onUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // A connection that fails now would take the process with it.
    stream.on("error", destroy);
    const docId = path.exec(request.url ?? "")?.[1];
    const refusal = docId === undefined ? noAddress : refusalOf(request);
    if (docId === undefined || refusal !== undefined) {
      refuse(stream, refusal ?? noAddress);
      return;
    }
    webSockets.handleUpgrade(request, stream, head, (ws) => accept(ws, stream as Socket, request, docId));
  }

  function refusalOf(request: IncomingMessage): ProblemParts | undefined {
    if (closing) return { code: "unavailable", detail: "shutting down" };
    if (!offers(request.headers["sec-websocket-protocol"])) {
      return { code: "invalid", detail: `the subprotocol ${subprotocol} must be offered` };
    }
    if (!isAllowedOrigin(request, config.auth.allowedOrigins))
      return { code: "forbidden", detail: "origin not allowed" };
    return undefined;
  }

  function accept(ws: WebSocket, stream: Socket, request: IncomingMessage, docId: string): void {
    // A bad frame is an error of this socket alone.
    ws.on("error", ignore);
    stream.setNoDelay(true);
    const connection = describe(request, docId, config.server.trustedProxies);
    const leave = addresses.enter(connection.address);
    if (leave === undefined) {
      ws.close(closeCodes.tooMany.code, "tooMany");
      return;
    }
    const socket = new ClientSocket({
      ws,
      socket: stream,
      turn,
      maxSendBufferBytes: limits.maxSendBufferBytes,
      onSlow: () => {
        services.metrics.slowReaders.inc();
        session.close("tooSlow");
      },
    });
    const session: Session = new Session(newId(), connection, socket, services, () => forget(session));
    const entry: Open = { session, ws, socket, heard: true, heardAtMs: 0 };
    const heard = () => {
      entry.heard = true;
    };
    ws.on("pong", heard);
    ws.on("ping", heard);
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      heard();
      if (isBinary) session.close("protocolViolation", "expected text frames");
      else session.receive(data.toString("utf8"));
    });
    ws.on("close", (code) => {
      leave();
      session.closed(code);
    });
    open.set(session, entry);
    services.metrics.sessions.set(open.size);
    session.start();
  }

  // One timer for all: it looks for the silent ones often, and pings when it is time.
  let pingedAtMs = performance.now();
  const heartbeat = setInterval(
    () => {
      const at = performance.now();
      const isTime = at - pingedAtMs >= times.pingMs;
      if (isTime) pingedAtMs = at;
      for (const entry of open.values()) {
        const { session, ws, socket } = entry;
        if (entry.heard) entry.heardAtMs = at;
        entry.heard = false;
        if (at - entry.heardAtMs >= times.silenceMs) socket.terminate();
        else if (isTime) ws.ping();
        session.watchExpiry();
      }
    },
    Math.min(1_000, times.pingMs / 4),
  );

  server.on("upgrade", onUpgrade);

  return {
    async renewRows() {
      await Promise.all([...open.keys()].map((session) => session.renewRow()));
    },
    waitingBytes() {
      let bytes = 0;
      for (const session of open.keys()) bytes += session.waitingBytes;
      return bytes;
    },
    async close(withinMs) {
      closing = true;
      const sockets = [...open.values()];
      // What was submitted is committed and acknowledged first; what comes now is for another instance.
      for (const { session } of sockets) session.drain();
      const answeredBy = performance.now() + withinMs / 2;
      while (sockets.some(({ session }) => session.unanswered > 0) && performance.now() < answeredBy) {
        await delay(10);
      }
      // Spread over a second, so that the next instance is not stormed.
      for (const { session } of sockets) session.bye("shutdown", Math.floor(services.random() * 1_000));
      const gone = Promise.all(
        sockets.map(({ ws }) =>
          ws.readyState === ws.CLOSED
            ? undefined
            : new Promise<void>((resolve) => ws.once("close", () => resolve())),
        ),
      );
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs);
      });
      await Promise.race([gone, timeout]);
      clearTimeout(timer);
      clearInterval(heartbeat);
      for (const { socket } of sockets) socket.terminate();
      await services.releases.settled();
      server.off("upgrade", onUpgrade);
      webSockets.close();
    },
  };
}

// Listeners of every socket, made once: one that is made for a socket keeps alive what is in sight of it, and in sight of
// an upgrade is its request.
function destroy(this: Duplex): void {
  this.destroy();
}
function ignore(): void {}

/** Exact match with the own host or an allowed origin; what has no Origin is no browser. */
function isAllowedOrigin(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (allowed.includes(origin)) return true;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

function offers(header: string | undefined): boolean {
  return header?.split(",").some((name) => name.trim() === subprotocol) ?? false;
}

function describe(request: IncomingMessage, docId: string, trustedProxies: number): Connection {
  const { authorization, "user-agent": userAgent, "sec-ch-ua-platform": platform } = request.headers;
  // Counted from the end: what stands before the proxies' own additions is the client's to write.
  const forwarded = request.headers["x-forwarded-for"]?.toString().split(",") ?? [];
  const named = trustedProxies === 0 ? undefined : forwarded.slice(-trustedProxies)[0]?.trim();
  const address = named || request.socket.remoteAddress || "";
  return {
    docId,
    address: address.slice(0, 45),
    token: /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1],
    userAgent: userAgent?.slice(0, maxUserAgentLength),
    platform:
      typeof platform === "string" ? platform.replaceAll('"', "").slice(0, maxPlatformLength) : undefined,
  };
}

const noAddress: ProblemParts = { code: "not_found", detail: "no such WebSocket address" };

function refuse(stream: Duplex, parts: ProblemParts): void {
  const { status, headers, body } = problemAnswer(parts);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...headers,
    connection: "close",
    "content-length": String(Buffer.byteLength(text)),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${text}`, () =>
    stream.destroy(),
  );
}
