/**
 * The other people's sessions, each person's replica once and without flicker. One that reconnects leaves and comes back
 * as another session of the same author, a moment later or earlier: its old session stays in sight for `lingerMs`, and is
 * replaced in one step when the new one is there, what it last showed included. Of two that are there, the one that
 * joined later is shown, whichever is told last; the other one when that has left.
 */
import type { PresenceState, SessionInfo } from "../shared/protocol/messages.ts";
import type { Timers } from "./timers.ts";

/** Everybody else changed: who came, who left, whose state is another. Ids of sessions. */
export interface PresenceEvent {
  readonly joined: readonly string[];
  readonly left: readonly string[];
  readonly changed: readonly string[];
}

const lingerMs = 2_000;

export class Others {
  readonly sessions = new Map<string, SessionInfo>();
  /** Sessions that are there behind a later one of their author. */
  readonly #behind = new Map<string, SessionInfo>();
  readonly #timers: Timers;
  readonly #onChange: (event: PresenceEvent) => void;
  /** Sessions that are gone and still shown; what ends that. */
  readonly #leaving = new Map<string, () => void>();
  /** Sessions that show what their author's last one showed; what ends that. */
  readonly #carried = new Map<string, () => void>();

  constructor(timers: Timers, onChange: (event: PresenceEvent) => void) {
    this.#timers = timers;
    this.#onChange = onChange;
  }

  /** All there are now. */
  replace(sessions: readonly SessionInfo[]): void {
    const present = new Set(sessions.map(({ sessionId }) => sessionId));
    const left = [...this.sessions.keys(), ...this.#behind.keys()].filter((id) => !present.has(id));
    // Of one author's two, the older is one that is not found dead yet.
    const inOrder = [...sessions].sort((a, b) => (a.joinedAt < b.joinedAt ? -1 : 1));
    this.change(inOrder, {}, left);
  }

  /** Some came, some show something else, some left. */
  change(
    joined: readonly SessionInfo[],
    states: { readonly [sessionId: string]: PresenceState },
    left: readonly string[],
  ): void {
    const event = { joined: new Set<string>(), left: new Set<string>(), changed: new Set<string>() };
    for (const session of joined) this.#join(session, event);
    for (const [sessionId, presence] of Object.entries(states)) {
      const behind = this.#behind.get(sessionId);
      if (behind !== undefined) this.#behind.set(sessionId, { ...behind, presence });
      const session = this.sessions.get(sessionId);
      if (session === undefined) continue;
      this.#settle(this.#carried, sessionId);
      this.sessions.set(sessionId, { ...session, presence });
      if (!event.joined.has(sessionId)) event.changed.add(sessionId);
    }
    for (const sessionId of left) this.#behind.delete(sessionId);
    for (const sessionId of left) {
      const session = this.sessions.get(sessionId);
      if (session === undefined || this.#leaving.has(sessionId)) continue;
      this.#leaving.set(
        sessionId,
        this.#timers.after(lingerMs, () => {
          this.#remove(sessionId);
          this.#onChange({ joined: [], left: [sessionId], changed: [] });
        }),
      );
      const next = [...this.#behind.values()].find((other) => sameAuthor(other, session));
      if (next === undefined) continue;
      this.#behind.delete(next.sessionId);
      this.#join(next, event);
    }
    if (event.joined.size + event.left.size + event.changed.size === 0) return;
    this.#onChange({ joined: [...event.joined], left: [...event.left], changed: [...event.changed] });
  }

  /** Leaves no timer. */
  close(): void {
    this.#behind.clear();
    for (const sessionId of [...this.#leaving.keys()]) this.#remove(sessionId);
    for (const sessionId of [...this.#carried.keys()]) this.#settle(this.#carried, sessionId);
  }

  #join(session: SessionInfo, event: Record<"joined" | "left" | "changed", Set<string>>): void {
    const { sessionId } = session;
    const known = this.sessions.get(sessionId);
    if (known !== undefined) {
      this.#settle(this.#leaving, sessionId);
      const isCarried = session.presence === null && this.#carried.has(sessionId);
      if (!isCarried) this.#settle(this.#carried, sessionId);
      this.sessions.set(sessionId, isCarried ? { ...session, presence: known.presence } : session);
      event.changed.add(sessionId);
      return;
    }
    const formers = [...this.sessions.values()].filter((former) => sameAuthor(former, session));
    const isShown = ({ sessionId: id, joinedAt }: SessionInfo): boolean =>
      joinedAt > session.joinedAt && !this.#leaving.has(id);
    if (formers.some(isShown)) {
      this.#behind.set(sessionId, session);
      return;
    }
    let shown = session;
    for (const former of formers) {
      this.#remove(former.sessionId);
      // Who came and went within one frame was never seen.
      if (!event.joined.delete(former.sessionId)) event.left.add(former.sessionId);
      if (shown.presence !== null || former.presence === null) continue;
      shown = { ...session, presence: former.presence };
      this.#carried.set(
        sessionId,
        this.#timers.after(lingerMs, () => {
          const present = this.sessions.get(sessionId);
          this.#carried.delete(sessionId);
          if (present === undefined) return;
          this.sessions.set(sessionId, { ...present, presence: null });
          this.#onChange({ joined: [], left: [], changed: [sessionId] });
        }),
      );
    }
    this.sessions.set(sessionId, shown);
    event.joined.add(sessionId);
  }

  #remove(sessionId: string): void {
    this.sessions.delete(sessionId);
    this.#settle(this.#leaving, sessionId);
    this.#settle(this.#carried, sessionId);
  }

  #settle(pending: Map<string, () => void>, sessionId: string): void {
    pending.get(sessionId)?.();
    pending.delete(sessionId);
  }
}

function sameAuthor(one: SessionInfo, other: SessionInfo): boolean {
  return one.clientId === other.clientId && one.user.id === other.user.id;
}
