/**
 * One client's socket: what goes out and how much of it may wait.
 *
 * Frames are ready-made bytes, written to the TCP socket beside `ws`, which would frame them anew for each of many
 * readers. All frames of one event-loop turn leave in one system call: that call is what a frame costs. Most turns have
 * one frame for a socket, so that they wait here and not in a corked stream, which costs as much again.
 * Nothing is compressed, so `ws` holds nothing back that our frames could overtake, and both write whole frames.
 *
 * A reader that does not keep up is protected from: what may be missed is dropped first, then the connection is
 * closed with 4413, from where the client resumes. Nobody else notices.
 */
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Turn } from "../room/turn.ts";

export interface ClientSocketOptions {
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly turn: Turn;
  /** 0: no limit. */
  readonly maxSendBufferBytes: number;
  readonly onSlow: () => void;
}

/** Ephemeral frames are dropped above this share of the bound. */
const ephemeralShare = 1 / 8;
/** A snapshot's next part is written when less than this waits. */
const lowWaterBytes = 512 * 1024;

export class ClientSocket {
  readonly #options: ClientSocketOptions;
  /** Frames of this turn. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #slow = false;

  constructor(options: ClientSocketOptions) {
    this.#options = options;
  }

  /** Bytes that wait to be taken by the client's system. */
  get waitingBytes(): number {
    return this.#options.socket.writableLength + this.#pendingBytes;
  }

  get open(): boolean {
    const { ws, socket } = this.#options;
    return !this.#slow && ws.readyState === ws.OPEN && socket.writable;
  }

  send(frame: Buffer): void {
    const { turn, maxSendBufferBytes, onSlow } = this.#options;
    if (!this.open) return;
    // What waits for this turn's end counts too: the bound is for what piles up, not for one large answer.
    const waiting = this.waitingBytes;
    if (maxSendBufferBytes > 0 && waiting > 0 && waiting + frame.length > maxSendBufferBytes) {
      this.#slow = true;
      onSlow();
      return;
    }
    this.#pendingBytes += frame.length;
    if (this.#pending.push(frame) === 1) turn.written(this);
  }

  /** For what may be missed: dropped while the reader is behind. */
  sendEphemeral(frame: Buffer): void {
    const { maxSendBufferBytes } = this.#options;
    if (maxSendBufferBytes > 0 && this.waitingBytes > maxSendBufferBytes * ephemeralShare) return;
    this.send(frame);
  }

  /** Resolves when little is left to be taken, or the socket is closed. */
  async drained(): Promise<void> {
    const { socket } = this.#options;
    this.flush();
    while (this.open && socket.writableLength > lowWaterBytes) {
      await new Promise<void>((resolve) => {
        const done = () => {
          socket.off("drain", done);
          socket.off("close", done);
          resolve();
        };
        socket.once("drain", done);
        socket.once("close", done);
      });
    }
  }

  /** Sends what this turn collected. */
  flush(): void {
    const { ws, socket } = this.#options;
    const pending = this.#pending;
    const [only] = pending;
    if (only === undefined) return;
    this.#pending = [];
    this.#pendingBytes = 0;
    // Nothing may come behind a close frame, be it our answer to the client's (RFC 6455, section 5.5.1).
    if (ws.readyState !== ws.OPEN || !socket.writable) return;
    if (pending.length === 1) {
      socket.write(only);
      return;
    }
    socket.cork();
    for (const frame of pending) socket.write(frame);
    socket.uncork();
  }

  close(code: number, reason: string): void {
    const { ws, socket } = this.#options;
    // The close frame goes behind our last ones.
    this.flush();
    if (ws.readyState === ws.OPEN) ws.close(code, reason);
    // Who does not read does not answer a close either.
    if (code === 4413) setTimeout(() => socket.destroy(), 1_000).unref();
  }

  terminate(): void {
    this.#options.ws.terminate();
  }
}
