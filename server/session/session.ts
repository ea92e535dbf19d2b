/**
 * One WebSocket session, from the upgrade to the close.
 *
 * States: `greeting` (waits for `hello`, 5 s) → `joining` (token, document, where it starts; 10 s) → `live` → `closed`.
 * Before `live` a client may send nothing but its `hello`; frames of the room that come between its join and the end
 * of its `welcome` wait in `#backlog`, so that it sees one stream without a gap.
 *
 * Authorisation is judged for every message from the document's present lists; a submit's again whenever it is
 * decided, against the metadata that the database then checks in the commit.
 */
import type { Author } from "../../shared/document/operation.ts";
import { closeCodes } from "../../shared/protocol/codes.ts";
import type {
  Hello,
  PresenceState,
  Result,
  Role,
  SessionInfo,
  UserProfile,
} from "../../shared/protocol/messages.ts";
import { readClientMessage } from "../../shared/protocol/read.ts";
import { documentMetadata } from "../access/document-view.ts";
import type { Identity } from "../access/identity.ts";
import { includesRole, roleOf } from "../access/roles.ts";
import { encodeFrame } from "../room/frame.ts";
import type { Joined } from "../room/joining.ts";
import type { CloseReason, Member } from "../room/member.ts";
import type { Room } from "../room/room.ts";
import { type DocumentRecord, type Origin, StoreUnavailable } from "../store/store.ts";
import { authorise } from "./authorise.ts";
import type { ClientSocket } from "./client-socket.ts";
import { closeText } from "./close-text.ts";
import { createEditing, type Editing } from "./editing.ts";
import { exceeds, PresenceIntake } from "./presence-intake.ts";
import type { Requester } from "./requests.ts";
import type { SessionServices } from "./services.ts";
import { sendWelcome, sessionLimits } from "./welcome.ts";

/** Where a connection came from. */
export interface Connection {
  readonly docId: string;
  readonly address: string;
  readonly userAgent: string | undefined;
  readonly platform: string | undefined;
  /** Of the upgrade's `Authorization` header. */
  readonly token: string | undefined;
}

/** A hello is answered within this, or the connection closed. */
const joinTimeoutMs = 9_500;
/** What an eager client sends between its hello and the welcome waits. */
const maxEarlyMessages = 100;
const maxEarlyLength = 8 * 1024 * 1024;
/** Presence that comes while a snapshot is sent waits up to this. */
const maxJoiningEphemeralBytes = 1024 * 1024;
/** From here on the end of a token has a timer; before, the looks of the host's heartbeat do, about one a second. */
const expirySoonMs = 3_000;

const presenceTooLarge = (maxBytes: number) => `presence: expected at most ${maxBytes} bytes of JSON`;

