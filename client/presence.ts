import { checkJson, isJsonObject, maxJsonDepth } from "../shared/document/json.ts";
import { utf8Bytes } from "../shared/document/utf8.ts";
import type {
  PresenceBroadcast,
  PresenceState,
  SessionInfo,
  SessionLimits,
  UserProfile,
} from "../shared/protocol/messages.ts";
import { asError, ChangeError } from "./errors.ts";
import { Others, type PresenceEvent } from "./others.ts";
import type { Timers } from "./timers.ts";

/** What is sent of one's own presence at most this often, unless the server allows less. */
const maxPerSecond = 30;
/** What a server accepts that did not say otherwise yet (protocol section 8). */
const defaultMaxBytes = 4096;

/** Who else is in the document, and one's own state, of which only the newest is sent. */
export class Presence {
  readonly #others: Others;
  readonly #send: (text: string) => boolean;
  readonly #timers: Timers;
  #state: PresenceState;
  #maxBytes = defaultMaxBytes;
  readonly #onError: (error: Error) => void;
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
    readonly onError: (error: Error) => void;
  }) {
    this.#state = checkedState(options.initial, this.#maxBytes);
    this.#onError = options.onError;
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

  /**
   * Replaces this session's state (cursor, selection, viewport…). Cheap to call for every pointer event.
   * @throws ChangeError for what is no JSON object, and for one larger than the server accepts: the state stays as it was.
   */
  set(state: PresenceState): void {
    this.#state = checkedState(state, this.#maxBytes);
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
    this.#maxBytes = limits.maxPresenceBytes;
    this.#live = true;
    this.#keepAccepted();
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

  /** A state of before this server said what it accepts may be too much for it, and would end the next session. */
  #keepAccepted(): void {
    try {
      checkedState(this.#state, this.#maxBytes);
    } catch (error) {
      this.#state = null;
      this.#onError(asError(error));
    }
  }

  #flush(): void {
    this.#cancel();
    if (!this.#live || !this.#dirty) return;
    const waitMs = this.#sentAt + this.#intervalMs - this.#timers.now();
    if (waitMs > 0) {
      this.#cancel = this.#timers.after(waitMs, () => this.#flush());
      return;
    }
    this.#dirty = false;
    this.#sentAt = this.#timers.now();
    this.#send(JSON.stringify({ type: "presence", state: this.#state }));
  }
}

/**
 * What the server will read of a state, a copy: a `hello` with one that it refuses would close the document for good.
 * @param maxBytes 0: no limit.
 */
function checkedState(state: PresenceState, maxBytes: number): PresenceState {
  let text: string | undefined;
  try {
    text = JSON.stringify(state);
  } catch (cause) {
    throw new ChangeError("invalid", `expected what JSON can express: ${asError(cause).message}`, "presence");
  }
  const read: unknown = text === undefined ? undefined : JSON.parse(text);
  if (read !== null && !isJsonObject(read))
    throw new ChangeError("invalid", "expected an object or null", "presence");
  const problem = checkJson(read, maxJsonDepth);
  if (problem !== undefined)
    throw new ChangeError("invalid", problem.message, ["presence", problem.path].filter(Boolean).join("."));
  const bytes = utf8Bytes(text ?? "");
  if (maxBytes > 0 && bytes > maxBytes)
    throw new ChangeError(
      "too_large",
      `expected at most ${maxBytes} bytes of JSON, got ${bytes}`,
      "presence",
    );
  return read as PresenceState;
}
