/**
 * Messages with a `requestId`, each answered by one `result` within 10 s.
 *
 * Those that change the document are handled one after the other, in the order in which they came, and one that gives
 * something up (a release) after the submits that came before it: two connections to the database keep no order. So are
 * tokens, in a turn of their own: a session that waits for a lock does not end meanwhile with its old token.
 */
import type { Auth, LockCommand, ResolveCommand, Result } from "../../shared/protocol/messages.ts";
import { problemText } from "../../shared/protocol/shape.ts";
import type { Identity } from "../access/identity.ts";
import type { RateLimit } from "../access/rate.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import { conflictInfo } from "../room/conflicts.ts";
import { type LockCaller, type LockRoom, releaseLock, takeLock } from "../room/lock-requests.ts";
import type { ResolveRequest, ResolveResult } from "../room/resolving.ts";
import type { Refusal } from "../room/submission.ts";

/** Every message that is answered by a `result`. */
export type RequestMessage = Auth | LockCommand | ResolveCommand;

/** What a `result` says beside its `requestId`. */
type Fields<T> = T extends Result ? Omit<T, "type" | "requestId"> : never;
export type RequestAnswer = Fields<Result>;

/** The session that asks. */
export interface Requester extends LockCaller {
  readonly identity: Identity | undefined;
  /** The same user with a fresh token. */
  identified(identity: Identity): void;
}

/** What requests need of the session's room. */
export interface RequestRoom extends LockRoom {
  resolve(request: ResolveRequest): Promise<ResolveResult>;
}

export interface RequestsOptions {
  readonly session: Requester;
  /** Undefined: it has ended. */
  readonly room: () => RequestRoom | undefined;
  /** Resolves when the submits received so far are answered. */
  readonly submitsAnswered: () => Promise<void>;
  readonly tokens: Tokens;
  /** Operations a second of the session; a request counts as one. */
  readonly rate: RateLimit;
  readonly limits: Pick<Config["limits"], "locksPerAuthor">;
  readonly lockTimeoutMs: number;
  readonly log: Logger;
  readonly send: (message: Result) => void;
}

/** An answer comes within 10 s; then nobody knows. */
const answerWithinMs = 9_000;

/** More than that do not wait for their turn. */
const maxWaiting = 4_000;

/** The field that is at fault begins the message, as it does where a message cannot be read. */
function named(refusal: Refusal): Refusal {
  const path = refusal.details?.path;
  if (refusal.code !== "invalid" || typeof path !== "string") return refusal;
  return { ...refusal, message: problemText({ path, message: refusal.message }) };
}

const noAnswer: RequestAnswer = { ok: false, code: "unavailable", message: "the database did not answer" };

type Handlers = {
  readonly [Message in RequestMessage as Message["type"]]: (message: Message) => Promise<RequestAnswer>;
};

type Handle = () => Promise<RequestAnswer> | RequestAnswer;

/** One after the other, in the order of the calls; not at all when the answer is due by then. */
function inOrder(): (handle: Handle) => Promise<RequestAnswer> {
  /** Ends when what came before is handled. */
  let turn: Promise<unknown> = Promise.resolve();
  return (handle) => {
    const cameAt = performance.now();
    const answer = turn.then(() => (performance.now() - cameAt > answerWithinMs ? noAnswer : handle()));
    turn = answer.catch(() => undefined);
    return answer;
  };
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #nextChange = inOrder();
  /** Verifying costs a hash or a signature each: a session that sends thousands takes turns with everybody else. */
  readonly #nextToken = inOrder();
  #unanswered = 0;
  readonly #handlers: Handlers;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#handlers = {
      auth: (message) => this.#limit() ?? this.#nextToken(() => this.#authenticate(message)),
      lock: (message) => this.#limit() ?? this.#inTurn((room) => this.#lock(room, message)),
      resolve: (message) => this.#limit() ?? this.#inTurn((room) => this.#resolve(room, message)),
    };
  }

  /** Requests without an answer. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Resolves when the changes that came before this call are handled, even those that were answered as late. */
  async handled(): Promise<void> {
    await this.#nextChange(() => noAnswer);
  }

  receive(message: RequestMessage): void {
    const { requestId } = message;
    const { log, send } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<RequestAnswer>((resolve) => {
      timer = setTimeout(() => resolve(noAnswer), answerWithinMs);
    });
    this.#unanswered += 1;
    const handle = this.#handlers[message.type] as (message: RequestMessage) => Promise<RequestAnswer>;
    const answer = handle(message).catch((cause: unknown) => {
      log.warn({ err: cause, type: message.type }, "a request failed");
      return noAnswer;
    });
    void Promise.race([answer, late]).then((fields) => {
      clearTimeout(timer);
      this.#unanswered -= 1;
      send({ type: "result", requestId, ...fields });
    });
  }

  async #authenticate({ token }: Auth): Promise<RequestAnswer> {
    const { tokens, session } = this.#options;
    const verified = await tokens.verify(token);
    if (!verified.ok) {
      const code = verified.reason === "unavailable" ? "unavailable" : "unauthenticated";
      return { ok: false, code, message: verified.message };
    }
    if (verified.identity.userId !== session.identity?.userId)
      return { ok: false, code: "forbidden", message: "the token is of another user" };
    session.identified(verified.identity);
    return { ok: true };
  }

  async #lock(
    room: LockRoom,
    { action, element = null, ttlMs = this.#options.lockTimeoutMs }: LockCommand,
  ): Promise<RequestAnswer> {
    const { session, limits, submitsAnswered } = this.#options;
    const { origin, authorise, isOwner } = session;
    const caller = { origin, authorise, isOwner };
    if (action === "release") {
      await submitsAnswered();
      return releaseLock(room, { ...caller, which: { element } });
    }
    const renewOnly = action === "renew";
    return takeLock(room, { ...caller, element, ttlMs, renewOnly, maxPerAuthor: limits.locksPerAuthor });
  }

  async #resolve(room: RequestRoom, { conflictId, choose, base }: ResolveCommand): Promise<RequestAnswer> {
    const { origin, authorise } = this.#options.session;
    const { client, ...rest } = origin;
    const resolved = await room.resolve({
      conflictId,
      choose,
      ...(base === undefined ? {} : { base }),
      // The server composes the operations; the locks of whoever asked count.
      origin: { ...rest, client: "server", lockClient: client },
      authorise,
    });
    return resolved.ok
      ? { ok: true, conflict: conflictInfo(resolved.conflict) }
      : { ok: false, ...named(resolved.refusal) };
  }

  #inTurn(handle: (room: RequestRoom) => Promise<RequestAnswer>): Promise<RequestAnswer> {
    return this.#nextChange(() => {
      const room = this.#options.room();
      return room === undefined ? noAnswer : handle(room);
    });
  }

  #limit(): Promise<RequestAnswer> | undefined {
    const taken =
      this.#unanswered > maxWaiting ? { ok: false as const, retryAfterMs: 100 } : this.#options.rate.take("");
    if (taken.ok) return undefined;
    const details = { retryAfterMs: taken.retryAfterMs, limit: "opsPerSecond" };
    return Promise.resolve({
      ok: false,
      code: "rate_limited",
      message: "too many requests a second",
      details,
    });
  }
}
