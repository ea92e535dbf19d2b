/**
 * What was held back in a document: it has no effect, but its author saw it, and somebody has to choose. Resolved ones
 * stay for a while, because their author may still submit what it made on top of them.
 */
import type { Author, SequencedOperation } from "../../shared/document/operation.ts";

/** Resolved operations that are kept. */
const maxResolved = 1_000;

export class HeldBack {
  /** By id, in the order of their versions. */
  readonly #operations = new Map<string, SequencedOperation>();

  /** An operation of the log, if it is one of these. */
  add(operation: SequencedOperation): void {
    if (operation.status !== "applied") this.#operations.set(operation.id, operation);
  }

  /** Whether one of the author's on the element is later than a version. */
  has(element: string, author: Author, version: number): boolean {
    if (this.#operations.size === 0) return false;
    for (const each of this.#operations.values()) {
      const own = each.user === author.user && each.client === author.client;
      if (own && each.element === element && each.version > version) return true;
    }
    return false;
  }

  /** The records in which something waits for somebody to choose. */
  records(): Set<string> {
    const ids = new Set<string>();
    for (const { status, conflict } of this.#operations.values())
      if (status === "conflict" && conflict !== undefined) ids.add(conflict);
    return ids;
  }

  /** What waits in a record, in order. */
  ofRecord(conflictId: string): SequencedOperation[] {
    return [...this.#operations.values()].filter(
      (each) => each.status === "conflict" && each.conflict === conflictId,
    );
  }

  /** These are resolved. */
  resolve(ids: readonly string[]): void {
    for (const id of ids) this.#change(id, { status: "resolved" });
    this.#trim();
  }

  /** What waits among these moved to another record. */
  move(ids: readonly string[], conflict: string): void {
    for (const id of ids) if (this.#operations.get(id)?.status === "conflict") this.#change(id, { conflict });
  }

  /** What the log says waits, read when the room stood at `version` or later. */
  correct(
    waiting: readonly { readonly id: string; readonly conflict: string | null }[],
    version: number,
  ): void {
    const records = new Map(waiting.map(({ id, conflict }) => [id, conflict]));
    for (const { id, version: at, status } of [...this.#operations.values()]) {
      const conflict = records.get(id);
      if (conflict != null) this.#change(id, { conflict, status: "conflict" });
      else if (at <= version && status === "conflict") this.#change(id, { status: "resolved" });
    }
    this.#trim();
  }

  #change(id: string, change: Partial<Pick<SequencedOperation, "status" | "conflict">>): void {
    const operation = this.#operations.get(id);
    if (operation !== undefined) this.#operations.set(id, { ...operation, ...change });
  }

  #trim(): void {
    let resolved = 0;
    for (const { status } of this.#operations.values()) if (status === "resolved") resolved += 1;
    for (const [id, { status }] of this.#operations) {
      if (resolved <= maxResolved) return;
      if (status !== "resolved") continue;
      this.#operations.delete(id);
      resolved -= 1;
    }
  }
}
