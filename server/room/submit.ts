/**
 * The submits of one document: decide, propose, settle.
 *
 * A room has at most one proposal in flight. While it is, submits collect; when its outcome is in, the queue is
 * decided in order against the committed state (a draft on top of it), what is accepted becomes the next proposal,
 * and what is refused is told once it is confirmed: under a state that is at least as new as what the database said
 * after the submit came (otherwise a client acknowledged by one instance would be refused by another that lags).
 * Before a refusal the database is also asked for the ids: a repeat is acknowledged, whatever it says now.
 *
 * Giving way. Where another instance commits to the same document, both want one row: a proposal that is made at once waits
 * for it in the database, with half of what could have been in it, since the authors of the last one are about to go
 * on. After an answer that brought operations of others nothing is proposed for half as long as the call took, or this
 * document's part of a call for many. So two instances take turns at a hot document: with S for a call that does not wait,
 * each waits for 2/3 S here and for 1/3 S there.
 *
 * Order. Submits of one channel are handled in their order: one that waits for its confirmation holds back those
 * behind it in the same channel, and nobody else. That is also R3: an author's operations enter the log in order.
 *
 * Exactly once. An answer is given by the appearance of a submit's operations in the log, on whichever way they come:
 * by this room's own commit (`#told`), or read back from the log after an outcome that nobody knows (`sequenced`).
 */
import type { DecidedOperation, Draft } from "../../shared/document/decide.ts";
import type { OperationStatus, SequencedOperation } from "../../shared/document/operation.ts";
import type { CommitOutcome, GroupCommit } from "../commit/group-commit.ts";
import type { Logger } from "../observability/log.ts";
import type { CommitOperation, DocumentBatch, HeadAnswer } from "../store/store.ts";
import { completedBy } from "./appearance.ts";
import { Confirmations } from "./confirmations.ts";
import { lockedRefusal } from "./lock-info.ts";
import type { Resolution } from "./resolve.ts";
import {
  type Entry,
  idsOf,
  isExact,
  isOfWholeState,
  mismatch,
  type Refusal,
  recompose,
  type Submission,
  type SubmitAnswer,
  writtenBy,
} from "./submission.ts";
import type { Accepted, DecidedEntry, Proposal, SubmitRoom } from "./submit-room.ts";
import type { Turn } from "./turn.ts";

export interface SubmitQueueOptions {
  readonly room: SubmitRoom;
  readonly groupCommit: GroupCommit;
  readonly turn: Turn;
  readonly log: Logger;
  /** Of one proposal; a single submit may have more. */
  readonly maxBatchOperations: number;
  readonly maxBatchBytes: number;
  /** Adds an entry's operations to those of the batch. */
  readonly encode: (
    entry: DecidedEntry,
    records: ReadonlyMap<string, string>,
    into: CommitOperation[],
  ) => void;
  /** A clock that never goes back. */
  readonly monotonicMs: () => number;
  readonly onRefuse: (code: Refusal["code"]) => void;
}

/** Every submit is answered within 10 s. The commit layer may retry for 4 s, so a submit waits at most this long to be proposed. */
const maxQueueMs = 4_500;
/** After this it is told `unavailable`, even while its proposal is in flight. */
const maxAnswerMs = 9_000;
/** What a timer cannot tell from nothing. */
const leastRestMs = 0.25;
/** Longest rest after a call that shared its row: a database that stalled is no sign of others' work. */
const maxRestMs = 10;
/** A whole content (REST) may be larger than any submit of a socket: a millisecond more for each operation beyond this. */
const largeSubmit = 1_000;

