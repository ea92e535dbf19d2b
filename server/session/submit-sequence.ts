/**
 * The numbered submits of one connection: which `seq` is next, and what holds it up.
 *
 * A submit counts as handled with its operations, an `ack` or a final reject. `unavailable` and `rate_limited` leave
 * it unhandled: `next` goes back to it, and every later one gets the same code until it comes again, so that an
 * author's order is kept whatever fails.
 *
 * A submit over a limit is refused only after the database was asked whether it is a repeat. While it waits for that,
 * what comes behind it is held at once: it would get the same code anyway, and must not pile up while the database
 * is away.
 */
import type { ErrorCode } from "../../shared/protocol/codes.ts";

export type SeqJudgement =
  | { readonly outcome: "next" }
  /** Held up behind an unhandled one. */
  | { readonly outcome: "held"; readonly code: ErrorCode }
  | { readonly outcome: "unexpected"; readonly expected: number };

export class SubmitSequence {
  #next = 1;
  #held: ErrorCode | undefined;
  /** Over a limit, and not answered yet. */
  #limited: number | undefined;
  /** A few numbers in no order. Not a set: each of its tables keeps the next one alive, long after both are garbage. */
  readonly #open: number[] = [];
  /** Final answers that overtook an earlier open submit: their numbers are not expected again. */
  readonly #finished = new Set<number>();

  /** Submits without an answer yet. */
  get unanswered(): number {
    return this.#open.length;
  }

  /** Their numbers, as they are now. */
  get open(): Set<number> {
    return new Set(this.#open);
  }

  /** Judges a `seq`; the next one is counted as received. */
  receive(seq: number): SeqJudgement {
    if (seq === this.#next && this.#limited !== undefined) this.#held = "rate_limited";
    else if (seq === this.#next) {
      if (!this.#open.includes(seq)) this.#open.push(seq);
      this.#held = undefined;
      do this.#next += 1;
      while (this.#finished.has(this.#next));
      return { outcome: "next" };
    }
    if (this.#held !== undefined && seq >= this.#next) return { outcome: "held", code: this.#held };
    return { outcome: "unexpected", expected: this.#next };
  }

  /** The one that was just received is over a limit: those behind it are held until it is answered. */
  limited(seq: number): void {
    this.#limited = seq;
  }

  /** A final answer. */
  handled(seq: number): void {
    this.#close(seq);
    let oldest = this.#next;
    for (const open of this.#open) oldest = Math.min(oldest, open);
    if (seq >= oldest) this.#finished.add(seq);
    if (this.#finished.size === 0) return;
    for (const finished of this.#finished) if (finished < oldest) this.#finished.delete(finished);
  }

  /** It was not handled and has to come again, and with it all that came later. */
  unhandled(seq: number, code: ErrorCode): void {
    this.#close(seq);
    if (seq >= this.#next) return;
    this.#next = seq;
    this.#held = code;
  }

  #close(seq: number): void {
    const at = this.#open.indexOf(seq);
    const last = at < 0 ? undefined : this.#open.pop();
    if (last !== undefined && last !== seq) this.#open[at] = last;
    if (seq === this.#limited) this.#limited = undefined;
  }
}
