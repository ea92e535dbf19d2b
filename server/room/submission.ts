/** A submit on its way through a room, whether it came over a socket or by REST. */
import type { Operation, OperationStatus } from "../../shared/document/operation.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { ErrorCode } from "../../shared/protocol/codes.ts";
import type { DocumentRecord, HeadAnswer, Origin } from "../store/store.ts";
import type { ResolveTask } from "./resolve.ts";

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: { readonly [key: string]: unknown };
}

export type SubmitAnswer =
  /** Committed, and already broadcast to the sessions of the room. */
  | {
      readonly outcome: "sequenced";
      readonly versions: readonly number[];
      readonly statuses: readonly OperationStatus[];
    }
  /** In the log before this submit came, by the same author. */
  | { readonly outcome: "duplicate"; readonly versions: readonly number[] }
  | { readonly outcome: "refused"; readonly refusal: Refusal; readonly version: number }
  /** The database did not answer: stored or not, nobody knows. */
  | { readonly outcome: "unavailable"; readonly version: number };

/** Operations that are made of the state when they are proposed, anew whenever the proposal fails. `base` is undefined. */
export interface Compose {
  /** None: nothing is to be done. A refusal is told. */
  operations(state: DocumentState): readonly Operation[] | Refusal;
  /** Whether nobody may come between the state and them, else only nobody who writes to the same elements. */
  readonly exact: boolean;
}

export interface Submission {
  /** None with `compose` or `resolve`, which make them. */
  readonly ops: readonly Operation[];
  /** How long the text was that it came in: about what it takes to keep it and to commit it. */
  readonly length: number;
  /** Undefined: the current version. */
  readonly base: number | undefined;
  readonly onConflict?: "reject" | undefined;
  readonly origin: Origin;
  /** Submits of one channel (a session, a REST request) are handled strictly in the order of their arrival. */
  readonly channel: object;
  /** Why this may not be done under the present metadata: role, then state of the document. */
  readonly authorise: (document: DocumentRecord) => Refusal | undefined;
  /** Refused whatever the document says (rate, submits in flight), unless it is a repeat. */
  readonly limited?: Refusal | undefined;
  /** Accept only at this version, made of the whole state. `version_mismatch` otherwise. */
  readonly exactly?: number;
  readonly compose?: Compose;
  /** Resolves a conflict record; `base` is undefined. */
  readonly resolve?: ResolveTask;
  /** Called once. */
  readonly answer: (answer: SubmitAnswer) => void;
}

/** What has appeared of a submit, in the order of its operations. */
export interface Appearance {
  readonly versions: number[];
  readonly statuses: OperationStatus[];
  /** How many have not. */
  missing: number;
}

/** A submission in a room's queue. */
export interface Entry {
  readonly submission: Submission;
  /** The submission's, or those composed last. */
  ops: readonly Operation[];
  /** It is in the log, and answered when the room has read the log so far: not to be composed again. */
  stored: boolean;
  readonly arrivedAt: number;
  /** What the database said of the document and of the operations' ids, asked after the submit arrived. */
  confirmation: Pick<HeadAnswer, "head" | "known"> | undefined;
  asked: boolean;
  /** Whether the locks were read anew since it came. */
  locks: "asked" | "read" | undefined;
  answered: boolean;
  /** Of its operations, where the log brings them before the answer to their proposal. */
  appearance: Appearance | undefined;
}

export const idsOf = (operations: readonly Operation[]): string[] => operations.map(({ id }) => id);

/** From now on its answer waits for these operations; those of an earlier proposal are in no log. */
export function recompose(entry: Entry, ops: readonly Operation[]): void {
  entry.ops = ops;
  entry.appearance = undefined;
}

/** What a submission writes to; a choice of what stands writes nothing. */
export function writtenBy({ ops, submission }: Entry): readonly { readonly element: string }[] {
  const { resolve } = submission;
  if (resolve === undefined) return ops;
  return resolve.choose === "current" ? [] : [resolve.record];
}

/** Whether it was made of the whole state, so that nothing of its batch may come before it. */
export function isOfWholeState(entry: Entry | undefined): boolean {
  if (entry === undefined) return false;
  const { compose, exactly, resolve } = entry.submission;
  return compose !== undefined || exactly !== undefined || resolve !== undefined;
}

/** Whether the database must find the document at exactly the version that it was decided at. */
export function isExact({ exactly, compose }: Submission): boolean {
  return exactly !== undefined || compose?.exact === true;
}

/** Why it cannot be accepted at this version, where it names another one. */
export function mismatch(submission: Submission, version: number): Refusal | undefined {
  if (submission.exactly === undefined || submission.exactly === version) return undefined;
  return {
    code: "version_mismatch",
    message: `expected version ${submission.exactly}, the document is at version ${version}`,
  };
}
