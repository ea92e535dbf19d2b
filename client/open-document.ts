/**
 * A document, open in this replica: what an application holds. It joins the parts and owns none of their rules: the
 * replica keeps the state, the connection its sockets, the outbox what is sent, `Sync` the way to `live`.
 */
import { uuidv7 } from "uuidv7";
import type { Properties } from "../shared/document/json.ts";
import type {
  DocumentMetadata,
  Hello,
  Role,
  ServerMessage,
  SessionLimits,
  UserProfile,
  Welcome,
} from "../shared/protocol/messages.ts";
import { defaultBackoff } from "./backoff.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { ChangeError, ConnectionClosedError } from "./errors.ts";
import { Emitter, type Listener, type Unsubscribe } from "./events.ts";
import type { ChangeEvent, DocumentEvents, OpenDocumentOptions } from "./options.ts";
import { type DropCause, Outbox } from "./outbox.ts";
import { Presence } from "./presence.ts";
import { GapError, type Rebased, Replica } from "./replica.ts";
import { createHostWebSocket, documentAddress } from "./socket.ts";
import { Sync } from "./sync.ts";
import { systemTimers } from "./timers.ts";
import { OpenTransaction, type Transaction } from "./transaction.ts";

/** Opens a document and begins to connect; `await document.ready` before the first change. */
export function openDocument(options: OpenDocumentOptions): DocumentReplica {
  return new DocumentReplica(options);
}

/** See `openDocument`. */
export class DocumentReplica {
  readonly documentId: string;
  readonly clientId: string;
  /** Resolves when everything has arrived for the first time; rejects with `ConnectionClosedError` if that never happens. */
  readonly ready: Promise<void>;
  /** Who else is here, and what they see of this session. */
  readonly presence: Presence;
  readonly #options: OpenDocumentOptions;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #newId: () => string;
  readonly #replica: Replica;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  readonly #settleReady: { resolve: () => void; reject: (error: Error) => void };
  readonly #stopListening: () => void;
  #sync: Sync | undefined;
  #welcome: Welcome | undefined;
  #document: DocumentMetadata | undefined;
  #role: Role | undefined;
  #latencyMs: number | undefined;
  #synced = false;
  /** What came did not continue what is here, twice in a row: the next `hello` asks for everything. */
  #forgetSince = false;
  /** The last `hello` said where this replica is. */
  #resumes = false;
  /** A welcome said `rebase`, and its connection ended before everything was here. */
  #rebaseOwed = false;
  #pumpScheduled = false;
  #progress = { version: 0, pendingCount: 0 };

