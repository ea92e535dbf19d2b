/**
 * The submits of one document: decide, propose, settle.
 *
 * A room has at most one proposal in flight. While it is, submits collect; when its outcome is in, the queue is
 * decided in order against the committed state (a draft on top of it), what is accepted becomes the next proposal,
 * and what is refused is told once it is confirmed: under a state that is at least as new as what the database said
 * after the submit came (otherwise a client acknowledged by one instance would be refused by another that lags).
 * Before a refusal the database is also asked for the ids: a repeat is acknowledged, whatever it says now.
 *
 * Order. Submits of one channel are handled in their order: one that waits for its confirmation holds back those
 * behind it in the same channel, and nobody else. That is also R3: an author's operations enter the log in order.
 *
 * Exactly once. An answer is given by the appearance of a submit's operations in the log, on whichever way they come
 * (`sequenced`): by this room's own commit, or read back from the log after an outcome that nobody knows.
 */
import type { ConflictWrite as RecordWrite } from "../../shared/document/conflict-record.ts";
import type { Decision, Draft } from "../../shared/document/decide.ts";
import type { Operation, OperationStatus } from "../../shared/document/operation.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { CommitOutcome, GroupCommit } from "../commit/group-commit.ts";
import type { Logger } from "../observability/log.ts";
import type { CommitOperation, DocumentBatch, DocumentRecord, HeadAnswer, Missed } from "../store/store.ts";
import type { HeadReader } from "./head-reader.ts";
import { lockInfo } from "./lock-info.ts";
import type { Entry, Refusal, Submission, SubmitAnswer } from "./submission.ts";

/** What the queue needs of its room. */
export interface SubmitRoom {
  readonly docId: string;
  readonly document: DocumentRecord;
  readonly version: number;
  readonly operationId: string | null;
  readonly state: DocumentState;
  readonly revision: number;
  /** False while something must be read before anything may be decided. */
  readonly ready: boolean;
  draft(): Draft;
  decide(draft: Draft, submission: Submission): Decision;
  /** Conflict records for what a draft decided, and the record of each operation by id. */
  records(decided: readonly DecidedEntry[]): {
    writes: readonly RecordWrite[];
    byOperation: ReadonlyMap<string, string>;
  };
  /** Whether an operation is among the latest of the log. */
  hasRecent(operationId: string): boolean;
  /** The proposal is stored from `firstVersion` on, and `missed` lies before it: apply and broadcast. */
  committed(proposal: Proposal, outcome: CommitOutcome & { outcome: "committed" }): void;
  /** Operations that others committed. */
  missed(missed: Missed): void;
  /** The database is ahead (or in another history): read what is missing, then call `pump`. */
  follow(answer: HeadAnswer["head"]): void;
  /** The memory does not reach back to a base: read the log from there, then call `pump`. */
  reachBack(from: number): void;
  /** The document is gone, or this room's history is: the room ends. */
  end(reason: "missing" | "history"): void;
}

export type DecidedEntry = { readonly entry: Entry; readonly decision: Decision & { outcome: "accepted" } };

/** What was proposed to the database, to be applied when it is stored. */
export interface Proposal {
  readonly draft: Draft;
  readonly decided: readonly DecidedEntry[];
  readonly batch: DocumentBatch;
}

export interface SubmitQueueOptions {
  readonly room: SubmitRoom;
  readonly groupCommit: GroupCommit;
  readonly heads: HeadReader;
  readonly log: Logger;
  readonly maxBatchOperations: number;
  readonly encode: (entry: DecidedEntry, records: ReadonlyMap<string, string>) => CommitOperation[];
  readonly nowMs: () => number;
  readonly onRefuse: (code: Refusal["code"]) => void;
}

/** Every submit is answered within 10 s: the commit layer retries for 4 s, and nothing waits longer than this to get there. */
const maxQueueMs = 4_500;
/** And in flight or not, it is told by then that nobody knows. */
const maxAnswerMs = 9_000;