export class Session implements Member, Requester {
  readonly id: string;
  readonly #services: SessionServices;
  readonly #socket: ClientSocket;
  readonly #connection: Connection;
  readonly #onClosed: () => void;
  /** These two are made with the first message that is theirs: most members of a document read and watch. */
  #editing: Editing | undefined;
  #presence: PresenceIntake | undefined;
  #state: "greeting" | "joining" | "live" | "closed" = "greeting";
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #early: { readonly message: Readonly<Record<string, unknown>>; readonly length: number }[] = [];
  #earlyLength = 0;
  #draining = false;
  /** A row may have been written for this session, so that leaving has to be recorded. */
  #recorded = false;
  /** The client closed it, on purpose: who lost the connection keeps its leases. */
  #saidGoodbye = false;
  #room: Room | undefined;
  #identity: Identity | undefined;
  #role: Role = "viewer";
  #info: Omit<SessionInfo, "presence"> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  /** Frees the place that the socket holds: an unauthenticated one at first, one of its user's after the token is verified. */
  #release: (() => void) | undefined;
  /** Shared by all submits: one is made a session, not one an operation. */
  #origin: Origin = { user: "", client: "", session: "" };
  readonly authorise = (document: DocumentRecord) => authorise(document, this.#identity);
  readonly isOwner = (document: DocumentRecord) => roleOf(document, this.#identity) === "owner";

  constructor(
    id: string,
    connection: Connection,
    socket: ClientSocket,
    services: SessionServices,
    onClosed: () => void,
  ) {
    this.id = id;
    this.#connection = connection;
    this.#socket = socket;
    this.#services = services;
    this.#onClosed = onClosed;
  }

  /** Takes its place and waits for the `hello`. */
  start(): void {
    const { places, config } = this.#services;
    const entered = places.unauthenticated.enter("");
    if (entered === undefined) {
      this.close("tooMany");
      return;
    }
    this.#release = entered;
    this.#timer = setTimeout(() => this.close("helloTimeout"), config.sockets.helloTimeoutMs);
  }

  get author(): Author {
    return this.#origin;
  }

  get origin(): Origin {
    return this.#origin;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get info(): Omit<SessionInfo, "presence"> {
    if (this.#info === undefined) throw new Error("a session has no author before its hello");
    return this.#info;
  }

  /** Takes no further message; what was submitted is still answered. */
  drain(): void {
    this.#draining = true;
  }

  /** Submits and requests without an answer. */
  get unanswered(): number {
    return (this.#editing?.submits.unanswered ?? 0) + (this.#editing?.requests.unanswered ?? 0);
  }

  get waitingBytes(): number {
    return this.#socket.waitingBytes;
  }

  // ---- from the client -------------------------------------------------------------------------------------

  receive(text: string): void {
    if (this.#state === "closed" || this.#draining) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.close("protocolViolation", "expected a JSON object");
      return;
    }
    const message = value as Readonly<Record<string, unknown>>;
    if (this.#state === "greeting") this.#greet(message);
    else if (this.#state === "live") this.#dispatch(message, text.length);
    else {
      this.#earlyLength += text.length;
      const count = this.#early.push({ message, length: text.length });
      if (count > maxEarlyMessages || this.#earlyLength > maxEarlyLength) this.close("tooMany");
    }
  }

  #dispatch(value: Readonly<Record<string, unknown>>, length: number): void {
    if (value.type === "hello") {
      this.close("protocolViolation", "type: hello comes once");
      return;
    }
    const read = readClientMessage(value);
    if (!read.ok) {
      const { message, requestId } = read;
      if (requestId !== undefined && read.isKnown)
        this.#send<Result>({ type: "result", requestId, ok: false, code: "invalid", message });
      else this.#error("bad_message", message, requestId);
      return;
    }
    const { message } = read;
    switch (message.type) {
      case "submit":
        if (this.#room !== undefined)
          this.#edit().submits.receive(this.#room, this.#origin, message.seq, message.value, length);
        return;
      case "presence":
        this.#receivePresence(message.state);
        return;
      case "ping":
        this.#send({ type: "pong", t: message.t, serverTime: this.#time() });
        return;
      case "auth":
      case "lock":
      case "resolve":
        this.#edit().requests.receive(message);
        return;
      case "hello": // A second one: closed above, whatever its shape.
    }
  }

  #edit(): Editing {
    this.#editing ??= createEditing({
      session: this,
      room: () => this.#room,
      services: this.#services,
      send: (message) => this.#send(message),
    });
    return this.#editing;
  }

  // ---- hello -----------------------------------------------------------------------------------------------

  #greet(value: Readonly<Record<string, unknown>>): void {
    if (value.type !== "hello") {
      this.close("protocolViolation", 'type: expected "hello" first');
      return;
    }
    const read = readClientMessage(value);
    if (!read.ok || read.message.type !== "hello") {
      this.close("protocolViolation", read.ok ? undefined : read.message);
      return;
    }
    const hello = read.message;
    const { maxPresenceBytes } = this.#services.config.limits;
    if (hello.presence !== undefined && exceeds(hello.presence, maxPresenceBytes)) {
      this.close("protocolViolation", presenceTooLarge(maxPresenceBytes));
      return;
    }
    this.#state = "joining";
    this.#stopTimer();
    this.#timer = setTimeout(() => this.#overloaded(), joinTimeoutMs);
    this.#join(hello).catch((cause: unknown) => {
      if (cause instanceof StoreUnavailable) {
        this.#services.log.warn({ err: cause }, "could not join");
        this.#overloaded();
        return;
      }
      this.#services.log.error({ err: cause }, "join failed");
      this.close("internal");
    });
  }

  async #join(hello: Hello): Promise<void> {
    const { tokens, registry, places } = this.#services;
    const token = hello.token ?? this.#connection.token;
    if (token !== undefined) {
      const verified = await tokens.verify(token);
      if (verified.ok) this.#identity = verified.identity;
      if (this.#closed) return this.#leaveUnjoined(hello);
      if (!verified.ok)
        return verified.reason === "unavailable"
          ? this.#overloaded()
          : this.close("unauthenticated", verified.message);
      const entered = places.user.enter(verified.identity.userId);
      if (entered === undefined) return this.close("tooMany");
      // Authenticated: its place among the unauthenticated is free again.
      this.#release?.();
      this.#release = entered;
    }
    const user = this.#userOf(hello);
    // A room may end between opening and joining it (its history is another's): the next one is right.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const room = await registry.open(this.#connection.docId);
      if (this.#closed) return this.#leaveUnjoined(hello);
      let role = this.#roleIn(room);
      // What this instance has not heard yet must not shut anybody out.
      if (room !== undefined && role === undefined && (await room.current())) role = this.#roleIn(room);
      if (this.#closed) return this.#leaveUnjoined(hello);
      if (room === undefined || role === undefined) return this.#refuseEntry();
      this.#role = role;
      this.#info = { sessionId: this.id, clientId: hello.clientId, user, role, joinedAt: this.#time() };
      this.#origin = this.#originOf(user, hello.clientId);
      const [joining, recording] = await Promise.allSettled([
        room.join({
          member: this,
          presence: hello.presence ?? null,
          since: hello.since,
          sinceId: hello.sinceId,
          pending: hello.pending ?? [],
        }),
        this.#record(room),
      ]);
      this.#room = room;
      if (this.#closed) {
        if (this.#saidGoodbye) this.#releaseLocks();
        return this.#leave();
      }
      if (joining.status === "rejected") throw joining.reason;
      if (recording.status === "rejected") throw recording.reason;
      const joined = joining.value;
      if (joined === undefined) {
        this.#room = undefined;
        continue;
      }
      // It may have changed while the row was being written.
      if (this.#role !== role) this.#tellOthers(room);
      this.documentChanged(room.document);
      await this.#welcome(joined);
      return;
    }
    this.#overloaded();
  }

  #roleIn(room: Room | undefined): Role | undefined {
    if (room === undefined || room.document.state === "deleted") return undefined;
    return roleOf(room.document, this.#identity);
  }

  #userOf(hello: Hello): UserProfile {
    const identity = this.#identity;
    const id = identity?.userId ?? `anonymous:${this.#services.newShortId()}`;
    return { id, ...profileOf(hello.profile), ...profileOf(identity) };
  }

  /** With this one. */
  #activeUsers(others: readonly SessionInfo[]): string[] {
    return [...new Set([...others, this.info].map(({ user }) => user.id))].sort();
  }

  #originOf({ id }: UserProfile, client: string): Origin {
    const { address, userAgent, platform } = this.#connection;
    return {
      user: id,
      client,
      session: this.id,
      ip: address,
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(platform === undefined ? {} : { platform }),
    };
  }

  /** Without a token private and absent documents are alike, and so they are with one. */
  #refuseEntry(): void {
    if (this.#identity === undefined) this.close("unauthenticated", "a token is needed");
    else this.close("notFound");
  }

  /** The row of this session: others see it by it, and the log is looked up by user through it. */
  #record(room: Room): Promise<void> {
    const { address, userAgent, platform } = this.#connection;
    const { user, clientId, role } = this.info;
    this.#recorded = true;
    return this.#services.sessionRows.join({
      id: this.id,
      docId: room.docId,
      instanceId: this.#services.instanceId,
      user,
      client: clientId,
      role,
      version: room.version,
      ip: address,
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(platform === undefined ? {} : { platform }),
    });
  }

  /** The others see this session's new role or name: by its notification, and by its row where that is lost. */
  #tellOthers(room: Room): void {
    room.renew(this);
    this.#record(room).catch((cause: unknown) =>
      this.#services.log.warn({ err: cause }, "a session's role or name not recorded"),
    );
  }

  /** The row is gone with this instance's lease, the session is not: one that still takes its snapshot is there as well. */
  async renewRow(): Promise<void> {
    if (!this.#closed && this.#room !== undefined) await this.#record(this.#room);
  }

  async #welcome(joined: Joined): Promise<void> {
    const { version, rebase, committed, sessions, locks, document } = joined;
    const { instanceId, config } = this.#services;
    let role: Role = "viewer";
    const written = await sendWelcome({
      socket: this.#socket,
      joined,
      fields: () => {
        role = this.#role;
        return {
          type: "welcome",
          sessionId: this.id,
          instanceId,
          user: this.info.user,
          role,
          document: {
            ...documentMetadata(document, role),
            version,
            activeUsers: this.#activeUsers(sessions),
          },
          version,
          ...(rebase ? { rebase: true as const } : {}),
          committed,
          sessions,
          locks,
          limits: sessionLimits(config.limits),
          serverTime: this.#time(),
        };
      },
      maxBytes: config.limits.maxServerMessageBytes,
      isClosed: () => this.#closed,
      // A snapshot takes as long as the reader needs, and silence or a full backlog ends it.
      onAnswered: () => this.#stopTimer(),
    });
    if (!written) return;
    this.#state = "live";
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const frame of backlog) this.#socket.send(frame);
    const present = this.#room?.document;
    if (this.#role !== role) this.#send({ type: "role", role: this.#role });
    if (present !== undefined && present !== document) this.#sendDocument(present);
    const early = this.#early;
    this.#early = [];
    for (const { message, length } of early) if (!this.#closed) this.#dispatch(message, length);
    this.watchExpiry();
    this.#services.log.debug({ sessionId: this.id, docId: document.docId, version }, "session joined");
  }

  // ---- presence and auth -----------------------------------------------------------------------------------

  #receivePresence(state: PresenceState): void {
    const { maxPresenceBytes } = this.#services.config.limits;
    if (exceeds(state, maxPresenceBytes)) this.#error("too_large", presenceTooLarge(maxPresenceBytes));
    else {
      const { presencePerSecond } = this.#services.config.limits;
      this.#presence ??= new PresenceIntake(presencePerSecond, (used) => this.#room?.setPresence(this, used));
      this.#presence.receive(state);
    }
  }

  identified(identity: Identity): void {
    if (this.#closed) return;
    this.#identity = identity;
    this.watchExpiry();
    const room = this.#room;
    if (room === undefined) return;
    const before = this.info;
    const user = { ...before.user, ...profileOf(identity) };
    const isOther = user.name !== before.user.name || user.color !== before.user.color;
    if (isOther) this.#info = { ...before, user };
    // Who edits is shown the lists, others are not.
    if (this.#judgeRole(room.document)) this.#sendDocument(room.document);
    // With another role they have been told of both.
    else if (isOther && !this.#closed) this.#tellOthers(room);
  }

  /**
   * Ends the session with its token. Called again and again: a timer for each session that is a day ahead would be half
   * a kilobyte.
   */
  watchExpiry(): void {
    if (this.#state !== "live" || this.#identity === undefined) return;
    const leftMs = this.#identity.expiresAt - this.#services.nowMs();
    if (leftMs > expirySoonMs) return;
    clearTimeout(this.#expiry);
    if (leftMs <= 0) this.close("unauthenticated", "the token has expired");
    else this.#expiry = setTimeout(() => this.watchExpiry(), leftMs).unref();
  }

  // ---- from the room ---------------------------------------------------------------------------------------

  deliver(frame: Buffer): void {
    if (this.#state === "live") {
      this.#socket.send(frame);
      return;
    }
    if (this.#closed) return;
    this.#backlog.push(frame);
    this.#backlogBytes += frame.length;
    const { maxSendBufferBytes } = this.#services.config.limits;
    if (maxSendBufferBytes > 0 && this.#backlogBytes > maxSendBufferBytes) this.close("tooSlow");
  }

  deliverEphemeral(frame: Buffer): void {
    if (this.#state === "live") this.#socket.sendEphemeral(frame);
    else if (this.#backlogBytes < maxJoiningEphemeralBytes) this.deliver(frame);
  }

  documentChanged(document: DocumentRecord): void {
    this.#judgeRole(document);
    if (this.#state === "live") this.#sendDocument(document);
  }

  /** Takes the role that the lists and the token give now. Whether it is another one. */
  #judgeRole(document: DocumentRecord): boolean {
    if (document.state === "deleted") {
      this.close("deleted");
      return false;
    }
    const role = roleOf(document, this.#identity);
    // Its token does not let it edit any more; what the lists took away, the room sees to.
    if (includesRole(this.#role, "editor") && (role === undefined || !includesRole(role, "editor")))
      this.#releaseLocks();
    if (role === undefined) {
      this.close("lostAccess");
      return false;
    }
    if (role === this.#role) return false;
    this.#role = role;
    if (this.#info !== undefined) {
      this.#info = { ...this.#info, role };
      if (this.#room !== undefined) this.#tellOthers(this.#room);
    }
    if (this.#state === "live") this.#send({ type: "role", role });
    return true;
  }

  /** The record is as old as the room's last look at it: where the document stands and who is here, the room knows. */
  #sendDocument(document: DocumentRecord): void {
    const room = this.#room;
    if (room === undefined) return;
    const version = room.toldVersion;
    const activeUsers = this.#activeUsers(room.sessions());
    const metadata = { ...documentMetadata(document, this.#role), version, activeUsers };
    this.#send({ type: "document", document: metadata });
  }

  // ---- the end -----------------------------------------------------------------------------------------------

  /** Says why and when to come back, and closes. */
  bye(reason: "shutdown" | "overloaded", retryAfterMs: number): void {
    if (this.#closed) return;
    this.#socket.send(encodeFrame(JSON.stringify({ type: "bye", reason, retryAfterMs })));
    this.close(reason === "shutdown" ? "goingAway" : "overloaded");
  }

  /** `detail`: what the client did wrong, for people; never anything of a token. */
  close(reason: CloseReason, detail?: string): void {
    if (this.#closed) return;
    const { code } = closeCodes[reason];
    if (detail !== undefined) {
      const { docId } = this.#connection;
      this.#services.log.debug({ sessionId: this.id, docId, code, reason, detail }, "session refused");
    }
    this.#socket.close(code, closeText(reason, detail));
    this.closed();
  }

  /** The socket is gone, whoever closed it. `code`: of the client's close frame, where it sent one. */
  closed(code?: number): void {
    if (this.#closed) return;
    this.#state = "closed";
    this.#saidGoodbye = code === closeCodes.normal.code || code === closeCodes.goingAway.code;
    if (this.#saidGoodbye) this.#releaseLocks();
    this.#stopTimer();
    clearTimeout(this.#expiry);
    this.#presence?.close();
    this.#backlog = [];
    this.#early = [];
    this.#release?.();
    this.#release = undefined;
    this.#leave();
    this.#onClosed();
  }

  /** After what was asked before: a lock may be about to be granted, and what it was for about to be stored. */
  #releaseLocks(): void {
    const { releases } = this.#services;
    if (this.#room !== undefined) releases.start(this.#room, this.#origin, this.#editing?.settled());
  }

  /** It was closed before it was in a room: an earlier session of its author may have left locks. */
  async #leaveUnjoined(hello: Hello): Promise<void> {
    if (!this.#saidGoodbye || this.#identity === undefined) return;
    const room = await this.#services.registry.open(this.#connection.docId);
    if (room === undefined) return;
    this.#services.releases.start(room, this.#originOf(this.#userOf(hello), hello.clientId));
  }

  #leave(): void {
    this.#room?.leave(this);
    this.#room = undefined;
    if (this.#recorded) this.#services.sessionRows.leave(this.#connection.docId, this.id);
    this.#recorded = false;
  }

  /** Not kept when it is over, as the field would. */
  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #closed(): boolean {
    return this.#state === "closed";
  }

  #overloaded(): void {
    this.bye("overloaded", 500 + Math.floor(this.#services.random() * 2_000));
  }

  #error(
    code: "bad_message" | "too_large" | "rate_limited" | "internal",
    message: string,
    requestId?: string,
  ): void {
    this.#send({ type: "error", code, message, ...(requestId === undefined ? {} : { requestId }) });
  }

  #send<T extends { readonly type: string }>(message: T): void {
    this.deliver(encodeFrame(JSON.stringify(message)));
  }

  #time(): string {
    return new Date(this.#services.nowMs()).toISOString();
  }
}

/** What there is of a name and a colour. */
function profileOf(from: Pick<UserProfile, "name" | "color"> | undefined): Omit<UserProfile, "id"> {
  const { name, color } = from ?? {};
  return { ...(name === undefined ? {} : { name }), ...(color === undefined ? {} : { color }) };
}
