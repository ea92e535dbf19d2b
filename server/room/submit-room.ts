/** What the queue of submits and its room are to each other. */
import type { ConflictWrite as RecordWrite } from "../../shared/document/conflict-record.ts";
import type { DecidedOperation, Decision, Draft } from "../../shared/document/decide.ts";
import type { Author } from "../../shared/document/operation.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { CommitOutcome } from "../commit/group-commit.ts";
import type { DocumentBatch, DocumentRecord, HeadAnswer, Missed } from "../store/store.ts";
import type { RoomLocks } from "./locks.ts";
import type { Composed, Resolution } from "./resolve.ts";
import type { Entry, Submission } from "./submission.ts";

/** What the queue needs of its room. */
export interface SubmitRoom {
  readonly docId: string;
  readonly document: DocumentRecord;
  readonly version: number;
  readonly operationId: string | null;
  readonly state: DocumentState;
  readonly locks: Pick<RoomLocks, "revision" | "version" | "inTheWay" | "learned" | "shown" | "reading">;
  /** False while something must be read before anything may be decided. */
  readonly ready: boolean;
  draft(): Draft;
  decide(draft: Draft, submission: Submission): RoomDecision;
  /** Conflict records for what a draft decided, and the record of each operation by id. */
  records(decided: readonly DecidedEntry[]): {
    writes: readonly RecordWrite[];
    byOperation: ReadonlyMap<string, string>;
  };
  /** Whether one of these operations is among the latest of the log. */
  hasRecent(operationIds: readonly string[]): boolean;
  /**
   * The proposal is stored from `firstVersion` on, and `missed` lies before it: apply, and broadcast at the end of the
   * turn. `told` is called when it is.
   */
  committed(proposal: Proposal, outcome: CommitOutcome & { outcome: "committed" }, told: Told): void;
  /** Tells now what is committed: an answer that speaks of a version comes after the operations up to it. */
  tellNow(): void;
  /** Operations that others committed. */
  missed(missed: Missed): void;
  /** The proposal that was in flight is answered, whatever the answer. */
  settled(): void;
  /** The database is ahead (or in another history): read what is missing, then call `pump`. */
  follow(answer: HeadAnswer["head"]): void;
  /**
   * Asks the database where it stands, and which of these operations it has, and goes there. Undefined: the room has
   * ended. Rejects with `StoreUnavailable`.
   */
  reach(ids: readonly string[]): Promise<HeadAnswer | undefined>;
  /** The memory does not reach back to a base, which is too old from now on; then calls `pump`. */
  reachBack(from: number): void;
  /** The state at a version is not at hand, nor what the author did since: read them, then call `pump`. */
  readPast(version: number, author: Author): void;
  /** A record that a proposal was to join is resolved: read it, then call `pump`. */
  resolvedElsewhere(conflictId: string): void;
  /** The document is gone, or this room's history is: the room ends. */
  end(reason: "missing" | "history"): void;
}

/** From which version on the operations were broadcast; undefined: the log brings them, or has brought them already. */
export type Told = (firstVersion: number | undefined) => void;

export type RoomDecision = Decision | Composed;
export type Accepted = Extract<RoomDecision, { outcome: "accepted" }>;

export interface DecidedEntry {
  readonly entry: Entry;
  readonly decision: { readonly operations: readonly DecidedOperation[]; readonly resolution?: Resolution };
}

/** What was proposed to the database, to be applied when it is stored. */
export interface Proposal {
  readonly draft: Draft;
  readonly decided: readonly DecidedEntry[];
  readonly batch: DocumentBatch;
  readonly resolution: Resolution | undefined;
}