export class SubmitQueue {
  readonly #options: SubmitQueueOptions;
  #queue: Entry[] = [];
  /** By operation id: whose answer waits for it to appear in the log. */
  readonly #awaited = new Map<string, { readonly entry: Entry; readonly at: number }>();
  #complete: Entry[] = [];
  #inFlight = false;
  /** What is proposed and not answered yet. */
  #flying: readonly Entry[] = [];
  #closed = false;
  #pumping = false;
  /** After a refused value in a batch of several submits: propose them one by one until it is found. */
  #oneByOne = 0;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: SubmitQueueOptions) {
    this.#options = options;
  }

  get idle(): boolean {
    return this.#queue.length === 0 && !this.#inFlight;
  }

  add(submission: Submission): void {
    const entry: Entry = {
      submission,
      ops: submission.ops,
      stored: false,
      arrivedAt: this.#options.nowMs(),
      asked: false,
      answered: false,
      versions: new Array<number>(submission.ops.length).fill(0),
      statuses: new Array<OperationStatus>(submission.ops.length).fill("applied"),
      missing: submission.ops.length,
    };
    this.#queue.push(entry);
    if (this.#closed) {
      this.#unavailable(entry);
      return;
    }
    this.#await(entry);
    this.#sweep ??= setInterval(() => this.#expire(), 500);
    this.pump();
  }

  #await(entry: Entry): void {
    entry.ops.forEach(({ id }, at) => {
      // A copy of a submit that is still on its way (a client that reconnected): the later one is told `duplicate`.
      if (!this.#awaited.has(id)) this.#awaited.set(id, { entry, at });
    });
  }

  /** Decides and proposes what can be, at the end of the event-loop turn, so that its frames share a batch. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#propose();
    });
  }

  /** An operation took its place in the log. */
  sequenced(operationId: string, version: number, status: OperationStatus): void {
    const awaited = this.#awaited.get(operationId);
    if (awaited === undefined) return;
    this.#awaited.delete(operationId);
    const { entry, at } = awaited;
    entry.versions[at] = version;
    entry.statuses[at] = status;
    entry.missing -= 1;
    if (entry.missing === 0) this.#complete.push(entry);
  }

  /** Answers the submits whose operations have all appeared; called after they were broadcast. */
  answerSequenced(): void {
    for (const entry of this.#complete) {
      this.#answer(entry, { outcome: "sequenced", versions: entry.versions, statuses: entry.statuses });
    }
    this.#complete = [];
  }

  /** Tells everybody that waits that nobody knows: the room ends. */
  close(): void {
    this.#closed = true;
    this.#stopSweep();
    for (const entry of this.#queue) this.#unavailable(entry);
    this.#queue = [];
  }

  #propose(): void {
    const { room, maxBatchOperations } = this.#options;
    if (this.#inFlight || this.#queue.length === 0 || !room.ready) return;
    const draft = room.draft();
    const held = new Set<object>();
    const ids = new Set<string>();
    const decided: DecidedEntry[] = [];
    const kept: Entry[] = [];
    let operations = 0;
    for (const entry of this.#queue) {
      if (entry.answered) continue;
      const { ops, channel } = entry.submission;
      const full = operations > 0 && (operations + ops.length > maxBatchOperations || this.#oneByOne > 0);
      // What is made of the whole state goes alone: others of its batch would come between them.
      const apart = decided.length > 0 && [entry, decided[0]?.entry].some(isOfWholeState);
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
        for (const operation of entry.ops) ids.add(operation.id);
      }
    }
    this.#queue = kept;
    if (decided.length > 0) void this.#commit(draft, decided);
  }

  /** Accepted with its effects in the draft, answered, or waiting for what the database says. */
  #decide(draft: Draft, entry: Entry): (Decision & { outcome: "accepted" }) | "answered" | "wait" {
    const { room } = this.#options;
    const { submission, confirmation } = entry;
    if (submission.ops.some((operation) => room.hasRecent(operation.id))) {
      // Stored after the database was asked (a copy sent on another connection): ask again, now it knows.
      if (confirmation?.known.length === 0) {
        delete entry.confirmation;
        entry.asked = false;
      }
      if (!this.#confirmed(entry)) return "wait";
    }
    if (confirmation !== undefined && confirmation.known.length > 0) {
      if (!this.#confirmed(entry)) return "wait";
      this.#answerRepeat(entry, confirmation.known);
      return "answered";
    }
    if (submission.base === undefined && !this.#confirmed(entry)) return "wait";
    const refusal =
      submission.limited ?? submission.authorise(room.document) ?? mismatch(submission, room.version);
    if (refusal !== undefined) return this.#refuse(entry, refusal);
    if (submission.compose !== undefined) {
      const composed = submission.compose.operations(room.state);
      if ("code" in composed) return this.#refuse(entry, composed);
      this.#compose(entry, composed);
      if (composed.length === 0) {
        this.#answer(entry, { outcome: "sequenced", versions: [], statuses: [] });
        return "answered";
      }
    }
    const decision = room.decide(draft, { ...submission, ops: entry.ops });
    switch (decision.outcome) {
      case "accepted":
        return decision;
      case "needs_log":
        room.reachBack(decision.from);
        return "wait";
      case "refused":
        // On top of operations that are not committed yet: true only once they are.
        return decision.tentative ? "wait" : this.#refuse(entry, decision);
    }
  }

  /** From now on its answer waits for these operations; those of an earlier proposal are in no log. */
  #compose(entry: Entry, ops: readonly Operation[]): void {
    for (const { id } of entry.ops) this.#awaited.delete(id);
    entry.ops = ops;
    entry.versions = ops.map(() => 0);
    entry.statuses = ops.map(() => "applied");
    entry.missing = ops.length;
    this.#await(entry);
  }

  #refuse(entry: Entry, refusal: Refusal): "answered" | "wait" {
    if (!this.#confirmed(entry)) return "wait";
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

  /** Whether the state that decides now is at least as new as the database's was after the submit came. */
  #confirmed(entry: Entry): boolean {
    const { room, heads } = this.#options;
    const { confirmation } = entry;
    if (confirmation !== undefined) {
      const { head } = confirmation;
      if (
        room.version >= head.version &&
        room.document.metadataVersion >= head.metadataVersion &&
        room.revision >= head.revision
      ) {
        return true;
      }
      room.follow(head);
      return false;
    }
    if (entry.asked) return false;
    entry.asked = true;
    const ids = entry.submission.ops.map((operation) => operation.id);
    heads.read(room.docId, ids).then(
      (answer) => {
        if (answer === undefined) {
          room.end("missing");
          return;
        }
        entry.confirmation = answer;
        this.pump();
      },
      (cause: unknown) => {
        this.#options.log.warn({ err: cause }, "could not confirm a refusal");
        this.#unavailable(entry);
        this.pump();
      },
    );
    return false;
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
    const batch: DocumentBatch = {
      docId: room.docId,
      expectedVersion: room.version,
      expectedId: room.operationId,
      metadataVersion: room.document.metadataVersion,
      ...(decided.some(({ entry }) => isExact(entry.submission)) ? { exact: true } : {}),
      operations: decided.flatMap((each) => encode(each, records.byOperation)),
      ...(records.writes.length === 0 ? {} : { conflicts: records.writes }),
    };
    const proposal: Proposal = { draft, decided, batch };
    this.#flying = decided.map(({ entry }) => entry);
    const outcome = await groupCommit.commit(batch);
    this.#inFlight = false;
    this.#flying = [];
    if (this.#oneByOne > 0) this.#oneByOne -= 1;
    this.#settle(proposal, outcome);
    this.pump();
  }

  #settle(proposal: Proposal, outcome: CommitOutcome): void {
    const { room, log } = this.#options;
    const entries = proposal.decided.map(({ entry }) => entry);
    switch (outcome.outcome) {
      case "committed":
        room.committed(proposal, outcome);
        for (const entry of entries) entry.stored = entry.submission.compose !== undefined;
        // Where the room has to read the log first, the rest is answered as it appears there.
        this.#putBack(entries.filter((entry) => !entry.answered));
        return;
      case "stale":
      case "changed":
      case "resolved":
        this.#putBack(entries);
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
        this.#putBack(entries.filter((entry) => !this.#refuseLocked(entry, outcome)));
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

  /** The database held the document's row when it said so: that is confirmation enough. */
  #refuseLocked(entry: Entry, { lock, head }: CommitOutcome & { outcome: "locked" }): boolean {
    const { ops } = entry;
    const { origin } = entry.submission;
    if (lock.user === origin.user && lock.client === (origin.lockClient ?? origin.client)) return false;
    if (lock.element !== null && !ops.some((operation) => operation.element === lock.element)) return false;
    const message = lock.element === null ? "document is already locked" : "element is already locked";
    this.#refused(entry, { code: "locked", message, details: { lock: lockInfo(lock) } }, head.version);
    return true;
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
    const { nowMs, log, room } = this.#options;
    const before = nowMs() - maxQueueMs;
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
    for (const entry of this.#flying) if (entry.arrivedAt < nowMs() - maxAnswerMs) this.#unavailable(entry);
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
    for (const entry of this.#queue) {
      if (entry.submission.channel === first.submission.channel) this.#answer(entry, answer);
    }
  }

  #answer(entry: Entry, answer: SubmitAnswer): void {
    if (entry.answered) return;
    entry.answered = true;
    for (const { id } of entry.ops) {
      if (this.#awaited.get(id)?.entry === entry) this.#awaited.delete(id);
    }
    entry.submission.answer(answer);
  }
}

function isOfWholeState(entry: Entry | undefined): boolean {
  return entry?.submission.compose !== undefined || entry?.submission.exactly !== undefined;
}

function isExact({ exactly, compose }: Submission): boolean {
  return exactly !== undefined || compose?.exact === true;
}

function mismatch(submission: Submission, version: number): Refusal | undefined {
  if (submission.exactly === undefined || submission.exactly === version) return undefined;
  return {
    code: "version_mismatch",
    message: `expected version ${submission.exactly}, the document is at version ${version}`,
  };
}
