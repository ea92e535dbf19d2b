/** A document, open in this replica: what an application holds. */
import { uuidv7 } from "uuidv7";
import type { Properties } from "../shared/document/json.ts";
import type { Operation } from "../shared/document/operation.ts";
import { closeCodes } from "../shared/protocol/codes.ts";
import type { DocumentMetadata, Role, SessionLimits, UserProfile } from "../shared/protocol/messages.ts";
import { checkListener, checkOpenOptions } from "./check-options.ts";
import type { Conflicts } from "./conflicts.ts";
import type { ConnectionState } from "./connection.ts";
import { Durability } from "./durability.ts";
import { asError, ChangeError, ConnectionClosedError } from "./errors.ts";
import { Emitter, type Listener, type Unsubscribe } from "./events.ts";
import type { Locks } from "./locks.ts";
import type { ChangeEvent, DocumentEvents, OpenDocumentOptions, TransactOptions } from "./options.ts";
import type { ClaimedReplica } from "./orphans.ts";
import type { Presence } from "./presence.ts";
import { Replica } from "./replica.ts";
import { Replication } from "./replication.ts";
import { systemTimers } from "./timers.ts";
import { TokenSource } from "./token.ts";
import { type AtOnce, atOnce, OpenTransaction, type Transaction } from "./transaction.ts";
import { UndoHistory, type UndoState } from "./undo-history.ts";

/**
 * Opens a document and begins to connect; `await document.ready` before the first change.
 *
 * `Element` is the shape of its elements, as their applications agree on it; a union where there are several. Nothing
 * checks what others write.
 * @throws TypeError that names the option, for one that is not what it should be.
 */
export function openDocument<Element extends object = Properties>(
  options: OpenDocumentOptions,
): DocumentReplica<Element> {
  return new DocumentReplica<Element>(options);
}

/** The server says that there is no such document, for this user. */
const goneCodes: ReadonlySet<number | undefined> = new Set([
  closeCodes.lostAccess.code,
  closeCodes.notFound.code,
  closeCodes.deleted.code,
]);

/** See `openDocument`. */
export class DocumentReplica<Element extends object = Properties> {
  readonly documentId: string;
  /**
   * Resolves when it is known whether a stored document is here: true, then it can be read and changed before there is
   * a connection. False at once without `storage`.
   */
  readonly offlineReady: Promise<boolean>;
  /** Resolves when everything has arrived for the first time; rejects with `ConnectionClosedError` if that never happens. */
  readonly ready: Promise<void>;
  readonly #events = new Emitter<DocumentEvents>();
  readonly #newId: () => string;
  readonly #replica: Replica;
  readonly #replication: Replication;
  readonly #history: UndoHistory;
  readonly #durability: Durability | undefined;
  readonly #clientId: string;
  readonly #restoreSelection: ((saved: unknown) => void) | undefined;
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  readonly #settleReady: { resolve: () => void; reject: (error: Error) => void };
  /** The one that is being made. */
  #transaction: OpenTransaction | undefined;
  #pumpScheduled = false;
  #closing: Promise<void> | undefined;
  #progress = { version: 0, pendingCount: 0 };
  #undoState: UndoState = { canUndo: false, canRedo: false };

