/**
 * Sends what the replica has to say: one submit at a time, numbered anew on each connection.
 *
 *     idle ──pump──► in flight ──ops, ack──► idle
 *                        │ reject unavailable, rate_limited ──► waiting ──timer──► in flight, the same under its seq
 *                        │ any other reject ──► idle (the replica drops its changes or makes them anew)
 *
 * A copy of a submit that was sent on a lost connection may still be sequenced and appear in `ops` before the repeated
 * one is handled. Then the next submit is on its way when the repetition is refused as `unavailable`, and both have to
 * come again in order: the previous submit's frame is kept until its successor is answered.
 */
import type { Operation } from "../shared/document/operation.ts";
import type { Ack, Reject, SessionLimits } from "../shared/protocol/messages.ts";
import { type BackoffOptions, backoffDelayMs } from "./backoff.ts";
import type { InFlightSubmit } from "./in-flight.ts";
import { Pace } from "./pacing.ts";
import type { Rebased, Replica } from "./replica.ts";
import type { Timers } from "./timers.ts";

/** What to do with changes that a document with the policy `strict` refused. */
export type VersionConflictAnswer = "rebase" | "drop";

/** What an outbox works with. */
export interface OutboxOptions {
  readonly replica: Replica;
  /** Sends a frame; false when there is no connection. */
  readonly send: (text: string) => boolean;
  readonly timers: Timers;
  readonly random: () => number;
  readonly onConflict: "reject" | undefined;
  readonly answerVersionConflict: (reject: Reject) => VersionConflictAnswer;
  /** Resolves when the submit in flight outlives a reload; it is sent after that. Undefined: nothing is stored. */
  readonly store: () => Promise<void> | undefined;
  /** Operations were dropped: refused by the server, or too large to be sent. */
  readonly onDropped: (cause: DropCause, outcome: Rebased) => void;
  /** The view changed without anything being dropped. */
  readonly onChanged: (elements: ReadonlySet<string>) => void;
}

/** Why operations were dropped. `operations` were in the refused submit; more may follow them (`Rebased.dropped`). */
export interface DropCause {
  readonly code: Reject["code"];
  readonly message: string;
  readonly details?: Reject["details"];
  readonly operations: readonly Operation[];
}

interface Frame {
  readonly text: string;
  /** The server left it unhandled, and it was not sent again yet. Each copy that is sent gets one answer. */
  refused: boolean;
}

/** A change that others keep getting ahead of is given up after this many attempts. */
const maxAttempts = 10;
/** Room for the envelope of a submit. */
const envelopeBytes = 128;
const retryBackoff: BackoffOptions = { baseMs: 200, maxMs: 5_000 };

