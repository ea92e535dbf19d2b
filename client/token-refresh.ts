/**
 * Brings a fresh token to the live session before the old one ends it.
 *
 * The token says when it expires by its issuer's clock, the `welcome` what the server's clock says: the difference is what
 * is left, and from there on this machine's monotonic clock counts. The local wall clock, which may be wrong, plays no part.
 */
import { backoffDelayMs } from "./backoff.ts";
import { asError, RequestError } from "./errors.ts";
import type { Requests } from "./requests.ts";
import type { Timers } from "./timers.ts";
import { readToken, type TokenSource } from "./token.ts";

/** What it works with. */
export interface TokenRefreshOptions {
  readonly source: TokenSource;
  readonly requests: Requests;
  readonly timers: Timers;
  readonly random: () => number;
  /** The server refuses the fresh token: the next connection asks for another. */
  readonly reconnect: (reason: string) => void;
  readonly onError: (error: Error) => void;
}

/** At this share of what is left of a token's life the next one is asked for. */
const share = 0.8;
const retryBackoff = { baseMs: 1_000, maxMs: 30_000 };
/** Timers of hosts hold 31 bits. */
const longestMs = 2 ** 31 - 1;

export class TokenRefresh {
  readonly #options: TokenRefreshOptions;
  /** Of the server's clock, less the local one. */
  #serverOffsetMs = 0;
  #attempt = 0;
  #generation = 0;
  #closed = false;
  #cancel: () => void = () => {};

  constructor(options: TokenRefreshOptions) {
    this.#options = options;
  }

  /** A session began. @param serverTime of its `welcome`. */
  connected(serverTime: string): void {
    const { source, timers } = this.#options;
    this.stop();
    if (this.#closed || !source.renewable) return;
    this.#serverOffsetMs = Date.parse(serverTime) - timers.now();
    this.#attempt = 0;
    this.#schedule(source.current);
  }

  /** There is no session. */
  stop(): void {
    this.#generation += 1;
    this.#cancel();
  }

  /** There will never be one again. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  #schedule(token: string | undefined): void {
    const { exp } = readToken(token);
    if (exp === undefined || Number.isNaN(this.#serverOffsetMs)) return;
    const leftMs = exp * 1000 - this.#serverOffsetMs - this.#options.timers.now();
    this.#after(Math.max(0, leftMs * share));
  }

  #after(delayMs: number): void {
    const { timers } = this.#options;
    this.#cancel();
    this.#cancel =
      delayMs > longestMs
        ? timers.after(longestMs, () => this.#after(delayMs - longestMs))
        : timers.after(delayMs, () => void this.#refresh());
  }

  async #refresh(): Promise<void> {
    const { source, requests, reconnect, onError } = this.#options;
    const generation = this.#generation;
    const before = source.current;
    try {
      const token = await source.fresh();
      if (generation !== this.#generation) return;
      if (token === undefined || token === before) {
        this.#retry();
        return;
      }
      await requests.ask({ type: "auth", token }, { repeat: false });
      if (generation !== this.#generation) return;
      this.#attempt = 0;
      this.#schedule(token);
    } catch (error) {
      if (generation !== this.#generation) return;
      if (!(error instanceof RequestError)) {
        onError(new Error("no fresh token", { cause: error }));
        this.#retry();
      } else if (error.code === "timeout" || error.code === "internal") {
        this.#retry();
      } else if (error.code !== "disconnected" && error.code !== "closed") {
        onError(asError(error));
        reconnect("the fresh token was refused");
      }
    }
  }

  #retry(): void {
    const delayMs = backoffDelayMs(this.#attempt, this.#options.random(), retryBackoff);
    this.#attempt += 1;
    this.#after(delayMs);
  }
}
