/** The submits of one session: numbered, read, limited, handed to the room, and answered. */

import type { Ack, Reject } from "../../shared/protocol/messages.ts";
import { readSubmit } from "../../shared/protocol/read.ts";
import type { RateLimit } from "../access/rate.ts";
import type { Config } from "../config.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Room } from "../room/room.ts";
import type { Refusal, Submission, SubmitAnswer } from "../room/submission.ts";
import { SubmitSequence } from "./submit-sequence.ts";

export interface SubmitIntakeOptions {
  readonly limits: Pick<Config["limits"], "maxOpsPerSubmit" | "maxInFlight" | "maxInFlightBytes">;
  readonly rate: RateLimit;
  readonly metrics: Metrics;
  /** Whose submits these are: the room handles those of one channel in their order. */
  readonly channel: object;
  readonly authorise: Submission["authorise"];
  readonly send: (message: Ack | Reject) => void;
}

export class SubmitIntake {
  readonly #options: SubmitIntakeOptions;
  readonly #sequence = new SubmitSequence();
  /** Of the submits without an answer. */
  #length = 0;
  /** Who waits for the submits that were open when they came. */
  readonly #waiting = new Set<{ readonly open: Set<number>; readonly resolve: () => void }>();

  constructor(options: SubmitIntakeOptions) {
    this.#options = options;
  }

  /** Submits without an answer. */
  get unanswered(): number {
    return this.#sequence.unanswered;
  }

  /** Resolves when those are answered that came before this call. */
  answered(): Promise<void> {
    const open = this.#sequence.open;
    if (open.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.add({ open, resolve }));
  }

  receive(
    room: Room,
    origin: Submission["origin"],
    seq: number,
    value: Readonly<Record<string, unknown>>,
    length: number,
  ): void {
    const { limits, channel, authorise } = this.#options;
    const judged = this.#sequence.receive(seq);
    if (judged.outcome === "held") {
      const retry = judged.code === "rate_limited" ? { details: { retryAfterMs: 100 } } : {};
      const message = "an earlier submit has to come again first";
      this.#turnAway(seq, { code: judged.code, message, ...retry }, room);
      return;
    }
    if (judged.outcome === "unexpected") {
      const message = `seq: expected ${judged.expected}`;
      this.#turnAway(seq, { code: "invalid_operation", message, details: { path: "seq" } }, room);
      return;
    }
    const read = readSubmit(value, limits.maxOpsPerSubmit);
    if (!read.ok) {
      const { code, message, details } = read;
      this.#sequence.handled(seq);
      this.#turnAway(seq, { code, message, details }, room);
      return;
    }
    const { base, ops, onConflict } = read.submit;
    const limited = this.#limit(ops.length, length);
    if (limited !== undefined) this.#sequence.limited(seq);
    this.#length += length;
    room.submit({
      ops,
      length,
      base,
      onConflict,
      origin,
      channel,
      authorise,
      limited,
      answer: (answer) => {
        this.#length -= length;
        this.#answer(seq, answer);
      },
    });
  }

  #limit(operations: number, length: number): Refusal | undefined {
    const { limits, rate } = this.#options;
    const { maxInFlight, maxInFlightBytes } = limits;
    if (maxInFlight > 0 && this.#sequence.unanswered > maxInFlight) {
      return {
        code: "rate_limited",
        message: `more than ${maxInFlight} submits are unanswered`,
        details: { retryAfterMs: 50, limit: "maxInFlight" },
      };
    }
    if (maxInFlightBytes > 0 && this.#length > 0 && this.#length + length > maxInFlightBytes) {
      return {
        code: "rate_limited",
        message: `more than ${maxInFlightBytes} bytes of submits are unanswered`,
        details: { retryAfterMs: 50, limit: "maxInFlightBytes" },
      };
    }
    const taken = rate.take("", operations);
    if (taken.ok) return undefined;
    return {
      code: "rate_limited",
      message: "too many operations a second",
      details: { retryAfterMs: taken.retryAfterMs, limit: "opsPerSecond" },
    };
  }

  #answer(seq: number, answer: SubmitAnswer): void {
    this.#settle(seq, answer);
    if (this.#waiting.size === 0) return;
    for (const one of this.#waiting) {
      one.open.delete(seq);
      if (one.open.size > 0) continue;
      this.#waiting.delete(one);
      one.resolve();
    }
  }

  #settle(seq: number, answer: SubmitAnswer): void {
    switch (answer.outcome) {
      case "sequenced":
        // The operations themselves were the answer.
        this.#sequence.handled(seq);
        return;
      case "duplicate":
        this.#sequence.handled(seq);
        this.#options.send({ type: "ack", seq, versions: answer.versions, duplicate: true });
        return;
      case "unavailable": {
        this.#sequence.unhandled(seq, "unavailable");
        const message = "the database did not answer; repeat it as it was";
        this.#reject(seq, { code: "unavailable", message }, answer.version);
        return;
      }
      case "refused":
        if (answer.refusal.code === "rate_limited") this.#sequence.unhandled(seq, "rate_limited");
        else this.#sequence.handled(seq);
        this.#reject(seq, answer.refusal, answer.version);
    }
  }

  /** Rejects what the room never sees; it counts what it refuses itself. */
  #turnAway(seq: number, refusal: Refusal, room: Room): void {
    this.#options.metrics.rejects.inc({ code: refusal.code });
    this.#reject(seq, refusal, room.toldVersion);
  }

  #reject(seq: number, refusal: Refusal, version: number): void {
    this.#options.send({ type: "reject", seq, ...refusal, version });
  }
}