  /** Applications call `openDocument`. @param claimed a stored replica to continue as. */
  constructor(options: OpenDocumentOptions, claimed?: ClaimedReplica & { readonly user: string }) {
    checkOpenOptions(options);
    this.documentId = options.documentId;
    this.#clientId = options.clientId ?? uuidv7();
    this.#newId = options.newId ?? uuidv7;
    this.#replica = new Replica(this.#newId);
    const timers = options.timers ?? systemTimers();
    this.#history = new UndoHistory({
      ...options.undo,
      view: this.#replica.view,
      confirmed: () => this.#replica.confirmed,
      now: () => timers.now(),
      newId: this.#newId,
      onChange: () => this.#tellUndo(),
    });
    this.#replica.observer = this.#history;
    // Whether the user may change anything decides about it as well.
    for (const name of ["role", "document"] as const) this.#events.on(name, () => this.#tellUndo());
    this.#restoreSelection = options.undo?.restore;
    const settle = { resolve: (): void => {}, reject: (_: Error): void => {} };
    this.ready = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }));
    this.ready.catch(() => {}); // Whoever does not wait for it hears of it by `status`.
    this.#settleReady = settle;
    const { storage } = options;
    if (storage !== undefined) {
      this.#durability = new Durability({
        storage,
        documentId: options.documentId,
        replica: this.#replica,
        timers,
        random: options.random ?? Math.random,
        clientId: this.#clientId,
        fixed: options.clientId !== undefined,
        newClientId: uuidv7,
        session: () => {
          const { user, role, document } = this.#replication;
          return {
            ...(user === undefined ? {} : { user }),
            ...(role === undefined ? {} : { role }),
            ...(document === undefined ? {} : { document }),
          };
        },
        hasDocument: () => this.#replication.hasDocument,
        isLive: () => this.connection.state === "live",
        onError: (error) => this.#events.emit("error", asError(error)),
        openOrphan: (orphan) => this.#openOrphan(options, orphan),
      });
    }
    const source = new TokenSource(options);
    this.#replication = new Replication({
      document: options,
      tokens: source,
      clientId: () => this.clientId,
      replica: this.#replica,
      events: this.#events,
      hooks: {
        changed: (elements, origin) => this.#changed(elements, origin),
        admits: (userId) => this.#durability?.admits(userId) ?? true,
        live: ({ user }) => {
          this.#durability?.live(user.id);
          this.#settleReady.resolve();
        },
        store: () => this.#durability?.store(),
        closed: (error) => {
          this.#closed(error);
          this.#durability?.disconnected();
          if (goneCodes.has(error.code)) void this.#durability?.forget(source.currentUser);
        },
      },
    });
    if (this.#durability === undefined) {
      this.offlineReady = Promise.resolve(false);
      this.#replication.start();
    } else if (claimed !== undefined) {
      this.offlineReady = Promise.resolve(true);
      this.#replication.restored(this.#durability.continue(claimed.user, claimed));
      this.#replication.start();
    } else {
      this.offlineReady = this.#openStored(options, source, this.#durability);
    }
  }

  async #openStored(
    options: OpenDocumentOptions,
    source: TokenSource,
    durability: Durability,
  ): Promise<boolean> {
    const user = options.user === undefined ? source.user() : Promise.resolve(options.user);
    const head = await durability.open(user);
    if (this.connection.state === "closed") return false;
    if (head !== undefined) {
      this.#replication.restored(head);
      this.#changed(new Set(this.elements.keys()), "reset");
    }
    this.#replication.start();
    return head !== undefined;
  }

  /** Sends what a dead replica of the same user left, as that replica. */
  #openOrphan(options: OpenDocumentOptions, claimed: ClaimedReplica): DocumentReplica<object> {
    const { presence: _presence, undo: _undo, ...rest } = options;
    const user = this.user?.id ?? "";
    const orphan = new DocumentReplica<object>({ ...rest, clientId: claimed.clientId }, { ...claimed, user });
    orphan.on("reject", (event) => this.#events.emit("reject", event));
    orphan.on("heldBack", (event) => this.#events.emit("heldBack", event));
    orphan.on("error", (error) => this.#events.emit("error", error));
    return orphan;
  }

  /** This replica's id. With `storage` it is known for sure when `offlineReady` has resolved. */
  get clientId(): string {
    return this.#durability?.clientId ?? this.#clientId;
  }

  /** Where the connection stands, for people to see. */
  get connection(): ConnectionState {
    return this.#replication.connection;
  }

  /** Who else is here, and what they see of this session. */
  get presence(): Presence {
    return this.#replication.presence;
  }

  /** Who has reserved what, and this replica's own reservations. */
  get locks(): Locks {
    return this.#replication.locks;
  }

  /** The conflicts that wait for a decision. */
  get conflicts(): Conflicts {
    return this.#replication.conflicts;
  }

  /** The elements by id as their user sees them: confirmed by the server, with the pending changes on top. Read only. */
  get elements(): ReadonlyMap<string, Element> {
    return this.#replica.view as ReadonlyMap<string, object> as ReadonlyMap<string, Element>;
  }

  /** The elements at `version`, without the pending changes: the same on every replica at that version. Read only. */
  get confirmedElements(): ReadonlyMap<string, Element> {
    return this.#replica.confirmed as ReadonlyMap<string, object> as ReadonlyMap<string, Element>;
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
    return this.#replication.user;
  }

  get role(): Role | undefined {
    return this.#replication.role;
  }

  get documentMetadata(): DocumentMetadata | undefined {
    return this.#replication.document;
  }

  /** The present session, or the last one. */
  get sessionId(): string | undefined {
    return this.#replication.welcome?.sessionId;
  }

  /** The server instance that answered last. */
  get instanceId(): string | undefined {
    return this.#replication.welcome?.instanceId;
  }

  /** What the server accepts. */
  get limits(): SessionLimits | undefined {
    return this.#replication.welcome?.limits;
  }

  /** The last measured round trip. */
  get latencyMs(): number | undefined {
    return this.#replication.latencyMs;
  }

  /** An element as its user sees it. */
  get(element: string): Element | undefined {
    return this.elements.get(element);
  }

  /**
   * Subscribes to an event.
   * @throws TypeError for an event that there is not.
   */
  on<Name extends keyof DocumentEvents>(name: Name, listener: Listener<DocumentEvents[Name]>): Unsubscribe {
    checkListener(name, listener);
    return this.#events.on(name, listener);
  }

  /**
   * Changes the document: visible here at once, sent as soon as what was sent before is answered, and until then merged
   * with what follows. All of the function's changes are made, or none when it throws. Within another transaction it is
   * a part of that one, whose options hold: made with it, or taken out of it when only this function throws.
   * @param change makes its changes before it returns, so it is no `async` function.
   * @returns what the function returns.
   * @throws ChangeError where a change does not fit, or may not be made (viewers, archived documents).
   */
  transact<Result>(
    change: ((transaction: Transaction<Element>) => Result) & AtOnce<Result>,
    options: TransactOptions = {},
  ): Result {
    const make = (transaction: OpenTransaction): Result =>
      atOnce(change(transaction as Transaction<object> as Transaction<Element>));
    if (this.#transaction !== undefined) return this.#transaction.part(make);
    this.#mayChange();
    const transaction = new OpenTransaction(this.#replica.view, this.#newId);
    this.#transaction = transaction;
    let result: Result;
    try {
      result = make(transaction);
    } finally {
      this.#transaction = undefined;
      transaction.end();
    }
    const { operations } = transaction;
    if (operations.length === 0) return result;
    if (options.undo === false) this.#history.ignore(operations);
    else this.#history.record(operations);
    this.#apply(operations);
    return result;
  }

  /** Whether `undo` has something to take back, and may; never in a closed document. */
  get canUndo(): boolean {
    return this.#history.state.canUndo && this.#mayEdit;
  }

  /** Whether `redo` has something to bring back, and may. */
  get canRedo(): boolean {
    return this.#history.state.canRedo && this.#mayEdit;
  }

  /**
   * Takes back the user's last step here, and nothing that others did.
   * @returns whether anything changed: what is left of a step may be nothing.
   * @throws ChangeError as `transact`.
   */
  undo(): boolean {
    this.#mayChange();
    return this.#applyBack(this.#history.takeUndo());
  }

  /** Brings back what was undone last; any other change by the user ends that. As `undo`. */
  redo(): boolean {
    this.#mayChange();
    return this.#applyBack(this.#history.takeRedo());
  }

  /** The next change is a step of its own, however soon it follows. */
  undoStop(): void {
    this.#history.stop();
  }

  #applyBack({
    operations,
    saved,
  }: {
    readonly operations: readonly Operation[];
    readonly saved: unknown;
  }): boolean {
    if (operations.length === 0) return false;
    this.#apply(operations);
    this.#restoreSelection?.(saved);
    return true;
  }

  #apply(operations: readonly Operation[]): void {
    for (const operation of operations) this.#replica.change(operation);
    this.#schedulePump();
    this.#changed(new Set(operations.map(({ element }) => element)), "local");
  }

  #tellUndo(): void {
    const { canUndo, canRedo } = this;
    if (canUndo === this.#undoState.canUndo && canRedo === this.#undoState.canRedo) return;
    this.#undoState = { canUndo, canRedo };
    this.#events.emit("undo", this.#undoState);
  }

  get #mayEdit(): boolean {
    return this.role !== "viewer" && this.documentMetadata?.state === "active";
  }

  #mayChange(): void {
    if (this.#transaction !== undefined)
      throw new ChangeError("invalid_operation", "undo and redo are no part of a transaction");
    if (this.connection.state === "closed") throw new ConnectionClosedError("the document is closed");
    if (!this.#replication.hasDocument)
      throw new Error("the document has not arrived yet: await its `ready` (or `offlineReady`) first");
    if (this.role === "viewer") throw new ChangeError("forbidden", "a viewer may not change the document");
    if (this.documentMetadata?.state !== "active")
      throw new ChangeError("not_active", "the document is not active");
  }

  /** Resolves when every change made so far, and any made meanwhile, is acknowledged or refused. */
  async whenSettled(): Promise<void> {
    if (this.pendingCount === 0) return;
    if (this.connection.state === "closed")
      throw new ConnectionClosedError("closed with changes unacknowledged");
    await new Promise<void>((resolve, reject) => this.#waiting.add({ resolve, reject }));
  }

  /**
   * Ends the session. What is not acknowledged by then is lost, unless there is a `storage`: `await whenSettled()` first.
   * Safe to repeat.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#replication.close();
    await this.#durability?.close();
    this.#events.clear();
  }

  #closed(error: ConnectionClosedError): void {
    this.#history.clear();
    this.#settleReady.reject(error);
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  #changed(elements: ReadonlySet<string>, origin: ChangeEvent["origin"]): void {
    this.#history.settle();
    this.#durability?.changed(origin === "local" ? "local" : "remote");
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
      this.#replication.outbox.pump();
    });
  }
}
