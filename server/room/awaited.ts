/** Which submits wait for their operations to appear in the log: their appearance is the answer, however they got there. */
import type { Author, Operation, OperationStatus } from "../../shared/document/operation.ts";
import type { Entry, Submission } from "./submission.ts";

/** A submission as it enters the queue. */
export function entryOf(submission: Submission, arrivedAt: number): Entry {
  const { ops } = submission;
  return {
    submission,
    ops,
    stored: false,
    arrivedAt,
    asked: false,
    answered: false,
    versions: new Array<number>(ops.length).fill(0),
    statuses: new Array<OperationStatus>(ops.length).fill("applied"),
    missing: ops.length,
  };
}

export class Awaited {
  readonly #byId = new Map<string, { readonly entry: Entry; readonly at: number }>();
  #complete: Entry[] = [];

  add(entry: Entry): void {
    entry.ops.forEach(({ id }, at) => {
      // A copy of a submit that is still on its way (a client that reconnected): the later one is told `duplicate`.
      if (!this.#byId.has(id)) this.#byId.set(id, { entry, at });
    });
  }

  remove(entry: Entry): void {
    for (const { id } of entry.ops) if (this.#byId.get(id)?.entry === entry) this.#byId.delete(id);
  }

  /** From now on its answer waits for these operations; those of an earlier proposal are in no log. */
  compose(entry: Entry, ops: readonly Operation[]): void {
    this.remove(entry);
    entry.ops = ops;
    entry.versions = ops.map(() => 0);
    entry.statuses = ops.map(() => "applied");
    entry.missing = ops.length;
    this.add(entry);
  }

  /** An operation took its place in the log. */
  sequenced(operationId: string, version: number, status: OperationStatus, author: Author): void {
    const awaited = this.#byId.get(operationId);
    if (awaited === undefined) return;
    const { entry, at } = awaited;
    const { user, client } = entry.submission.origin;
    // Another author's by the same id: that is no answer to this one.
    if (user !== author.user || client !== author.client) return;
    this.#byId.delete(operationId);
    entry.versions[at] = version;
    entry.statuses[at] = status;
    entry.missing -= 1;
    if (entry.missing === 0) this.#complete.push(entry);
  }

  /** Those whose operations have all appeared since the last call. */
  takeComplete(): readonly Entry[] {
    const complete = this.#complete;
    this.#complete = [];
    return complete;
  }
}