export class Outbox {
  readonly #options: OutboxOptions;
  #limits: SessionLimits | undefined;
  #pace: Pace;
  #seq = 0;
  /** By `seq`: the submit in flight and the one before. */
  readonly #frames = new Map<number, Frame>();
  /** The submit that went under `#seq`. */
  #sent: InFlightSubmit | undefined;
  #stored: InFlightSubmit | undefined;
  /** Grows with each connection, and each loss of one. */
  #generation = 0;
  #retries = 0;
  #retryScheduled = false;
  #cancelRetry: () => void = () => {};
  #cancelPace: () => void = () => {};

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#pace = new Pace(0, 1, options.timers.now());
  }

  /** A connection is live: what was in flight goes again, as it was, then everything else. */
  connected(limits: SessionLimits): void {
    this.disconnected();
    this.#limits = limits;
    this.#pace = new Pace(limits.opsPerSecond, limits.maxOpsPerSubmit, this.#options.timers.now());
    if (this.#options.replica.inFlight !== undefined) this.#sendInFlight();
    else this.pump();
  }

  /** There is no connection; nothing is sent until there is one. */
  disconnected(): void {
    this.#generation += 1;
    this.#limits = undefined;
    this.#sent = undefined;
    this.#seq = 0;
    this.#frames.clear();
    this.#retries = 0;
    this.#retryScheduled = false;
    this.#cancelRetry();
    this.#cancelPace();
  }

  /** Sends the next submit if nothing is in flight, something waits and the rate allows it. */
  pump(): void {
    const { replica, timers } = this.#options;
    const limits = this.#limits;
    if (limits === undefined || replica.inFlight !== undefined || replica.unsentCount === 0) return;
    const count =
      limits.maxOpsPerSubmit === 0
        ? replica.unsentCount
        : Math.min(replica.unsentCount, limits.maxOpsPerSubmit);
    const waitMs = this.#pace.waitMs(count, timers.now());
    this.#cancelPace();
    if (waitMs > 0) {
      this.#cancelPace = timers.after(waitMs, () => this.pump());
      return;
    }
    const taken = replica.takeSubmit({
      maxOps: limits.maxOpsPerSubmit,
      maxBytes: limits.maxMessageBytes === 0 ? 0 : limits.maxMessageBytes - envelopeBytes,
    });
    if (replica.inFlight !== undefined) this.#sendInFlight();
    if (taken.dropped.length > 0) {
      const message = "larger than a message may be";
      this.#options.onDropped({ code: "too_large", message, operations: [] }, taken);
    }
    if (replica.inFlight === undefined) this.pump();
  }

  /** `ack`: a repetition of what is in the log. */
  acknowledged(ack: Ack): void {
    this.#retries = 0;
    const { inFlight } = this.#options.replica;
    if (ack.seq === this.#seq && inFlight === this.#sent)
      this.#options.onChanged(this.#options.replica.acknowledge());
    else this.#frames.delete(ack.seq);
    this.pump();
  }

  /** `reject` of a submit. */
  rejected(reject: Reject): void {
    if (reject.code === "unavailable" || reject.code === "rate_limited") {
      this.#repeatLater(reject);
      return;
    }
    const { replica, onDropped, onChanged, answerVersionConflict } = this.#options;
    const submit = replica.inFlight;
    if (reject.seq !== this.#seq || submit === undefined || submit !== this.#sent) return;
    const anew =
      submit.attempt < maxAttempts &&
      (reject.code === "base_too_old" ||
        (reject.code === "version_conflict" && answerVersionConflict(reject) === "rebase"));
    const outcome = anew ? replica.retryAnew() : replica.reject();
    if (!anew || outcome.dropped.length > 0) {
      const { code, message, details } = reject;
      const operations = anew ? [] : submit.operations;
      onDropped({ code, message, ...(details === undefined ? {} : { details }), operations }, outcome);
    } else {
      onChanged(outcome.changed);
    }
    this.pump();
  }

  #sendInFlight(): void {
    const { replica, store } = this.#options;
    const submit = replica.inFlight;
    if (submit === undefined) return;
    const storing = this.#stored === submit ? undefined : store();
    if (storing === undefined) {
      this.#transmit(submit);
      return;
    }
    const generation = this.#generation;
    void storing.then(() => {
      this.#stored = submit;
      // A copy that was sent on a lost connection may have appeared meanwhile, or this one is lost too.
      if (generation === this.#generation && replica.inFlight === submit) this.#transmit(submit);
    });
  }

  #transmit(submit: InFlightSubmit): void {
    const { send, timers, onConflict } = this.#options;
    this.#seq += 1;
    this.#sent = submit;
    this.#retries = 0;
    const strict = onConflict === undefined ? "" : `,"onConflict":"${onConflict}"`;
    const text = `{"type":"submit","seq":${this.#seq},"base":${submit.base},"ops":[${submit.texts.join(",")}]${strict}}`;
    this.#frames.delete(this.#seq - 2);
    this.#pace.take(submit.operations.length, timers.now());
    // After an unhandled one everything later is refused too: it goes when that one does.
    const refused = [...this.#frames.values()].some((frame) => frame.refused);
    this.#frames.set(this.#seq, { text, refused });
    if (!refused) send(text);
  }

  #repeatLater(reject: Reject): void {
    const frame = this.#frames.get(reject.seq);
    if (frame === undefined) return;
    frame.refused = true;
    if (this.#retryScheduled) return;
    this.#retryScheduled = true;
    const asked = reject.details?.retryAfterMs;
    const backoff = backoffDelayMs(this.#retries, this.#options.random(), retryBackoff);
    this.#retries += 1;
    const delayMs = typeof asked === "number" ? Math.max(asked, 1) : backoff;
    this.#cancelRetry = this.#options.timers.after(delayMs, () => {
      this.#retryScheduled = false;
      for (const waiting of this.#frames.values()) {
        if (!waiting.refused) continue;
        waiting.refused = false;
        this.#options.send(waiting.text);
      }
    });
  }
}