  constructor(options: OpenDocumentOptions) {
    const { url, documentId, token, getToken } = options;
    const timers = options.timers ?? systemTimers();
    const random = options.random ?? Math.random;
    this.#options = options;
    this.documentId = documentId;
    this.clientId = options.clientId ?? uuidv7();
    this.#newId = options.newId ?? uuidv7;
    this.#replica = new Replica(this.#newId);
    const settle = { resolve: (): void => {}, reject: (_: Error): void => {} };
    this.ready = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }));
    this.ready.catch(() => {}); // Whoever does not wait for it hears of it by `status`.
    this.#settleReady = settle;
    const [first, ...others] = (typeof url === "string" ? [url] : url).map((server) =>
      documentAddress(server, documentId),
    );
    if (first === undefined) throw new TypeError("no server address");
    this.#connection = new Connection(
      {
        urls: [first, ...others],
        token: getToken ?? (() => token),
        tokenRenewable: getToken !== undefined,
        createWebSocket: options.createWebSocket ?? createHostWebSocket,
        timers,
        random,
        backoff: options.backoff ?? defaultBackoff,
        pingIntervalMs: options.pingIntervalMs ?? 5_000,
        silenceMs: options.silenceMs ?? 10_000,
      },
      {
        hello: () => this.#hello(),
        message: (message) => this.#receive(message),
        state: (state) => this.#connectionChanged(state),
        latency: (latencyMs) => {
          this.#latencyMs = latencyMs;
          this.#events.emit("latency", { latencyMs });
        },
        error: (error) => this.#events.emit("error", asError(error)),
      },
    );
    const send = (text: string): boolean => this.#connection.send(text);
    this.presence = new Presence({
      initial: options.presence ?? null,
      send,
      timers,
      onChange: (event) => this.#events.emit("presence", event),
    });
    this.#outbox = new Outbox({
      replica: this.#replica,
      send,
      timers,
      random,
      onConflict: options.onConflict,
      answerVersionConflict: (reject) => {
        const answer = options.onVersionConflict ?? "rebase";
        return typeof answer === "function" ? answer(reject) : answer;
      },
      onDropped: (cause, outcome) => this.#dropped(cause, outcome),
      onChanged: (elements) => this.#changed(elements, "remote"),
    });
    this.#stopListening = onOnline(() => {
      if (this.connection.state === "reconnecting") this.#connection.reconnect("online again");
    });
    this.#connection.start();
  }

  /** Where the connection stands, for people to see. */
  get connection(): ConnectionState {
    return this.#connection.state;
  }

  /** The elements by id as their user sees them: confirmed by the server, with the pending changes on top. Read only. */
  get elements(): ReadonlyMap<string, Properties> {
    return this.#replica.view;
  }

  /** The elements at `version`, without the pending changes: the same on every replica at that version. Read only. */
  get confirmedElements(): ReadonlyMap<string, Properties> {
    return this.#replica.confirmed;
  }

  /** The version that has arrived here. */
  get version(): number {
    return this.#replica.version;
  }

  /** How many operations the server has not acknowledged. */
  get pendingCount(): number {
    return this.#replica.pendingCount;
  }

  /** Who the server believes this is; undefined before it was said. */
  get user(): UserProfile | undefined {
    return this.#welcome?.user;
  }

  get role(): Role | undefined {
    return this.#role;
  }

  get documentMetadata(): DocumentMetadata | undefined {
    return this.#document;
  }

  /** The present session, or the last one. */
  get sessionId(): string | undefined {
    return this.#welcome?.sessionId;
  }

  /** The server instance that answered last. */
  get instanceId(): string | undefined {
    return this.#welcome?.instanceId;
  }

  /** What the server accepts. */
  get limits(): SessionLimits | undefined {
    return this.#welcome?.limits;
  }

  /** The last measured round trip. */
  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /** An element as its user sees it. */
  get(element: string): Properties | undefined {
    return this.#replica.view.get(element);
  }

  /** Subscribes to an event. */
  on<Name extends keyof DocumentEvents>(name: Name, listener: Listener<DocumentEvents[Name]>): Unsubscribe {
    return this.#events.on(name, listener);
  }

  /**
   * Changes the document: visible here at once, sent as soon as what was sent before is answered, and until then merged
   * with what follows. All of the function's changes are made, or none when it throws.
   * @returns what the function returns.
   * @throws ChangeError where a change does not fit, or may not be made (viewers, archived documents).
   */
  transact<Result>(change: (transaction: Transaction) => Result): Result {
    if (this.connection.state === "closed") throw new ConnectionClosedError("the document is closed");
    if (!this.#synced) throw new Error("the document has not arrived yet: await its `ready` first");
    if (this.#role === "viewer") throw new ChangeError("forbidden", "a viewer may not change the document");
    if (this.#document?.state !== "active") throw new ChangeError("not_active", "the document is not active");
    const transaction = new OpenTransaction(this.#replica.view, this.#newId);
    let result: Result;
    try {
      result = change(transaction);
    } finally {
      transaction.end();
    }
    if (transaction.operations.length === 0) return result;
    for (const operation of transaction.operations) this.#replica.change(operation);
    this.#schedulePump();
    this.#changed(new Set(transaction.operations.map(({ element }) => element)), "local");
    return result;
  }

  /** Resolves when every change made so far, and any made meanwhile, is acknowledged or refused. */
  async whenSettled(): Promise<void> {
    if (this.pendingCount === 0) return;
    if (this.connection.state === "closed")
      throw new ConnectionClosedError("closed with changes unacknowledged");
    await new Promise<void>((resolve, reject) => this.#waiting.add({ resolve, reject }));
  }

  /** Ends the session. What is not acknowledged by then is lost: `await whenSettled()` first. Safe to repeat. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#connection.close();
    this.#events.clear();
  }

  #hello(): Hello {
    const { profile } = this.#options;
    const { version, operationId, inFlight } = this.#replica;
    const pending = inFlight?.operations[0]?.id;
    const resume = this.#synced && !this.#forgetSince;
    this.#resumes = resume;
    return {
      type: "hello",
      clientId: this.clientId,
      ...(resume ? { since: version } : {}),
      ...(resume && operationId !== undefined ? { sinceId: operationId } : {}),
      ...(pending === undefined ? {} : { pending: [pending] }),
      ...(this.presence.state === null ? {} : { presence: this.presence.state }),
      ...(profile === undefined ? {} : { profile }),
    };
  }

  #receive(message: ServerMessage): void {
    try {
      this.#handle(message);
    } catch (error) {
      if (!(error instanceof GapError)) this.#events.emit("error", asError(error));
      this.#forgetSince = this.#sync !== undefined || !(error instanceof GapError);
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
          this.#changed(this.#replica.receive(message.ops), "remote");
          this.#outbox.pump();
        }
        return;
      case "ack":
        this.#outbox.acknowledged(message);
        return;
      case "reject":
        this.#outbox.rejected(message);
        return;
      case "presence":
        this.presence.receive(message);
        return;
      case "conflict":
        this.#events.emit("conflict", message.conflict);
        return;
      case "role":
        this.#role = message.role;
        this.#events.emit("role", message.role);
        return;
      case "document":
        this.#document = message.document;
        this.#events.emit("document", message.document);
        return;
      case "error":
        this.#events.emit("error", new Error(`${message.code}: ${message.message}`));
        return;
      case "resolved":
      case "locks":
      case "result":
      case "pong":
      case "bye":
        return;
      default:
        // A newer server may say more than this version understands.
        message satisfies never;
    }
  }

  #welcomed(welcome: Welcome): void {
    const roleBefore = this.#role;
    this.#welcome = welcome;
    this.#role = welcome.role;
    this.#document = welcome.document;
    this.#rebaseOwed ||= welcome.rebase === true || !this.#resumes;
    this.#sync = new Sync(this.#replica, welcome, {
      continues: this.#resumes,
      rebaseOwed: this.#rebaseOwed,
    });

    this.presence.begin({ user: welcome.user, clientId: this.clientId }, welcome.sessions, welcome.limits);
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
    this.#outbox.connected(this.#welcome.limits);
    this.#connection.setLive();
    this.#settleReady.resolve();
    const cause = {
      code: "base_too_old",
      message: "does not fit the state after the reconnect",
      operations: [],
    } as const;
    if (outcome.dropped.length > 0) this.#dropped(cause, outcome, "reset");
    else this.#changed(outcome.changed, outcome.replaced ? "reset" : "remote");
  }

  #connectionChanged(state: ConnectionState): void {
    if (state.state === "reconnecting" || state.state === "closed") {
      this.#sync = undefined;
      this.#outbox.disconnected();
      this.presence.pause();
    }
    if (state.state === "closed") {
      this.#stopListening();
      const error = new ConnectionClosedError(state.reason, state.code);
      this.#settleReady.reject(error);
      for (const { reject } of this.#waiting) reject(error);
      this.#waiting.clear();
    }
    this.#events.emit("status", state);
  }

  #dropped(cause: DropCause, outcome: Rebased, origin: ChangeEvent["origin"] = "remote"): void {
    const { operations, ...rest } = cause;
    const event = { ...rest, operations, dependent: outcome.dropped };
    this.#changed(outcome.changed, origin);
    this.#events.emit("reject", event);
  }

  #changed(elements: ReadonlySet<string>, origin: ChangeEvent["origin"]): void {
    if (elements.size > 0) this.#events.emit("change", { elements: [...elements], origin });
    const { version, pendingCount } = this;
    if (version === this.#progress.version && pendingCount === this.#progress.pendingCount) return;
    this.#progress = { version, pendingCount };
    this.#events.emit("progress", this.#progress);
    if (pendingCount > 0) return;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Everything that one task changes goes into one submit. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#outbox.pump();
    });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** In browsers: the network is back, so there is no reason to wait for the next attempt. */
function onOnline(callback: () => void): () => void {
  if (typeof globalThis.addEventListener !== "function") return () => {};
  globalThis.addEventListener("online", callback);
  return () => globalThis.removeEventListener("online", callback);
}
