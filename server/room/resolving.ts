/** One request to resolve a conflict, from the reading of its record to the answer. */
import type { ResolveChoice } from "../../shared/protocol/messages.ts";
import type { ConflictRecord, Origin, Store } from "../store/store.ts";
import { conflictInfo } from "./conflicts.ts";
import type { ResolveTask } from "./resolve.ts";
import type { Refusal, Submission, SubmitAnswer } from "./submission.ts";
import { decodeSequenced } from "./wire.ts";

export interface ResolveRequest {
  readonly conflictId: string;
  readonly choose: ResolveChoice;
  /** What the resolver has seen. Absent: the current version. */
  readonly base?: number;
  /** Whoever chooses: `client` is `server`, `lockClient` the client whose locks count. */
  readonly origin: Origin;
  readonly authorise: Submission["authorise"];
}

export type ResolveResult =
  | { readonly ok: true; readonly conflict: ConflictRecord }
  | { readonly ok: false; readonly refusal: Refusal };

/** What a choice needs of its room. */
export interface ResolveRoom {
  readonly docId: string;
  submit(submission: Submission): void;
  conflict(id: string): ConflictRecord | undefined;
  lookAtConflicts(): Promise<void>;
}

/** How often a record that changes while it is looked at is read. */
const maxAttempts = 5;

/**
 * Resolves a record. The answer comes after its operations were sent to every session of the room. Rejects with
 * `StoreUnavailable`.
 */
export async function resolveConflict(
  room: ResolveRoom,
  store: Pick<Store, "conflicts">,
  request: ResolveRequest,
): Promise<ResolveResult> {
  const { conflictId, choose, base } = request;
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const found = await store.conflicts.get(room.docId, conflictId);
    if (found === undefined) return refused({ code: "not_found", message: "there is no such conflict" });
    const { conflict } = found;
    const operations = found.operations.map(decodeSequenced);
    const task = { record: conflict, operations, choose, ...(base === undefined ? {} : { base }) };
    const answer = await submit(room, request, task);
    switch (answer.outcome) {
      case "sequenced":
      case "duplicate":
        return { ok: true, conflict: room.conflict(conflictId) ?? conflict };
      case "unavailable":
        return refused({ code: "unavailable", message: "the database did not answer" });
      case "refused":
        if (answer.refusal.code !== "already_resolved") return refused(answer.refusal);
        if (conflict.resolvedAt !== null) {
          return refused({ ...answer.refusal, details: { conflict: conflictInfo(conflict) } });
        }
    }
    // Something was held back, moved or resolved between the read and the decision.
    await room.lookAtConflicts();
  }
  return refused({ code: "unavailable", message: "the conflict keeps changing; try again" });
}

function submit(
  room: ResolveRoom,
  { origin, authorise }: ResolveRequest,
  resolve: ResolveTask,
): Promise<SubmitAnswer> {
  return new Promise((answer) =>
    room.submit({ ops: [], length: 0, base: undefined, origin, authorise, channel: {}, resolve, answer }),
  );
}

function refused(refusal: Refusal): ResolveResult {
  return { ok: false, refusal };
}
