/**
 * What keeps a document's replica and the server together, over as many sessions as it takes: it joins the parts and
 * owns none of their rules. The replica keeps the state, the connection its sockets, the outbox what is sent, `Sync` the
 * way to `live`, the requests what is asked for.
 */
import type {
  DocumentMetadata,
  Hello,
  Role,
  ServerMessage,
  UserProfile,
  Welcome,
} from "../shared/protocol/messages.ts";
import { defaultBackoff } from "./backoff.ts";
import { Conflicts } from "./conflicts.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { asError, ConnectionClosedError } from "./errors.ts";
import type { Emitter } from "./events.ts";
import { Locks } from "./locks.ts";
import type { ChangeEvent, DocumentEvents, OpenDocumentOptions } from "./options.ts";
import { type DropCause, Outbox } from "./outbox.ts";
import { Presence } from "./presence.ts";
import { GapError, type Rebased, type Replica } from "./replica.ts";
import { Requests } from "./requests.ts";
import { createHostWebSocket, documentAddress } from "./socket.ts";
import type { StoredHead } from "./storage/storage.ts";
import { Sync } from "./sync.ts";
import { systemTimers } from "./timers.ts";
import type { TokenSource } from "./token.ts";
import { TokenRefresh } from "./token-refresh.ts";

/** What the document above wants to know, beside its events. */
export interface ReplicationHooks {
  /** Elements whose view changed, or only what is confirmed of them. */
  changed(elements: ReadonlySet<string>, origin: ChangeEvent["origin"]): void;
  /** Before anything of a session is used: whether it may go on as this user. */
  admits(userId: string): boolean;
  /** Everything up to the present version is here. */
  live(welcome: Welcome): void;
  /** See `OutboxOptions.store`. */
  store(): Promise<void> | undefined;
  closed(error: ConnectionClosedError): void;
}

export class Replication {
  readonly presence: Presence;
  readonly locks: Locks;
  readonly conflicts: Conflicts;
  readonly outbox: Outbox;
  readonly #options: OpenDocumentOptions;
  readonly #clientId: () => string;
  readonly #events: Emitter<DocumentEvents>;
  readonly #hooks: ReplicationHooks;
  readonly #replica: Replica;
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #tokenRefresh: TokenRefresh;
  readonly #stopListening: () => void;
  #sync: Sync | undefined;
  #welcome: Welcome | undefined;
  #document: DocumentMetadata | undefined;
  #role: Role | undefined;
  #latencyMs: number | undefined;
  #user: UserProfile | undefined;
  #synced = false;
  #restored = false;
  /**
   * The answer to a `hello` did not continue what is here, or nothing can be said of it: until a session is live, each
   * `hello` asks for everything. A gap in a live session is asked for as such, once.
   */
  #forgetSince = false;
  /** The last `hello` said where this replica is. */
  #resumes = false;
  /** A welcome said `rebase`, and its connection ended before everything was here. */
  #rebaseOwed = false;

