/**
 * Messages that carry a `requestId` and are answered by `result`.
 *
 *     waiting ──connected──► sent ──result──► settled
 *        ▲                    │ connection lost ──► waiting (or settled, for what belongs to one connection)
 *        └──timer── delayed ◄─┘ unavailable, rate_limited
 *     any ──time is up, closed──► settled
 *
 * A repetition after a lost connection may find that the first copy was carried out: `repeated` tells, and what an
 * answer then means is for the caller to say.
 */
import type { ErrorMessage, Result } from "../shared/protocol/messages.ts";
import { backoffDelayMs } from "./backoff.ts";
import { RequestError } from "./errors.ts";
import type { Timers } from "./timers.ts";

/** A message without the id that `Requests` gives it. */
export type RequestMessage = { readonly type: string } & { readonly [field: string]: unknown };

/** A positive answer. */
export interface Answer {
  readonly result: Extract<Result, { ok: true }>;
  /** When the copy that was answered was sent, by the local clock: what the answer grants began no earlier. */
  readonly sentAt: number;
}

/** How long to go on, and what to do when the connection is lost. */
export interface RequestOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** False: meant for this connection only. Default: sent again on the next. */
  readonly repeat?: boolean;
}

interface Pending {
  readonly id: string;
  readonly text: string;
  readonly repeat: boolean;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RequestError) => void;
  readonly cancelTimeout: () => void;
  cancelRetry: () => void;
  sentAt: number | undefined;
  copies: number;
  retries: number;
}

const defaultTimeoutMs = 10_000;
const retryBackoff = { baseMs: 200, maxMs: 2_000 };

export class Requests {
  readonly #send: (text: string) => boolean;
  readonly #timers: Timers;
  readonly #random: () => number;
  readonly #pending = new Map<string, Pending>();
  #count = 0;
  #connected = false;
  /** Why there will never be a connection again. */
  #closed: string | undefined;

  constructor(options: {
    readonly send: (text: string) => boolean;
    readonly timers: Timers;
    readonly random: () => number;
  }) {
    this.#send = options.send;
    this.#timers = options.timers;
    this.#random = options.random;
  }

  /**
   * Sends a message, as often as it takes.
   * @throws RequestError with the server's code, or `timeout`, `disconnected`, `closed`.
   */
  ask(message: RequestMessage, options: RequestOptions = {}): Promise<Answer> {
    const { timeoutMs = defaultTimeoutMs, repeat = true } = options;
    if (this.#closed !== undefined) return Promise.reject(new RequestError("closed", this.#closed));
    this.#count += 1;
    const id = `r${this.#count}`;
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#timers.after(timeoutMs, () =>
        this.#fail(id, new RequestError("timeout", `no answer within ${timeoutMs} ms`)),
      );
      const pending: Pending = {
        id,
        text: JSON.stringify({ ...message, requestId: id }),
        repeat,
        resolve,
        reject,
        cancelTimeout,
        cancelRetry: () => {},
        sentAt: undefined,
        copies: 0,
        retries: 0,
      };
      this.#pending.set(id, pending);
      if (this.#connected) this.#transmit(pending);
      else if (!repeat) this.#fail(id, new RequestError("disconnected", "there is no connection"));
    });
  }

  /** There is a connection: everything unanswered goes, in order. */
  connected(): void {
    if (this.#closed !== undefined) return;
    this.#connected = true;
    for (const pending of this.#pending.values()) this.#transmit(pending);
  }

  /** There is none until `connected`. */
  disconnected(): void {
    this.#connected = false;
    for (const pending of [...this.#pending.values()]) {
      pending.cancelRetry();
      if (!pending.repeat)
        this.#fail(pending.id, new RequestError("disconnected", "the connection was lost"));
    }
  }

  /** There will never be one again. */
  close(reason: string): void {
    this.#connected = false;
    this.#closed = reason;
    for (const id of [...this.#pending.keys()]) this.#fail(id, new RequestError("closed", reason));
  }

  /** `result`. */
  answered(result: Result): void {
    const pending = this.#pending.get(result.requestId);
    if (pending === undefined) return;
    if (result.ok) {
      this.#forget(pending);
      pending.resolve({ result, sentAt: pending.sentAt ?? this.#timers.now() });
      return;
    }
    if (result.code === "unavailable" || result.code === "rate_limited") {
      const asked = result.details?.retryAfterMs;
      const delayMs =
        typeof asked === "number"
          ? Math.max(asked, 1)
          : backoffDelayMs(pending.retries, this.#random(), retryBackoff);
      pending.retries += 1;
      pending.cancelRetry();
      pending.cancelRetry = this.#timers.after(delayMs, () => {
        if (this.#connected) this.#transmit(pending);
      });
      return;
    }
    this.#forget(pending);
    pending.reject(new RequestError(result.code, result.message, result.details, pending.copies > 1));
  }

  /** `error` that names a request. */
  failed(error: ErrorMessage): void {
    if (error.requestId !== undefined)
      this.#fail(error.requestId, new RequestError(error.code, error.message));
  }

  #transmit(pending: Pending): void {
    pending.cancelRetry();
    if (!this.#send(pending.text)) return;
    pending.sentAt = this.#timers.now();
    pending.copies += 1;
  }

  #fail(id: string, error: RequestError): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#forget(pending);
    pending.reject(error);
  }

  #forget(pending: Pending): void {
    this.#pending.delete(pending.id);
    pending.cancelTimeout();
    pending.cancelRetry();
  }
}
