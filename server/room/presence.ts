/**
 * Who is in a document, on this instance and on others, and what they show of themselves.
 *
 * Not stored, but for the sessions' rows: changes are collected over `frameMs`, then go to the members as one frame
 * (never one's own) and to the other instances as one notification. A state carries a number of its session, so that
 * one that arrives late is dropped. Lost notifications are made up for by `reconcile`, with the rows of their live
 * sessions; an instance that learns of a session that way asks the others to announce their states again, and so does
 * one that hears (`numbers`, with each `reconcile`) that it has an older state. Who was heard to leave does not come back,
 * whatever arrives late.
 */
import type { PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";
import type { PresenceNews } from "../fanout/news.ts";
import type { SessionRecord } from "../store/store.ts";
import type { Member } from "./member.ts";
import { PresenceFrames } from "./presence-frame.ts";

interface Present {
  info: Omit<SessionInfo, "presence">;
  state: PresenceState;
  /** Grows with every state of the session. */
  number: number;
}

export interface PresenceOptions {
  readonly docId: string;
  readonly frameMs: number;
  readonly publish: (news: PresenceNews) => void;
  /** Another instance has somebody here, for the first time or again. */
  readonly onOthers: () => void;
}

/** For this long a notification (who is there, and their role) is believed over a read that does not show it yet. */
const graceMs = 3_000;
/** How long a notification or the read of a row may be under way. */
const lateMs = 30_000;

export class RoomPresence {
  readonly #options: PresenceOptions;
  readonly #members = new Map<Member, Present>();
  readonly #remote = new Map<string, Present & { heardAt: number }>();
  /** Sessions that were heard to leave, and when. */
  readonly #gone = new Map<string, number>();
  /**
   * Reads of the live sessions. Who joined elsewhere while this document was being opened may be missing in the first,
   * and their notification came too early.
   */
  #reads = 0;
  readonly #joined = new Map<string, SessionInfo>();
  readonly #left = new Set<string>();
  readonly #states = new Map<string, PresenceState>();
  /** What other instances have to hear. */
  readonly #announce = {
    joined: new Set<Present>(),
    left: new Set<string>(),
    states: new Set<Present>(),
    numbers: false,
    ask: false,
  };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  get members(): MapIterator<Member> {
    return this.#members.keys();
  }

  get size(): number {
    return this.#members.size;
  }

  /** Whether another instance may have somebody here: somebody to tell. */
  get hasOthers(): boolean {
    return this.#remote.size > 0 || this.#reads < 2;
  }

  join(member: Member, state: PresenceState): void {
    const present: Present = { info: member.info, state, number: 1 };
    this.#members.set(member, present);
    this.#tellJoined(member.info.sessionId, { ...member.info, presence: state });
    this.#announce.joined.add(present);
    this.#schedule();
  }

  leave(member: Member): boolean {
    const present = this.#members.get(member);
    if (present === undefined) return false;
    const { sessionId } = member.info;
    this.#members.delete(member);
    this.#tellLeft(sessionId);
    this.#announce.left.add(sessionId);
    this.#announce.joined.delete(present);
    this.#announce.states.delete(present);
    this.#schedule();
    return true;
  }

  setState(member: Member, state: PresenceState): void {
    const present = this.#members.get(member);
    if (present === undefined) return;
    present.state = state;
    present.number += 1;
    this.#states.set(member.info.sessionId, state);
    this.#announce.states.add(present);
    this.#schedule();
  }

  /** A member's role or name changed: others are told by a `joined` that replaces what they knew. */
  renew(member: Member): void {
    const present = this.#members.get(member);
    if (present === undefined) return;
    present.info = member.info;
    this.#tellJoined(member.info.sessionId, { ...member.info, presence: present.state });
    this.#announce.joined.add(present);
    this.#schedule();
  }

  /** Everybody but one session, on every instance. */
  others(sessionId: string | undefined): SessionInfo[] {
    return [...this.#members.values(), ...this.#remote.values()]
      .filter(({ info }) => info.sessionId !== sessionId)
      .map(({ info, state }) => ({ ...info, presence: state }));
  }

  /** Names of those whose sessions are known, by user id. */
  names(): Map<string, string> {
    const names = new Map<string, string>();
    for (const { info } of [...this.#members.values(), ...this.#remote.values()]) {
      const { id, name } = info.user;
      if (name !== undefined) names.set(id, name);
    }
    return names;
  }

  /** Another instance's sessions joined, left or moved. */
  hear(news: PresenceNews, nowMs: number): void {
    for (const { number, ...session } of news.joined ?? []) this.#hearJoined(session, nowMs, number);
    for (const sessionId of news.left ?? []) {
      this.#gone.set(sessionId, nowMs);
      this.#hearLeft(sessionId);
    }
    for (const [sessionId, [number, state]] of Object.entries(news.states ?? {})) {
      const present = this.#remote.get(sessionId);
      if (present === undefined || number <= present.number) continue;
      present.number = number;
      present.state = state;
      this.#states.set(sessionId, state);
    }
    for (const [sessionId, number] of Object.entries(news.numbers ?? {})) {
      const present = this.#remote.get(sessionId);
      if (present !== undefined && present.number < number) this.#announce.ask = true;
    }
    if (news.ask === true) this.#announceStates();
    this.#schedule();
  }

  /** Makes the list of other instances' sessions what the database says. */
  reconcile(others: readonly SessionRecord[], nowMs: number): void {
    this.#reads += 1;
    const known = new Set<string>();
    for (const row of others) {
      known.add(row.id);
      const { id: sessionId, client: clientId, user, role, joinedAt } = row;
      const before = this.#remote.get(sessionId);
      if (before !== undefined) {
        if (before.info.role !== role && nowMs - before.heardAt > graceMs)
          this.#hearJoined({ ...before.info, role, presence: before.state }, nowMs);
        continue;
      }
      this.#hearJoined({ sessionId, clientId, user, role, joinedAt, presence: null }, nowMs);
      if (this.#gone.has(sessionId)) continue;
      // Its notification was missed, or came before this document was opened here: what it shows is not in the row.
      this.#announce.ask = true;
    }
    for (const [sessionId, { heardAt }] of this.#remote) {
      if (!known.has(sessionId) && nowMs - heardAt > graceMs) this.#hearLeft(sessionId);
    }
    for (const [sessionId, atMs] of this.#gone) if (nowMs - atMs > lateMs) this.#gone.delete(sessionId);
    // A state of the last moment may be lost as well as any other: no notification says that it was the last.
    this.#announce.numbers = this.#remote.size > 0 && this.#members.size > 0;
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param number of its state; undefined: a row, which knows nothing of states. */
  #hearJoined(session: SessionInfo, nowMs: number, number?: number): void {
    if (this.#gone.has(session.sessionId)) return;
    const { presence, ...info } = session;
    const alone = this.#remote.size === 0;
    const before = this.#remote.get(session.sessionId);
    const late = before !== undefined && number !== undefined && number < before.number;
    const known = late || number === undefined ? before : undefined;
    const state = late ? before.state : number === undefined ? (presence ?? known?.state ?? null) : presence;
    this.#remote.set(session.sessionId, {
      info,
      state,
      number: known?.number ?? number ?? 0,
      heardAt: nowMs,
    });
    this.#tellJoined(session.sessionId, { ...info, presence: state });
    if (!alone) return;
    this.#announceStates();
    this.#options.onOthers();
  }

  #announceStates(): void {
    for (const present of this.#members.values()) if (isTold(present)) this.#announce.states.add(present);
  }

  #hearLeft(sessionId: string): void {
    if (this.#remote.delete(sessionId)) this.#tellLeft(sessionId);
  }

  #tellJoined(sessionId: string, session: SessionInfo): void {
    this.#joined.set(sessionId, session);
    this.#left.delete(sessionId);
    this.#states.delete(sessionId);
  }

  #tellLeft(sessionId: string): void {
    // Joined and left within one frame: nobody saw it come. It may be a rejoin though, so that it is told all the same.
    this.#joined.delete(sessionId);
    this.#states.delete(sessionId);
    this.#left.add(sessionId);
  }

  #schedule(): void {
    const { joined, left, states, numbers, ask } = this.#announce;
    const toTell =
      this.#joined.size + this.#left.size + this.#states.size + joined.size + left.size + states.size;
    if (toTell === 0 && !ask && !numbers) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tellMembers();
      this.#tellInstances();
    }, this.#options.frameMs);
  }

  #tellMembers(): void {
    const frames = new PresenceFrames({ joined: this.#joined, left: this.#left, states: this.#states });
    const durable = this.#joined.size > 0 || this.#left.size > 0;
    this.#joined.clear();
    this.#left.clear();
    this.#states.clear();
    for (const member of this.#members.keys()) {
      const frame = frames.for(member.info.sessionId);
      if (frame === undefined) continue;
      // Who is there must not be missed; where they point may be.
      if (durable) member.deliver(frame);
      else member.deliverEphemeral(frame);
    }
  }

  #tellInstances(): void {
    const { joined, left, states, ask } = this.#announce;
    const told = this.#announce.numbers ? [...this.#members.values()].filter(isTold) : [];
    this.#announce.numbers = false;
    // Nobody shows them; whoever comes is told anew.
    if (!this.hasOthers) states.clear();
    if (joined.size + left.size + states.size + told.length === 0 && !ask) return;
    this.#options.publish({
      kind: "presence",
      docId: this.#options.docId,
      ...(joined.size === 0
        ? {}
        : { joined: [...joined].map(({ info, state, number }) => ({ ...info, presence: state, number })) }),
      ...(left.size === 0 ? {} : { left: [...left] }),
      ...(told.length === 0
        ? {}
        : { numbers: Object.fromEntries(told.map(({ info, number }) => [info.sessionId, number])) }),
      ...(ask ? { ask } : {}),
      ...(states.size === 0
        ? {}
        : {
            states: Object.fromEntries(
              [...states].map(({ info, state, number }) => [info.sessionId, [number, state]]),
            ),
          }),
    });
    joined.clear();
    left.clear();
    states.clear();
    this.#announce.ask = false;
  }
}

/** Others have to know its state: there is one, or there was. */
function isTold({ state, number }: Present): boolean {
  return state !== null || number > 1;
}