  constructor(options: {
    readonly document: OpenDocumentOptions;
    readonly tokens: TokenSource;
    readonly clientId: () => string;
    readonly replica: Replica;
    readonly events: Emitter<DocumentEvents>;
    readonly hooks: ReplicationHooks;
  }) {
    const { url, documentId } = options.document;
    const timers = options.document.timers ?? systemTimers();
    const random = options.document.random ?? Math.random;
    const { events } = options;
    this.#options = options.document;
    this.#clientId = options.clientId;
    this.#replica = options.replica;
    this.#events = events;
    this.#hooks = options.hooks;
    const [first, ...others] = (typeof url === "string" ? [url] : url).map((server) =>
      documentAddress(server, documentId),
    );
    if (first === undefined) throw new TypeError("no server address");
    this.#connection = new Connection(
      {
        urls: [first, ...others],
        token: () => options.tokens.next(),
        tokenRenewable: options.tokens.renewable,
        createWebSocket: this.#options.createWebSocket ?? createHostWebSocket,
        timers,
        random,
        backoff: this.#options.backoff ?? defaultBackoff,
        pingIntervalMs: this.#options.pingIntervalMs ?? 5_000,
        silenceMs: this.#options.silenceMs ?? 10_000,
      },
      {
        hello: () => this.#hello(),
        message: (message) => this.#receive(message),
        state: (state) => this.#connectionChanged(state),
        latency: (latencyMs) => {
          this.#latencyMs = latencyMs;
          events.emit("latency", { latencyMs });
        },
        error: (error) => events.emit("error", asError(error)),
      },
    );
    const send = (text: string): boolean => this.#connection.send(text);
    this.presence = new Presence({
      initial: this.#options.presence ?? null,
      send,
      timers,
      onChange: (event) => events.emit("presence", event),
      onError: (error) => events.emit("error", error),
    });
    this.#requests = new Requests({ send, timers, random });
    this.#tokenRefresh = new TokenRefresh({
      source: options.tokens,
      requests: this.#requests,
      timers,
      random,
      reconnect: (reason) => this.#connection.reconnect(reason),
      onError: (error) => events.emit("error", error),
    });
    this.locks = new Locks({
      requests: this.#requests,
      timers,
      self: () => ({ userId: this.#welcome?.user.id, clientId: this.#clientId() }),
      onChange: (locks) => events.emit("locks", locks),
      onLost: (event) => events.emit("lockLost", event),
    });
    this.conflicts = new Conflicts({
      requests: this.#requests,
      self: () => ({ userId: this.#user?.id, version: this.#replica.version }),
      onChange: (unresolved) => events.emit("conflicts", unresolved),
    });
    this.outbox = new Outbox({
      replica: this.#replica,
      send,
      timers,
      random,
      onConflict: this.#options.onConflict,
      answerVersionConflict: (reject) => {
        const answer = this.#options.onVersionConflict ?? "rebase";
        return typeof answer === "function" ? answer(reject) : answer;
      },
      store: () => this.#hooks.store(),
      onDropped: (cause, outcome) => this.#dropped(cause, outcome),
      onChanged: (elements) => this.#hooks.changed(elements, "remote"),
    });
    this.#stopListening = onNetwork({
      online: () => {
        if (this.connection.state === "reconnecting") this.#connection.reconnect("online again");
      },
      // A server on this machine is still there: asked, not assumed.
      offline: () => this.#connection.probe("the network is gone"),
    });
  }

  /** The replica was restored: what the server said last time holds until it says otherwise. */
  restored({ user, role, document }: StoredHead): void {
    this.#restored = true;
    this.#user = user;
    this.#role = role;
    this.#document = document;
    if (document !== undefined) this.#events.emit("document", document);
    if (role !== undefined) this.#events.emit("role", role);
  }

  /** Begins to connect. Call it once. */
  start(): void {
    this.#connection.start();
  }

  get connection(): ConnectionState {
    return this.#connection.state;
  }

  /** The last session's first frame. */
  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  get user(): UserProfile | undefined {
    return this.#user;
  }

  get document(): DocumentMetadata | undefined {
    return this.#document;
  }

  get role(): Role | undefined {
    return this.#role;
  }

  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /** Everything has arrived once, now or in a session whose replica was stored. */
  get hasDocument(): boolean {
    return this.#synced || this.#restored;
  }

  /** Ends the session for good. Safe to repeat. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#connection.close();
  }

  #hello(): Hello {
    const { profile } = this.#options;
    const { version, operationId, inFlight } = this.#replica;
    const pending = inFlight?.operations[0]?.id;
    const resume = this.hasDocument && !this.#forgetSince;
    this.#resumes = resume;
    return {
      type: "hello",
      clientId: this.#clientId(),
      ...(resume ? { since: version } : {}),
      ...(resume && operationId !== undefined ? { sinceId: operationId } : {}),
      ...(pending === undefined ? {} : { pending: [pending] }),
      ...this.presence.greeting(),
      ...(profile === undefined ? {} : { profile }),
    };
  }

  #receive(message: ServerMessage): void {
    try {
      this.#handle(message);
    } catch (error) {
      if (!(error instanceof GapError)) this.#events.emit("error", asError(error));
      // Not `#sync`: a gap within the welcome itself leaves none.
      this.#forgetSince ||= this.connection.state !== "live" || !(error instanceof GapError);
      this.#connection.reconnect(asError(error).message);
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.#welcomed(message);
        return;
      case "snapshot":
        this.#sync?.part(message);
        this.#finishSync();
        return;
      case "ops":
        if (this.#sync !== undefined) {
          this.#sync.operations(message.ops);
          this.#finishSync();
        } else {
          this.#hooks.changed(this.#replica.receive(message.ops), "remote");
          this.#tellHeldBack();
          this.outbox.pump();
        }
        return;
      case "ack":
        this.outbox.acknowledged(message);
        return;
      case "reject":
        this.outbox.rejected(message);
        return;
      case "presence":
        this.presence.receive(message);
        return;
      case "conflict":
        this.conflicts.made(message.conflict);
        this.#events.emit("conflict", message.conflict);
        return;
      case "locks":
        this.locks.receive(message, false);
        return;
      case "role":
        this.#role = message.role;
        this.#events.emit("role", message.role);
        return;
      case "document":
        this.#document = message.document;
        this.#events.emit("document", message.document);
        return;
      case "result":
        this.#requests.answered(message);
        return;
      case "error":
        this.#requests.failed(message);
        this.#events.emit("error", new Error(`${message.code}: ${message.message}`));
        return;
      case "resolved":
        this.conflicts.resolved(message.conflict);
        this.#events.emit("resolved", message.conflict);
        return;
      case "pong":
      case "bye":
        return;
      default:
        // A newer server may say more than this version understands.
        message satisfies never;
    }
  }

  #welcomed(welcome: Welcome): void {
    if (!this.#hooks.admits(welcome.user.id)) {
      const message = `the changes that are stored here are not by ${welcome.user.id}`;
      this.#events.emit("error", new Error(message));
      void this.#connection.close(message);
      return;
    }
    const roleBefore = this.#role;
    this.#welcome = welcome;
    this.#user = welcome.user;
    this.#role = welcome.role;
    this.#document = welcome.document;
    this.#rebaseOwed ||= welcome.rebase === true || !this.#resumes;
    this.#sync = new Sync(this.#replica, welcome, {
      continues: this.#resumes,
      rebaseOwed: this.#rebaseOwed,
    });
    const self = { user: welcome.user, clientId: this.#clientId() };
    this.presence.begin(self, welcome.sessions, welcome.limits);
    this.locks.receive(welcome.locks, true);
    this.#events.emit("document", welcome.document);
    if (roleBefore !== welcome.role) this.#events.emit("role", welcome.role);
    this.#finishSync();
  }

  #finishSync(): void {
    const outcome = this.#sync?.finish();
    if (outcome === undefined || this.#welcome === undefined) return;
    this.#sync = undefined;
    this.#synced = true;
    this.#forgetSince = false;
    this.#rebaseOwed = false;
    this.outbox.connected(this.#welcome.limits);
    this.#connection.setLive();
    // A listener may have closed the document: nothing may begin after that.
    if (this.connection.state !== "live") return;
    this.#requests.connected();
    this.#tokenRefresh.connected(this.#welcome.serverTime);
    this.locks.connected();
    this.#hooks.live(this.#welcome);
    const cause = {
      code: "base_too_old",
      message: "does not fit the state after the reconnect",
      operations: [],
    } as const;
    if (outcome.dropped.length > 0) this.#dropped(cause, outcome, "reset");
    else this.#hooks.changed(outcome.changed, outcome.replaced ? "reset" : "remote");
    this.#tellHeldBack();
  }

  /** One's own operations that came back without effect, and wait for a decision. */
  #tellHeldBack(): void {
    const held = this.#replica.takeHeldBack();
    if (held.operations.length > 0) this.#events.emit("heldBack", held);
  }

  #connectionChanged(state: ConnectionState): void {
    if (state.state === "reconnecting" || state.state === "closed") {
      this.#sync = undefined;
      this.outbox.disconnected();
      this.#requests.disconnected();
      this.#tokenRefresh.stop();
      this.presence.pause();
    }
    if (state.state === "closed") {
      this.#stopListening();
      this.locks.close();
      this.presence.close();
      this.#tokenRefresh.close();
      this.#requests.close(state.reason);
      this.#hooks.closed(new ConnectionClosedError(state.reason, state.code));
    }
    this.#events.emit("status", state);
  }

  #dropped(cause: DropCause, outcome: Rebased, origin: ChangeEvent["origin"] = "remote"): void {
    const { operations, ...rest } = cause;
    const event = { ...rest, operations, dependent: outcome.dropped };
    this.#hooks.changed(outcome.changed, origin);
    this.#events.emit("reject", event);
  }
}

/** In browsers: the network is back, so there is no reason to wait for the next attempt; or it is gone. */
function onNetwork(listeners: { readonly online: () => void; readonly offline: () => void }): () => void {
  if (typeof globalThis.addEventListener !== "function") return () => {};
  const { online, offline } = listeners;
  globalThis.addEventListener("online", online);
  globalThis.addEventListener("offline", offline);
  return () => {
    globalThis.removeEventListener("online", online);
    globalThis.removeEventListener("offline", offline);
  };
}
