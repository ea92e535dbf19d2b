/** A session's presence states: at most so many a second are used, of more only the newest. */
import type { PresenceState } from "../../shared/protocol/messages.ts";

export class PresenceIntake {
  readonly #perSecond: number;
  readonly #use: (state: PresenceState) => void;
  #timer: NodeJS.Timeout | undefined;
  #next: { readonly state: PresenceState } | undefined;

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, use: (state: PresenceState) => void) {
    this.#perSecond = perSecond;
    this.#use = use;
  }

  receive(state: PresenceState): void {
    if (this.#timer !== undefined) {
      this.#next = { state };
      return;
    }
    this.#use(state);
    if (this.#perSecond === 0) return;
    // Timers cut fractions: 60 a second would become 62.
    const periodMs = Math.ceil(1_000 / this.#perSecond);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined) this.receive(next.state);
    }, periodMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next = undefined;
  }
}

/** Whether a state is larger than it may be; 0: no limit. */
export function exceeds(state: PresenceState, maxBytes: number): boolean {
  return maxBytes > 0 && Buffer.byteLength(JSON.stringify(state)) > maxBytes;
}
