import type {
  PresenceBroadcast,
  PresenceState,
  SessionInfo,
  SessionLimits,
  UserProfile,
} from "../shared/protocol/messages.ts";
import { Others, type PresenceEvent } from "./others.ts";
import type { Timers } from "./timers.ts";

/** What is sent of one's own presence at most this often, unless the server allows less. */
const maxPerSecond = 30;

/** Who else is in the document, and one's own state, of which only the newest is sent. */
export class Presence {
  readonly #others: Others;
  readonly #send: (text: string) => boolean;
  readonly #timers: Timers;
  #state: PresenceState;
  #intervalMs = 1000 / maxPerSecond;
  /** What the last `hello` carried. */
  #greeted: PresenceState = null;
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
    this.#others = new Others(options.timers, options.onChange);
  }

  /**
   * The other sessions by id, this replica's former ones left out. Of each author (user and client id) one: whoever
   * reconnects is replaced in one event, not gone and back.
   */
  get others(): ReadonlyMap<string, SessionInfo> {
    return this.#others.sessions;
  }

  /** What others see of this session; null: nothing. */
  get state(): PresenceState {
    return this.#state;
  }

  /** Replaces this session's state (cursor, selection, viewport…). Cheap to call for every pointer event. */
  set(state: PresenceState): void {
    this.#state = state;
    if (!this.#live) return; // `hello` carries it; after that, `begin` sends it.
    this.#dirty = true;
    this.#flush();
  }

  /** For `hello`. */
  greeting(): { readonly presence?: PresenceState } {
    this.#greeted = this.#state;
    return this.#state === null ? {} : { presence: this.#state };
  }

  /** A session began: these are the others. A session of this replica's last connection may still be among them. */
  begin(
    self: { readonly user: UserProfile; readonly clientId: string },
    sessions: readonly SessionInfo[],
    limits: SessionLimits,
  ): void {
    const allowed =
      limits.presencePerSecond === 0 ? maxPerSecond : Math.min(maxPerSecond, limits.presencePerSecond);
    this.#intervalMs = 1000 / allowed;
    this.#live = true;
    this.#dirty = this.#state !== this.#greeted;
    this.#others.replace(
      sessions.filter((session) => session.clientId !== self.clientId || session.user.id !== self.user.id),
    );
    this.#flush();
  }

  /** The connection is gone: the others stay as last seen until there is another. */
  pause(): void {
    this.#live = false;
    this.#cancel();
    this.#cancel = () => {};
  }

  /** A frame about the others. */
  receive(message: PresenceBroadcast): void {
    this.#others.change(message.joined ?? [], message.states ?? {}, message.left ?? []);
  }

  /** The document is closed: leaves no timer. */
  close(): void {
    this.pause();
    this.#others.close();
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
