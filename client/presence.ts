import type {
  PresenceBroadcast,
  PresenceState,
  SessionInfo,
  SessionLimits,
  UserProfile,
} from "../shared/protocol/messages.ts";
import type { Timers } from "./timers.ts";

/** Everybody else changed: who came, who left, whose state is another. Ids of sessions. */
export interface PresenceEvent {
  readonly joined: readonly string[];
  readonly left: readonly string[];
  readonly changed: readonly string[];
}

/** What is sent of one's own presence at most this often, unless the server allows less. */
const maxPerSecond = 30;

/** Who else is in the document, and one's own state, of which only the newest is sent. */
export class Presence {
  readonly #others = new Map<string, SessionInfo>();
  readonly #send: (text: string) => boolean;
  readonly #timers: Timers;
  readonly #onChange: (event: PresenceEvent) => void;
  #state: PresenceState;
  #intervalMs = 1000 / maxPerSecond;
  #live = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  #dirty = false;
  #cancel: () => void = () => {};

  constructor(options: {
    readonly initial: PresenceState;
    readonly send: (text: string) => boolean;
    readonly timers: Timers;
    readonly onChange: (event: PresenceEvent) => void;
  }) {
    this.#state = options.initial;
    this.#send = options.send;
    this.#timers = options.timers;
    this.#onChange = options.onChange;
  }

  /** The other sessions by id, this replica's former ones left out. */
  get others(): ReadonlyMap<string, SessionInfo> {
    return this.#others;
  }

  /** What others see of this session; null: nothing. */
  get state(): PresenceState {
    return this.#state;
  }

  /** Replaces this session's state (cursor, selection, viewport…). Cheap to call for every pointer event. */
  set(state: PresenceState): void {
    this.#state = state;
    if (!this.#live) return; // `hello` carries it.
    this.#dirty = true;
    this.#flush();
  }

  /** A session began: these are the others. A session of this replica's last connection may still be among them. */
  begin(
    self: { readonly user: UserProfile; readonly clientId: string },
    sessions: readonly SessionInfo[],
    limits: SessionLimits,
  ): void {
    const before = new Set(this.#others.keys());
    this.#others.clear();
    for (const session of sessions) {
      const own = session.clientId === self.clientId && session.user.id === self.user.id;
      if (!own) this.#others.set(session.sessionId, session);
    }
    const allowed =
      limits.presencePerSecond === 0 ? maxPerSecond : Math.min(maxPerSecond, limits.presencePerSecond);
    this.#intervalMs = 1000 / allowed;
    this.#live = true;
    this.#dirty = false;
    const joined = [...this.#others.keys()].filter((id) => !before.has(id));
    const changed = [...this.#others.keys()].filter((id) => before.has(id));
    const left = [...before].filter((id) => !this.#others.has(id));
    if (joined.length + changed.length + left.length > 0) this.#onChange({ joined, left, changed });
  }

  /** The connection is gone: the others stay as last seen until there is another. */
  pause(): void {
    this.#live = false;
    this.#cancel();
    this.#cancel = () => {};
  }

  /** A frame about the others. */
  receive(message: PresenceBroadcast): void {
    const joined: string[] = [];
    const changed: string[] = [];
    const left: string[] = [];
    for (const session of message.joined ?? []) {
      (this.#others.has(session.sessionId) ? changed : joined).push(session.sessionId);
      this.#others.set(session.sessionId, session);
    }
    for (const [sessionId, presence] of Object.entries(message.states ?? {})) {
      const session = this.#others.get(sessionId);
      if (session === undefined) continue;
      this.#others.set(sessionId, { ...session, presence });
      changed.push(sessionId);
    }
    for (const sessionId of message.left ?? []) if (this.#others.delete(sessionId)) left.push(sessionId);
    if (joined.length + changed.length + left.length > 0) this.#onChange({ joined, left, changed });
  }

  #flush(): void {
    const waitMs = this.#sentAt + this.#intervalMs - this.#timers.now();
    this.#cancel();
    if (waitMs > 0) {
      this.#cancel = this.#timers.after(waitMs, () => this.#flush());
      return;
    }
    if (!this.#live || !this.#dirty) return;
    this.#dirty = false;
    this.#sentAt = this.#timers.now();
    this.#send(JSON.stringify({ type: "presence", state: this.#state }));
  }
}
