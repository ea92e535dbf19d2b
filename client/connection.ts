/**
 * One document's connection, over as many sockets as it takes.
 *
 *     connecting ──open, hello──► (welcome) syncing ──all of it here──► live
 *         ▲                          │                                   │
 *         └────── reconnecting ◄─────┴──────── socket lost, silent ◄─────┘
 *     any ──close(), or a close code after which coming back is pointless──► closed
 *
 * Only `#open` makes sockets and only `#lost` leaves one; a socket that was left is detached first, so that nothing it
 * says later is heard. Everything received goes to `handlers.message`, but for `pong` and `bye`.
 */
import { closeCodes } from "../shared/protocol/codes.ts";
import type { Hello, ServerMessage } from "../shared/protocol/messages.ts";
import { subprotocol } from "../shared/protocol/messages.ts";
import { type BackoffOptions, backoffDelayMs } from "./backoff.ts";
import { type ClientSocket, type CreateWebSocket, openState } from "./socket.ts";
import type { Timers } from "./timers.ts";

/** Where the connection stands. `delayMs` and `reason` are for people. */
export type ConnectionState =
  | { readonly state: "connecting"; readonly url: string; readonly attempt: number }
  | { readonly state: "syncing"; readonly url: string }
  | { readonly state: "live"; readonly url: string }
  | {
      readonly state: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
      readonly code?: number;
    }
  | { readonly state: "closed"; readonly reason: string; readonly code?: number };

/** What a connection tells the document above it. */
export interface ConnectionHandlers {
  /** The first frame of a new socket; asked anew for each. */
  hello(): Hello;
  /** A frame from the server, in order. `welcome` has made the connection `syncing` before. */
  message(message: ServerMessage): void;
  state(state: ConnectionState): void;
  /** A round trip was measured. */
  latency(latencyMs: number): void;
  /** Something failed that the connection goes on without. */
  error(error: unknown): void;
}

/** How a connection is made and kept. Times in milliseconds. */
export interface ConnectionOptions {
  /** WebSocket addresses of the same document; the next is tried when one is lost. At least one. */
  readonly urls: readonly [string, ...string[]];
  /** Asked for before each attempt; undefined: none is needed, or the token never changes. */
  readonly token: () => string | undefined | Promise<string | undefined>;
  /** Whether asking for a token again may bring another one (after 4401). */
  readonly tokenRenewable: boolean;
  readonly createWebSocket: CreateWebSocket;
  readonly timers: Timers;
  readonly random: () => number;
  readonly backoff: BackoffOptions;
  readonly pingIntervalMs: number;
  /** A socket that says nothing for this long after a ping, or never a `welcome`, is given up. */
  readonly silenceMs: number;
}

/** A connection that lasted this long was a good one: the next loss starts again with short delays. */
const steadyMs = 5_000;
/** How long an answer may take when there is a reason to doubt that there will be one. */
const probeMs = 2_000;
/** How long `close()` waits for the server's half of the closing handshake. */
const closeGraceMs = 2_000;

