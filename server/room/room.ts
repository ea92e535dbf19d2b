/**
 * One open document on this instance: the committed state, the newest of the log, who is here.
 *
 * The state moves by the next versions only: by what this instance committed (`committed`), and by what others did
 * (`#advance`). All moves of a turn are told together (`telling.ts`), at its end and before anything else that
 * speaks of a version (`tellNow`).
 *
 * What is missing is read by `following.ts`. A room ends when nobody has been in it for a while, when its document is
 * purged, and when its history is not the database's any more (a failover to a standby that lagged): its sessions
 * are closed, come back with `since`, and the next room judges that.
 */
import { commitDraft, Draft, decide } from "../../shared/document/decide.ts";
import type { Author, SequencedOperation } from "../../shared/document/operation.ts";
import { applySequenced, type DocumentState } from "../../shared/document/state.ts";
import type { PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";
import type { CommitOutcome } from "../commit/group-commit.ts";
import type { ChangeNews, OperationsNews, PresenceNews } from "../fanout/news.ts";
import type { Logger } from "../observability/log.ts";
import type {
  DocumentRecord,
  Head,
  HeadAnswer,
  LoadedDocument,
  Missed,
  SessionRecord,
} from "../store/store.ts";
import { encodeForCommit } from "./commit-encoding.ts";
import { RoomConflicts } from "./conflicts.ts";
import { EncodedCache, type EncodedState } from "./encoded-state.ts";
import { type Advance, Following, type Position } from "./following.ts";
import { encodeFrame } from "./frame.ts";
import { idsToAsk, type Joined, type JoinRequest, startOf } from "./joining.ts";
import { endLostLocks, type LockRoom } from "./lock-requests.ts";
import { RoomLocks } from "./locks.ts";
import type { CloseReason, Member } from "./member.ts";
import { RoomPast } from "./past.ts";
import { RoomPresence } from "./presence.ts";
import { RecentIds } from "./recent-ids.ts";
import { readAgainMs } from "./repeatable.ts";
import { composeResolve } from "./resolve.ts";
import { type ResolveRequest, type ResolveResult, resolveConflict } from "./resolving.ts";
import type { RoomServices } from "./services.ts";
import { type SnapshotSource, SnapshotWriter } from "./snapshots.ts";
import type { Submission } from "./submission.ts";
import { SubmitQueue } from "./submit.ts";
import type { DecidedEntry, Proposal, RoomDecision, SubmitRoom, Told } from "./submit-room.ts";
import { maxTailOperations } from "./tail.ts";
import { Telling } from "./telling.ts";
import { decodeSequenced, encodeCommitted, encodeSequenced } from "./wire.ts";

const nothing: readonly never[] = [];

export class Room implements SubmitRoom, SnapshotSource, LockRoom {
  readonly docId: string;
  readonly locks: RoomLocks;
  readonly #services: RoomServices;
  readonly #log: Logger;
  readonly #state: DocumentState;
  readonly #telling: Telling;
  readonly #recent = new RecentIds();
  readonly #queue: SubmitQueue;
  readonly #presence: RoomPresence;
  readonly #conflicts: RoomConflicts;
  readonly #past: RoomPast;
  readonly #encodings: EncodedCache;
  readonly #snapshots: SnapshotWriter;
  readonly #following: Following;
  readonly #onEnd: (room: Room) => void;
  /**
   * The last commit was not notified: as far as is known, no other instance has anybody here. A notification costs
   * PostgreSQL and this process as much as a third of the commit. Whoever joined elsewhere meanwhile is heard of in
   * some milliseconds, and told to look then; where that is lost, anti-entropy finds it on either side.
   */
  #unheard = false;
  #ended = false;
  #isMissing = false;
  /** Joins, edits and reads under way: see `using`. */
  #uses = 0;
  #unusedSinceMs: number;

  /** `state` is that of the loaded snapshot and the log after it. */
  constructor(
    loaded: LoadedDocument,
    state: DocumentState,
    services: RoomServices,
    onEnd: (room: Room) => void,
  ) {
    const { document, snapshot, tail } = loaded;
    this.#services = services;
    this.#onEnd = onEnd;
    this.docId = document.docId;
    this.#log = services.log.child({ docId: document.docId });
    this.#state = state;
    this.#following = new Following(document, loaded.retainedFrom, {
      docId: this.docId,
      services,
      log: this.#log,
      state,
      locks: () => this.locks,
      proposing: () => this.#queue.inFlight,
      submitting: () => !this.#queue.idle,
      advance: (advances) => this.#advance(advances),
      documentChanged: (before, after) => this.#documentChanged(before, after),
      publish: (news) => this.#publishCommitted(news, true),
      end: (reason) => this.end(reason),
      onRead: () => this.#queue.pump(),
    });
    const maxBytes = services.config.limits.maxServerMessageBytes;
    this.#telling = new Telling({
      turn: services.turn,
      maxBytes,
      version: () => this.#state.version,
      deliver: (frame) => this.#deliver(frame),
      onTold: () => {
        this.locks.advanced();
        this.#snapshots.advanced();
      },
    });
    this.#encodings = new EncodedCache(this.#state, this.#telling.tail, maxBytes);
    this.#unusedSinceMs = services.nowMs();
    this.#presence = new RoomPresence({
      docId: this.docId,
      frameMs: services.config.presence.frameMs,
      publish: services.publish,
      onOthers: () => this.#hasOthers(),
    });
    this.locks = new RoomLocks(loaded.locks, {
      docId: this.docId,
      store: services.store.locks,
      sweep: (docId) => services.lockSweep.sweep(docId),
      version: () => this.#state.version,
      onBehind: () => this.#following.catchUp(),
      onGrown: () => this.#conflicts.lookAgain(),
      onRead: () => this.#queue.pump(),
      names: () => this.#presence.names(),
      broadcast: (text) => this.#broadcast(text),
      publish: () => services.publish({ kind: "change", docId: this.docId }),
      onFailure: (cause) => this.#log.warn({ err: cause }, "could not read the locks"),
      monotonicMs: () => performance.now(),
    });
    this.#conflicts = new RoomConflicts(loaded, {
      docId: this.docId,
      store: services.store,
      newId: services.newId,
      nowMs: services.nowMs,
      version: () => this.#state.version,
      hasRecent: (operationId) => this.#recent.has(operationId),
      reach: () => this.#following.reach(),
      broadcast: (text) => this.#broadcast(text),
      onReady: () => this.#queue.pump(),
    });
    this.#past = new RoomPast({
      docId: this.docId,
      store: services.store,
      state: this.#state,
      tail: () => this.#telling.tail,
      heldBack: this.#conflicts.heldBack,
    });
    this.#snapshots = new SnapshotWriter({
      source: this,
      store: services.store,
      log: this.#log,
      config: services.config,
    });
    this.#queue = new SubmitQueue({
      room: this,
      groupCommit: services.groupCommit,
      turn: services.turn,
      log: this.#log,
      maxBatchOperations: services.config.commit.maxBatchOperations,
      maxBatchBytes: services.config.commit.maxBatchBytes,
      encode: encodeForCommit,
      monotonicMs: () => performance.now(),
      onRefuse: (code) => services.metrics.rejects.inc({ code }),
    });
    for (const row of tail) if (row.status !== "applied") this.#conflicts.heldBack.add(decodeSequenced(row));
    const newest = tail.slice(-maxTailOperations);
    for (const { id } of newest) this.#recent.add(id);
    this.#telling.begin(state.version - newest.length + 1, newest.map(encodeSequenced));
    this.#snapshots.opened(snapshot);
  }

  // ---- what the queue and others may know ------------------------------------------------------------------

  get document(): DocumentRecord {
    return this.#following.document;
  }
  get version(): number {
    return this.#state.version;
  }
  get operationId(): string | null {
    return this.#state.operationId;
  }
  get state(): DocumentState {
    return this.#state;
  }
  get position(): Position {
    return this.#following.position;
  }
  /** The version that the members have been sent. */
  get toldVersion(): number {
    this.tellNow();
    return this.#state.version;
  }
  get ready(): boolean {
    return !this.#ended && this.#conflicts.ready && !this.#following.catchingUp;
  }
  /** It has ended because its document is not there any more. */
  get isMissing(): boolean {
    return this.#isMissing;
  }
  get members(): number {
    return this.#presence.size;
  }
  /** The lowest version in the live log, as far as this room has heard. */
  get retainedFrom(): number {
    return this.#following.retainedFrom;
  }

  /** The operations after a version; undefined where they are not at hand any more. */
  operationsAfter(version: number): SequencedOperation[] | undefined {
    return this.#telling.after(version);
  }

  hasRecent(operationIds: readonly string[]): boolean {
    return this.#recent.hasAny(operationIds);
  }

  /** How long nobody has used the room, in milliseconds; 0 while somebody does. */
  unusedMs(): number {
    if (this.#uses > 0 || this.#presence.size > 0 || !this.#queue.idle) this.used();
    return this.#services.nowMs() - this.#unusedSinceMs;
  }

  /** Somebody has asked for it, who may never be in it: requests over REST are short. */
  used(): void {
    this.#unusedSinceMs = this.#services.nowMs();
  }

  // ---- submits -----------------------------------------------------------------------------------------------

  submit(submission: Submission): void {
    this.#queue.add(submission);
  }

  draft(): Draft {
    return new Draft(this.#state);
  }

  decide(draft: Draft, submission: Submission): RoomDecision {
    const { limits } = this.#services.config;
    const { resolve, origin } = submission;
    if (resolve !== undefined) {
      return composeResolve(draft, resolve, {
        waiting: this.#conflicts.heldBack.ofRecord(resolve.record.id),
        past: this.#past,
        user: origin.user,
        newId: this.#services.newId,
        limits,
      });
    }
    return decide(draft, {
      ops: submission.ops,
      base: submission.base ?? this.#state.version,
      author: origin,
      policy: submission.onConflict === "reject" ? "strict" : this.document.conflictPolicy,
      retainedFrom: this.#following.retainedFrom,
      limits,
      past: this.#past,
    });
  }

  records(decided: readonly DecidedEntry[]) {
    return this.#conflicts.record(decided);
  }

  committed(proposal: Proposal, outcome: CommitOutcome & { outcome: "committed" }, told: Told): void {
    const { firstVersion, at } = outcome;
    const { operations, metadataVersion, conflicts: writes = nothing } = proposal.batch;
    const texts = () =>
      operations.map((operation, index) => encodeCommitted(operation, firstVersion + index, at));
    const last = operations.at(-1);
    if (last !== undefined) {
      const { user } = last.origin;
      this.#services.editTimes.edited({ docId: this.docId, by: user, at, metadataVersion });
    }
    this.#services.metrics.operations.inc(operations.length);
    this.missed(outcome.missed);
    // What did not fit the answer has mostly been heard of.
    if (this.#state.version < firstVersion - 1) this.#following.settled();
    if (this.#state.version === firstVersion - 1) {
      const previousId = this.#state.operationId;
      commitDraft(proposal.draft, { firstVersion, at });
      let version = firstVersion;
      for (const operation of operations) {
        this.#recent.add(operation.id);
        if (operation.status === "conflict") {
          const text = encodeCommitted(operation, version, at);
          this.#conflicts.heldBack.add(JSON.parse(text) as SequencedOperation);
        }
        version += 1;
      }
      this.#telling.later({
        texts,
        told: (toldTexts) => {
          told(firstVersion);
          const news = operationsNews(this.docId, firstVersion, toldTexts, previousId);
          this.#publishCommitted(news, outcome.missed.operations.length > 0);
        },
      });
    } else {
      // A catch-up has brought them already, or what lies before them is still on its way: then they wait like news.
      told(undefined);
      this.#following.stored(operationsNews(this.docId, firstVersion, texts(), null));
    }
    const resolves = proposal.resolution === undefined ? nothing : [proposal.resolution.resolve];
    this.#conflicts.clock(at);
    this.#conflicts.committed(writes, resolves, at, this.#state.version < firstVersion - 1);
    // A choice may have sequenced nothing: the others look at its record when they hear that something changed.
    if (resolves.length > 0) this.#services.publish({ kind: "change", docId: this.docId });
    if (writes.length > 0) this.#services.metrics.conflicts.inc(writes.filter((write) => !write.join).length);
    this.locks.counted(outcome.revision, writes.length + resolves.length);
  }

  /** `isShared`: others commit to the document at the same time. */
  #publishCommitted(news: OperationsNews | ChangeNews, isShared = false): void {
    this.#unheard = !this.#presence.hasOthers;
    if (this.#unheard) return;
    // A choice that sequenced nothing: others look at what changed.
    const isEmpty = news.kind === "operations" && news.to < news.from;
    if (isEmpty) this.#services.publish({ kind: "change", docId: this.docId });
    else this.#services.publish(news, { mayWait: isShared });
  }

  missed({ operations }: Missed): void {
    if (operations.length === 0) return;
    // Most have been heard of meanwhile.
    const rows = operations.filter(({ version }) => version > this.#state.version);
    this.#following.advance(
      rows.map((row) => ({ operation: decodeSequenced(row), text: encodeSequenced(row) })),
    );
  }

  follow(head: Head, asked?: Position): void {
    this.#following.follow(head, asked);
  }

  reach(ids: readonly string[]): Promise<HeadAnswer | undefined> {
    return this.#following.reach(ids);
  }

  /** The log before this version was archived, as the database says. */
  retain(from: number): void {
    this.#following.retain(from);
  }

  reachBack(from: number): void {
    this.#following.reachesBackTo(from);
    this.#queue.pump();
  }

  readPast(version: number, author: Author): void {
    this.#past.read(version, author).then(
      () => this.#queue.pump(),
      (cause: unknown) => {
        this.#log.warn({ err: cause, version }, "could not read an earlier state");
        setTimeout(() => this.#queue.pump(), readAgainMs);
      },
    );
  }

  resolvedElsewhere(conflictId: string): void {
    this.#conflicts.heard([conflictId]);
  }

  /** Rejects with `StoreUnavailable`. */
  resolve(request: ResolveRequest): Promise<ResolveResult> {
    return this.using(() => resolveConflict(this, this.#services.store, request));
  }

  /** The record, where it is unresolved or was lately. */
  conflict(id: string) {
    return this.#conflicts.get(id);
  }

  /** Reads anew what waits in records. */
  lookAtConflicts(): Promise<void> {
    return this.#conflicts.lookAgain();
  }

  // ---- news of other instances ---------------------------------------------------------------------------------

  hearOperations(news: OperationsNews): void {
    this.#following.hear(news);
  }

  settled(): void {
    this.#following.settled();
  }

  hearPresence(news: PresenceNews): void {
    this.#presence.hear(news, this.#services.nowMs());
  }

  /** `others`: the live sessions of other instances, as the database says. */
  reconcileSessions(others: readonly SessionRecord[]): void {
    if (!this.#ended) this.#presence.reconcile(others, this.#services.nowMs());
  }

  // ---- members -------------------------------------------------------------------------------------------------

  /**
   * Where a joiner starts. When this resolves the member is in the room: frames that continue from `version` are
   * delivered to it from then on. Undefined: the room has ended. Rejects with `StoreUnavailable`.
   */
  join(request: JoinRequest): Promise<Joined | undefined> {
    return this.using(async () => {
      const answer = await this.#following.reach(idsToAsk(request));
      // The list may move on while its version is being reached.
      while (!this.#ended && this.#state.version < this.locks.version) await this.reached(this.locks.version);
      if (answer === undefined || this.#ended) return undefined;
      // What it starts from must not be told to it again.
      this.tellNow();
      const start = startOf(request, {
        known: answer.known,
        version: this.#state.version,
        retainedFrom: this.#following.retainedFrom,
        tail: this.#telling.tail,
        encoded: () => this.encoded(),
      });
      const joined: Joined = {
        ...start,
        document: this.document,
        version: this.#state.version,
        sessions: this.#presence.others(request.member.info.sessionId),
        locks: this.locks.state(),
      };
      this.#presence.join(request.member, request.presence);
      return joined;
    });
  }

  leave(member: Member): void {
    if (this.#presence.leave(member)) this.used();
  }

  setPresence(member: Member, state: PresenceState): void {
    this.#presence.setState(member, state);
  }

  renew(member: Member): void {
    this.#presence.renew(member);
  }

  sessions(): SessionInfo[] {
    return this.#presence.others(undefined);
  }

  /** Resolves when the room stands at least where the database stood when this was called; false: it has ended. */
  current(): Promise<boolean> {
    return this.using(async () => (await this.#following.reach()) !== undefined);
  }

  /** The room is not closed for being unused while this works. */
  async using<T>(work: () => Promise<T>): Promise<T> {
    this.#uses += 1;
    try {
      return await work();
    } finally {
      this.#uses -= 1;
    }
  }

  /** Resolves when the operations up to a version are sent, or the room has ended. */
  async reached(version: number): Promise<void> {
    await this.#following.reached(version);
    this.tellNow();
  }

  /** The state as text: of this moment, or a little older where the tail leads on from it. */
  encoded(maxLag?: number): EncodedState {
    this.tellNow();
    return this.#encodings.get(maxLag);
  }

  // ---- the end -------------------------------------------------------------------------------------------------

  end(reason: "missing" | "history"): void {
    if (this.#ended) return;
    this.#isMissing = reason === "missing";
    const { version } = this.#state;
    if (this.#isMissing) this.#log.info({ version }, "document purged, its sessions are closed");
    else this.#log.warn({ version }, "the database's history is another one, the document is opened anew");
    this.#stop();
    const close: CloseReason = reason === "missing" ? "deleted" : "internal";
    for (const member of [...this.#presence.members]) member.close(close);
    this.#onEnd(this);
  }

  /** Nobody needs the room any more: its state is written, so that the next one opens fast. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#stop();
    await this.#snapshots.close();
  }

  #stop(): void {
    this.tellNow();
    this.#ended = true;
    this.#following.close();
    this.#queue.close();
    this.#presence.close();
    this.#conflicts.close();
    this.locks.close();
    this.#encodings.close();
  }

  // ---- how the state moves ---------------------------------------------------------------------------------------

  /** The next operations, of others or read from the log. */
  #advance(advances: readonly Advance[]): void {
    const records = new Set<string>();
    for (const { operation } of advances) {
      this.#apply(operation);
      if (operation.conflict !== undefined) records.add(operation.conflict);
    }
    this.#telling.later({ texts: () => advances.map(({ text }) => text) });
    // Before the next proposal is made: what the log has must not be proposed again.
    this.#queue.sequenced(advances.map(({ operation }) => operation));
    this.#conflicts.heard(records);
  }

  #apply(operation: SequencedOperation): void {
    applySequenced(this.#state, operation);
    this.#conflicts.heldBack.add(operation);
    this.#recent.add(operation.id);
  }

  #hasOthers(): void {
    if (!this.#unheard) return;
    this.#unheard = false;
    this.#services.publish({ kind: "change", docId: this.docId });
  }

  /** Tells what is committed: what speaks of a version, and whoever joins, comes after the operations up to it. */
  tellNow(): void {
    this.#telling.now();
  }

  #broadcast(text: string): void {
    this.tellNow();
    this.#deliver(encodeFrame(text));
  }

  #deliver(frame: Buffer): void {
    for (const member of this.#presence.members) member.deliver(frame);
  }

  #documentChanged(before: DocumentRecord, after: DocumentRecord): void {
    for (const member of [...this.#presence.members]) member.documentChanged(after);
    void this.#endLost(before, after);
  }

  /** Whoever changed the lists does it too; done twice it is no different. */
  async #endLost(before: DocumentRecord, after: DocumentRecord): Promise<void> {
    try {
      const ended = await endLostLocks(this.#services.store, before, after);
      if (ended > 0) this.#services.publish({ kind: "change", docId: this.docId });
      if (ended > 0) await this.locks.reading.start();
    } catch (cause) {
      this.#log.warn({ err: cause }, "could not end locks of who may not edit any more");
    }
  }
}

function operationsNews(
  docId: string,
  from: number,
  texts: readonly string[],
  previousId: string | null,
): OperationsNews {
  return { kind: "operations", docId, from, to: from + texts.length - 1, previousId, texts };
}
