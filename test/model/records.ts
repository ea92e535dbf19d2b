/**
 * What went over the wire, beneath the SDK: every frame of every session of one document, sent and received, in the
 * order in which it happened in this process. The SDK's own belief is not the evidence.
 */
import { WebSocket } from "ws";
import type { CreateWebSocket } from "../../client/index.ts";
import type { ClientMessage, Hello, ServerMessage, Welcome } from "../../shared/protocol/messages.ts";

interface Moment {
  /** Grows with everything that is noted in this document. */
  readonly order: number;
  /** This machine's clock, which is the database's. */
  readonly atMs: number;
}

export type Sent = Moment & { readonly message: ClientMessage };
export type Received = Moment & { readonly message: ServerMessage };

/** One connection of one user. */
export interface SessionRecord {
  readonly user: string;
  readonly frames: (({ readonly by: "client" } & Sent) | ({ readonly by: "server" } & Received))[];
  hello: Hello | undefined;
  welcome: Welcome | undefined;
  /** `byClient`: the close frame that the client sent first, if it did. */
  closed: (Moment & { readonly code: number; readonly byClient: number | undefined }) | undefined;
  /** Ends the TCP connection without a word. */
  kill(): void;
}

export class Records {
  readonly sessions: SessionRecord[] = [];
  /** Texts of other documents in this document's frames (R9). */
  readonly leaks: string[] = [];
  readonly #prefix: string;
  #order = 0;

  /** @param prefix what the ids of this document's elements begin with, of the form `m1a-`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  now(): Moment {
    this.#order += 1;
    return { order: this.#order, atMs: Date.now() };
  }

  /** A socket factory for `openDocument` that is read along; `onSession` tells each new connection. */
  createWebSocket(user: string, onSession: (session: SessionRecord) => void): CreateWebSocket {
    return (url, subprotocol) => {
      const socket = new WebSocket(url, subprotocol, { perMessageDeflate: false });
      const session: SessionRecord = {
        user,
        frames: [],
        hello: undefined,
        welcome: undefined,
        closed: undefined,
        kill: () => socket.terminate(),
      };
      let byClient: number | undefined;
      const [send, close] = [socket.send.bind(socket), socket.close.bind(socket)];
      socket.send = ((text: string) => {
        const message = JSON.parse(text) as ClientMessage;
        if (message.type === "hello") session.hello = message;
        session.frames.push({ by: "client", message, ...this.now() });
        send(text);
      }) as typeof socket.send;
      socket.close = (code, reason) => {
        byClient ??= code ?? 1005;
        close(code, reason);
      };
      socket.on("message", (data) => this.#receive(session, String(data)));
      socket.on("close", (code) => {
        session.closed = { code, byClient, ...this.now() };
      });
      this.sessions.push(session);
      onSession(session);
      return socket;
    };
  }

  #receive(session: SessionRecord, text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === "welcome") session.welcome = message;
    session.frames.push({ by: "server", message, ...this.now() });
    for (const [found] of text.matchAll(/m\d+[ab]-/g))
      if (found !== this.#prefix) this.leaks.push(`${session.user} was sent ${found} in ${message.type}`);
  }
}