export class SubmitQueue {
  readonly #options: SubmitQueueOptions;
  readonly #confirmations: Confirmations;
  #queue: Entry[] = [];
  #inFlight = false;
  /** What is proposed and not answered yet. */
  #flying: readonly Entry[] = [];
  #closed = false;
  #pumping = false;
  /** Gives way to another instance. */
  #resting: NodeJS.Timeout | undefined;
  /** After a refused value in a batch of several submits: propose them one by one until it is found. */
  #oneByOne = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: SubmitQueueOptions) {
    this.#options = options;
    const { room, log } = options;
    this.#confirmations = new Confirmations({
      room,
      onAnswer: (entry) => {
        this.#refuseLimited(entry);
        this.pump();
      },
      onFailure: (entry, cause) => {
        log.warn({ err: cause }, "could not confirm a refusal");
        this.#unavailable(entry);
        this.pump();
      },
    });
  }

  /** Whether a proposal waits for its answer. */
  get inFlight(): boolean {
    return this.#inFlight;
  }

  get idle(): boolean {
    return this.#queue.length === 0 && !this.#inFlight;
  }

  add(submission: Submission): void {
    const entry: Entry = {
      submission,
      ops: submission.ops,
      stored: false,
      arrivedAt: this.#options.monotonicMs(),
      confirmation: undefined,
      asked: false,
      locks: undefined,
      answered: false,
      appearance: undefined,
    };
    this.#queue.push(entry);
    if (this.#closed) {
      this.#unavailable(entry);
      return;
    }
    this.#sweep ??= setInterval(() => this.#expire(), 500);
    // Told as soon as the database says that it is no repeat, whatever is in flight.
    if (submission.limited !== undefined) this.#confirmations.isCurrent(entry);
    this.pump();
  }

  /** Decides and proposes what can be, at the end of the event-loop turn, so that its frames share a batch. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#options.turn.propose(() => {
      this.#pumping = false;
      this.#propose();
    });
  }

  /** These were broadcast, and by another way than a proposal that is told: answers whose they are. */
  sequenced(operations: readonly SequencedOperation[]): void {
    if (this.#flying.length + this.#queue.length === 0) return;
    for (const entry of completedBy(this.#inOrder(), operations)) this.#appeared(entry);
  }

  /** As they came: what is proposed was in front of what waits. */
  #inOrder(): Entry[] {
    return [...this.#flying, ...this.#queue];
  }

  #appeared(entry: Entry): void {
    const { versions = [], statuses = [] } = entry.appearance ?? {};
    this.#answer(entry, { outcome: "sequenced", versions, statuses });
  }

  /** Tells everybody that waits that nobody knows: the room ends. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#resting);
    this.#stopSweep();
    for (const entry of this.#queue) this.#unavailable(entry);
    this.#queue = [];
  }

  #propose(): void {
    const { room, maxBatchOperations, maxBatchBytes } = this.#options;
    const waits = this.#inFlight || this.#resting !== undefined || !room.ready;
    if (waits || this.#queue.length === 0) return;
    const draft = room.draft();
    /** Channels whose next submits wait behind one. */
    const held = new Set<object>();
    const ids = new Set<string>();
    const decided: DecidedEntry[] = [];
    const kept: Entry[] = [];
    let operations = 0;
    let bytes = 0;
    for (const entry of this.#queue) {
      if (entry.answered) continue;
      const { ops, channel, length } = entry.submission;
      const isMore = operations + ops.length > maxBatchOperations || bytes + length > maxBatchBytes;
      const full = operations > 0 && (isMore || this.#oneByOne > 0);
      // What is made of the whole state goes alone: others of its batch would come between them.
      const apart = decided.length > 0 && (isOfWholeState(entry) || isOfWholeState(decided[0]?.entry));
      const waits = full || apart || entry.stored || held.has(channel);
      if (waits || ops.some((operation) => ids.has(operation.id))) {
        held.add(channel);
        kept.push(entry);
        continue;
      }
      const decision = this.#decide(draft, entry);
      if (decision === "wait") {
        held.add(channel);
        kept.push(entry);
      } else if (decision !== "answered") {
        decided.push({ entry, decision });
        operations += entry.ops.length;
        bytes += length;
        for (const operation of entry.ops) ids.add(operation.id);
      }
    }
    this.#queue = kept;
    if (decided.length > 0) void this.#commit(draft, decided);
  }

  /** Accepted with its effects in the draft, answered, or waiting for what the database says. */
  #decide(draft: Draft, entry: Entry): Accepted | "answered" | "wait" {
    const { room } = this.#options;
    const { submission, confirmation } = entry;
    if (confirmation !== undefined) {
      const { known } = confirmation;
      if (known.length === 0 && room.hasRecent(idsOf(submission.ops))) {
        // Stored after the database was asked (a copy sent on another connection): ask again, now it knows.
        this.#confirmations.forget(entry);
      }
      if (!this.#confirmations.isCurrent(entry)) return "wait";
      if (known.length > 0) {
        this.#answerRepeat(entry, known);
        return "answered";
      }
    }
    if (submission.base === undefined && !this.#confirmations.isCurrent(entry)) return "wait";
    const refusal = submission.limited ?? submission.authorise(room.document);
    if (refusal !== undefined) return this.#refuse(entry, refusal);
    if (submission.compose !== undefined) {
      const composed = submission.compose.operations(room.state);
      if ("code" in composed) return this.#refuse(entry, composed);
      recompose(entry, composed);
      if (composed.length === 0) {
        this.#answer(entry, { outcome: "sequenced", versions: [], statuses: [] });
        return "answered";
      }
    }
    const lock = room.locks.inTheWay(submission.origin, writtenBy(entry));
    if (lock !== undefined) {
      // It may have run out: only a list that was read after the submit came says so for sure.
      if (!this.#confirmations.hasLocks(entry)) return "wait";
      return this.#refuse(entry, lockedRefusal(room.locks.shown(lock)));
    }
    const mismatched = mismatch(submission, room.version);
    if (mismatched !== undefined) return this.#refuse(entry, mismatched);
    const { ops } = entry;
    const decision = room.decide(draft, ops === submission.ops ? submission : { ...submission, ops });
    switch (decision.outcome) {
      case "accepted":
        return decision;
      case "needs_log":
        room.reachBack(decision.from);
        return "wait";
      case "needs_state":
        room.readPast(decision.version, submission.origin);
        return "wait";
      case "refused":
        // On top of operations that are not committed yet: true only once they are.
        return "tentative" in decision && decision.tentative ? "wait" : this.#refuse(entry, decision);
    }
  }

  #refuse(entry: Entry, refusal: Refusal): "answered" | "wait" {
    if (!this.#confirmations.isCurrent(entry)) return "wait";
    const { code, message, details } = refusal;
    this.#refused(entry, { code, message, ...(details === undefined ? {} : { details }) });
    return "answered";
  }

  #refused(entry: Entry, refusal: Refusal, version = this.#options.room.version): void {
    const answer: SubmitAnswer = { outcome: "refused", refusal, version };
    this.#options.onRefuse(refusal.code);
    this.#answer(entry, answer);
    if (refusal.code === "rate_limited") this.#stall(entry, answer);
  }

  /** No state of the document matters for a limit, only that the submit is no repeat. */
  #refuseLimited(entry: Entry): void {
    const { limited, ops } = entry.submission;
    if (limited === undefined || entry.answered || entry.confirmation?.known.length !== 0) return;
    if (this.#options.room.hasRecent(idsOf(ops))) return;
    this.#refused(entry, limited);
    // Not kept until the proposal in flight is settled: its author may come again and again meanwhile.
    this.#queue = this.#queue.filter((other) => !other.answered);
  }

  #answerRepeat(entry: Entry, known: HeadAnswer["known"]): void {
    const { user, client } = entry.submission.origin;
    const own = new Map(
      known
        .filter((each) => each.user === user && each.client === client)
        .map((each) => [each.id, each.version]),
    );
    const versions = entry.submission.ops.map((operation) => own.get(operation.id));
    if (versions.every((version) => version !== undefined)) {
      this.#answer(entry, { outcome: "duplicate", versions: versions as number[] });
      return;
    }
    const path = `ops.${versions.indexOf(undefined)}.id`;
    this.#refused(entry, {
      code: "invalid_operation",
      message: "some operation ids of this submit are in the log already, of another submit or author",
      details: { path },
    });
  }

  async #commit(draft: Draft, decided: readonly DecidedEntry[]): Promise<void> {
    const { room, groupCommit, encode } = this.#options;
    this.#inFlight = true;
    const records = room.records(decided);
    const operations: CommitOperation[] = [];
    let resolution: Resolution | undefined;
    let exact = false;
    for (const each of decided) {
      const { entry, decision } = each;
      encode(each, records.byOperation, operations);
      resolution ??= decision.resolution;
      exact ||= isExact(entry.submission);
      if (entry.submission.resolve === undefined) continue;
      recompose(
        entry,
        decision.operations.map(({ operation }) => operation),
      );
    }
    // Nothing tells the database which element a choice without operations is about: then nobody may come between.
    exact ||= resolution !== undefined && operations.length === 0;
    const batch: DocumentBatch = {
      docId: room.docId,
      expectedVersion: room.version,
      expectedId: room.operationId,
      metadataVersion: room.document.metadataVersion,
      ...(exact ? { exact: true } : {}),
      operations,
      ...(resolution === undefined ? {} : { resolves: [resolution.resolve] }),
      ...(records.writes.length === 0 ? {} : { conflicts: records.writes }),
    };
    const proposal: Proposal = { draft, decided, batch, resolution };
    this.#flying = decided.map(({ entry }) => entry);
    const outcome = await groupCommit.commit(batch);
    this.#inFlight = false;
    this.#flying = [];
    if (outcome.outcome === "committed" && outcome.missed.operations.length > 0)
      this.#rest(outcome.eachMs / 2);
    if (this.#oneByOne > 0) this.#oneByOne -= 1;
    this.#settle(proposal, outcome);
    room.settled();
    this.pump();
  }

  #rest(ms: number): void {
    if (ms < leastRestMs) return;
    this.#resting = setTimeout(
      () => {
        this.#resting = undefined;
        this.pump();
      },
      Math.min(ms, maxRestMs),
    );
  }

  #settle(proposal: Proposal, outcome: CommitOutcome): void {
    const { room, log } = this.#options;
    const entries = proposal.decided.map(({ entry }) => entry);
    switch (outcome.outcome) {
      case "committed":
        room.committed(proposal, outcome, (firstVersion) => this.#told(proposal.decided, firstVersion));
        return;
      case "resolved": {
        const { conflictId } = outcome;
        for (const entry of entries) {
          if (entry.submission.resolve?.record.id !== conflictId) continue;
          this.#refused(entry, { code: "already_resolved", message: "the conflict is resolved already" });
        }
        this.#putBack(entries);
        room.resolvedElsewhere(conflictId);
        room.follow(outcome.head);
        return;
      }
      case "stale":
      case "changed":
        this.#putBack(entries);
        // Metadata never goes back: what this room knows was lost in a failover.
        if (outcome.head.metadataVersion < proposal.batch.metadataVersion) {
          room.end("history");
          return;
        }
        if (outcome.outcome === "stale") room.missed(outcome.missed);
        room.follow(outcome.head);
        return;
      case "repeat": {
        for (const entry of entries) {
          const ids = new Set(entry.submission.ops.map((operation) => operation.id));
          const known = outcome.known.filter((each) => ids.has(each.id));
          if (known.length > 0) entry.confirmation = { head: outcome.head, known };
        }
        this.#putBack(entries);
        room.follow(outcome.head);
        return;
      }
      case "locked":
        // Decided again by a list that is read now: where that lock has run out meanwhile, it is no hindrance.
        room.locks.learned(outcome.lock);
        this.#putBack(entries);
        room.follow(outcome.head);
        return;
      case "history":
      case "missing":
        this.#putBack(entries);
        room.end(outcome.outcome);
        return;
      case "unknown":
        log.warn({ err: outcome.cause, operations: proposal.batch.operations.length }, "commit not answered");
        for (const entry of entries) this.#unavailable(entry);
        return;
      case "refused":
        log.error({ err: outcome.cause }, "the database refuses a value");
        if (entries.length > 1) {
          this.#oneByOne = entries.length;
          this.#putBack(entries);
          return;
        }
        for (const entry of entries) {
          this.#refused(entry, {
            code: "invalid_operation",
            message: "the database refuses a value of this submit",
          });
        }
    }
  }

  /** They are stored. Where the room has to read the log first, they are answered as they appear there. */
  #told(decided: readonly DecidedEntry[], firstVersion: number | undefined): void {
    if (firstVersion === undefined) {
      const entries = decided.map(({ entry }) => entry);
      for (const entry of entries) {
        entry.stored = true;
        if (entry.ops.length === 0) this.#appeared(entry);
      }
      this.#putBack(entries);
      return;
    }
    let version = firstVersion;
    for (const { entry, decision } of decided) {
      const { operations } = decision;
      const first = version;
      version += operations.length;
      const versions = operations.map((_, index) => first + index);
      this.#answer(entry, { outcome: "sequenced", versions, statuses: operations.map(statusOf) });
    }
  }

  /** In front, in their order: what was decided came before what waits. */
  #putBack(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    if (this.#closed) {
      for (const entry of entries) this.#unavailable(entry);
      return;
    }
    this.#queue = [...entries.filter((entry) => !entry.answered), ...this.#queue];
    this.#sweep ??= setInterval(() => this.#expire(), 500);
  }

  #expire(): void {
    const { monotonicMs, log, room } = this.#options;
    const now = monotonicMs();
    const before = now - maxQueueMs;
    for (const entry of this.#queue) {
      if (entry.arrivedAt >= before || entry.answered) continue;
      const { asked, confirmation } = entry;
      log.warn(
        { asked, head: confirmation?.head, ready: room.ready, inFlight: this.#inFlight },
        "a submit waited too long",
      );
      this.#unavailable(entry);
    }
    // Its outcome may come later still: then the operations are broadcast, and a repeat is acknowledged.
    for (const entry of this.#flying) {
      const patienceMs = maxAnswerMs + Math.max(0, entry.ops.length - largeSubmit);
      if (entry.arrivedAt < now - patienceMs) this.#unavailable(entry);
    }
    this.#queue = this.#queue.filter((entry) => !entry.answered);
    if (this.#queue.length === 0 && this.#flying.length === 0) this.#stopSweep();
  }

  #stopSweep(): void {
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #unavailable(entry: Entry): void {
    const answer: SubmitAnswer = { outcome: "unavailable", version: this.#options.room.version };
    this.#options.onRefuse("unavailable");
    this.#answer(entry, answer);
    this.#stall(entry, answer);
  }

  /** A submit that stays unhandled takes those behind it in its channel along, so that the author's order is kept. */
  #stall(first: Entry, answer: SubmitAnswer): void {
    // Not those before it: what was accepted in this turn is still in the queue, and will be stored.
    const entries = this.#inOrder();
    for (const entry of entries.slice(entries.indexOf(first) + 1)) {
      if (entry.submission.channel === first.submission.channel) this.#answer(entry, answer);
    }
  }

  #answer(entry: Entry, answer: SubmitAnswer): void {
    if (entry.answered) return;
    entry.answered = true;
    this.#options.room.tellNow();
    entry.submission.answer(answer);
  }
}

const statusOf = ({ outcome }: DecidedOperation): OperationStatus =>
  outcome === "held" ? "conflict" : "applied";