const endings = new Map<number, { readonly name: string; readonly reconnect: boolean }>(
  Object.entries(closeCodes).map(([name, { code, reconnect }]) => [code, { name, reconnect }]),
);

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  #state: ConnectionState;
  #socket: ClientSocket | undefined;
  /** Grows with each attempt, so that what was awaited for an older one is dropped. */
  #generation = 0;
  #attempt = 0;
  #urlIndex = 0;
  #liveSince: number | undefined;
  #retryAfterMs: number | undefined;
  #refusedToken = false;
  #cancelTimer: () => void = () => {};
  #cancelPing: () => void = () => {};
  #cancelProbe: () => void = () => {};
  #pingSentAt: number | undefined;
  #probedAt = 0;

  constructor(options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#state = { state: "connecting", url: options.urls[0], attempt: 0 };
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Begins. Call it once. */
  start(): void {
    void this.#open();
  }

  /** Sends one frame; false when there is no open socket (the caller will be told when there is one again). */
  send(text: string): boolean {
    if (this.#socket?.readyState !== openState) return false;
    this.#socket.send(text);
    return true;
  }

  /** Everything up to `welcome.version` has arrived. */
  setLive(): void {
    if (this.#state.state !== "syncing") return;
    this.#liveSince = this.#options.timers.now();
    this.#refusedToken = false;
    const { url } = this.#state;
    this.#ping();
    this.#setState({ state: "live", url });
  }

  /** Gives up the present socket, if any, and connects again. */
  reconnect(reason: string): void {
    if (this.#state.state === "closed") return;
    if (this.#state.state === "reconnecting") {
      this.#cancelTimer();
      void this.#open();
      return;
    }
    this.#lost(reason, undefined);
  }

  /** Asks whether the server is still there; connects again when no answer to that comes in time. */
  probe(reason: string): void {
    if (this.#state.state !== "live") return;
    const { timers, silenceMs } = this.#options;
    this.#probedAt = timers.now();
    this.send(JSON.stringify({ type: "ping", t: this.#probedAt }));
    this.#cancelProbe();
    this.#cancelProbe = timers.after(Math.min(probeMs, silenceMs), () => this.#lost(reason, undefined));
  }

  /** Says goodbye (1000: the server releases what this author holds) and stays closed. Safe to repeat. */
  async close(reason = "closed by the application"): Promise<void> {
    if (this.#state.state === "closed") return;
    const socket = this.#detach();
    this.#setState({ state: "closed", reason, code: closeCodes.normal.code });
    if (socket === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.timers.after(closeGraceMs, () => {
        socket.terminate?.();
        resolve();
      });
      socket.onclose = () => {
        cancel();
        resolve();
      };
      socket.close(closeCodes.normal.code);
    });
  }

  async #open(): Promise<void> {
    const generation = ++this.#generation;
    const { urls, timers, silenceMs } = this.#options;
    const url = urls[this.#urlIndex % urls.length] ?? urls[0];
    // Timers before states: a listener may close the document, which must find the timer to cancel.
    this.#cancelTimer = timers.after(silenceMs, () => this.#lost("no answer in time", undefined));
    this.#setState({ state: "connecting", url, attempt: this.#attempt });
    if (generation !== this.#generation) return;
    let token: string | undefined;
    let socket: ClientSocket;
    try {
      token = await this.#options.token();
      if (generation !== this.#generation) return;
      socket = await this.#options.createWebSocket(url, subprotocol);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#handlers.error(error);
      this.#lost("could not connect", undefined);
      return;
    }
    if (generation !== this.#generation) {
      discard(socket);
      return;
    }
    this.#socket = socket;
    const greet = (): void => {
      socket.send(JSON.stringify({ ...this.#handlers.hello(), ...(token === undefined ? {} : { token }) }));
    };
    socket.onopen = greet;
    socket.onmessage = (event: { readonly data: unknown }) => this.#receive(event.data);
    socket.onerror = () => {}; // A close event follows; `ws` would throw without a listener.
    socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
      this.#lost(event.reason, event.code);
    if (socket.readyState === openState) greet();
  }

  #receive(data: unknown): void {
    this.#pingSentAt = undefined;
    let message: ServerMessage;
    try {
      if (typeof data !== "string") throw new TypeError("a binary frame");
      message = JSON.parse(data) as ServerMessage;
    } catch (error) {
      this.#handlers.error(new Error("the server sent what is no JSON", { cause: error }));
      this.#lost("unreadable frame", undefined);
      return;
    }
    switch (message.type) {
      case "pong":
        if (typeof message.t !== "number") return;
        // Other frames may have been on their way here before whatever made somebody ask.
        if (message.t >= this.#probedAt) this.#cancelProbe();
        this.#handlers.latency(this.#options.timers.now() - message.t);
        return;
      case "bye":
        this.#retryAfterMs = message.retryAfterMs;
        return;
      case "welcome": {
        this.#cancelTimer();
        if (this.#state.state !== "connecting") return;
        const generation = this.#generation;
        this.#schedulePing();
        this.#setState({ state: "syncing", url: this.#state.url });
        // A listener may have closed the document: nothing may begin a session after that.
        if (generation !== this.#generation) return;
      }
    }
    this.#handlers.message(message);
  }

  /** One ping is on its way at a time; one without an answer for `silenceMs` means that nobody is there. */
  #schedulePing(): void {
    const { timers, pingIntervalMs } = this.#options;
    this.#cancelPing();
    this.#cancelPing = timers.after(pingIntervalMs, () => this.#ping());
  }

  #ping(): void {
    const { timers, silenceMs } = this.#options;
    const now = timers.now();
    if (this.#pingSentAt === undefined) {
      this.#pingSentAt = now;
      this.send(JSON.stringify({ type: "ping", t: now }));
    } else if (now - this.#pingSentAt >= silenceMs) {
      this.#lost("the server fell silent", undefined);
      return;
    }
    this.#schedulePing();
  }

  #lost(reason: string, code: number | undefined): void {
    if (this.#state.state === "closed") return;
    const { timers, tokenRenewable } = this.#options;
    const socket = this.#detach();
    if (socket !== undefined && code === undefined) discard(socket);
    const ending = code === undefined ? undefined : endings.get(code);
    const text = reason !== "" ? reason : (ending?.name ?? "connection lost");
    // An expired token is worth one more attempt with a fresh one.
    const retryToken = code === closeCodes.unauthenticated.code && tokenRenewable && !this.#refusedToken;
    if (ending !== undefined && !ending.reconnect && !retryToken) {
      this.#setState({ state: "closed", reason: text, ...(code === undefined ? {} : { code }) });
      return;
    }
    if (retryToken) this.#refusedToken = true;
    const steady = this.#liveSince !== undefined && timers.now() - this.#liveSince >= steadyMs;
    this.#liveSince = undefined;
    this.#attempt = steady ? 1 : this.#attempt + 1;
    if (!retryToken) this.#urlIndex += 1;
    const delayMs = this.#delayMs(retryToken);
    this.#cancelTimer = timers.after(delayMs, () => void this.#open());
    this.#setState({
      state: "reconnecting",
      attempt: this.#attempt,
      delayMs,
      reason: text,
      ...(code === undefined ? {} : { code }),
    });
  }

  /** The other addresses are tried at once (apart from a little jitter); a full round of failures waits longer. */
  #delayMs(retryToken: boolean): number {
    const { random, urls, backoff } = this.#options;
    const asked = this.#retryAfterMs;
    this.#retryAfterMs = undefined;
    if (asked !== undefined) return asked;
    if (retryToken) return 0;
    const round = Math.floor(this.#attempt / urls.length);
    if (this.#attempt % urls.length !== 0) return backoffDelayMs(0, random(), { ...backoff, baseMs: 100 });
    return backoffDelayMs(round - 1, random(), backoff);
  }

  #detach(): ClientSocket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#generation += 1;
    this.#pingSentAt = undefined;
    this.#cancelTimer();
    this.#cancelPing();
    this.#cancelProbe();
    if (socket !== undefined) {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
    }
    return socket;
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#handlers.state(state);
  }
}

/** Ends a socket that nobody listens to any more, without waiting for the other side where the host allows that. */
function discard(socket: ClientSocket): void {
  socket.onerror = () => {};
  if (socket.terminate !== undefined) socket.terminate();
  else socket.close();
}
