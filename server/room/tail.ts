/** The newest operations of a document, encoded: what joiners and laggards are sent without a read. */
import type { WireOperation } from "./wire.ts";

/** A hundred open documents hold a hundred of these: 1,000 operations of 400 bytes are 0.4 MB. */
export const maxTailOperations = 1_000;
const maxTailBytes = 2 * 1024 * 1024;

export class Tail {
  #operations: WireOperation[] = [];
  readonly #versionById = new Map<string, number>();
  #bytes = 0;

  push(operation: WireOperation): void {
    this.#operations.push(operation);
    this.#versionById.set(operation.id, operation.version);
    this.#bytes += operation.text.length;
    if (this.#operations.length > 2 * maxTailOperations || this.#bytes > 2 * maxTailBytes) this.#trim();
  }

  /** Cut to the bounds at twice their size: an array's front is costly to remove one by one. */
  #trim(): void {
    let from = Math.max(0, this.#operations.length - maxTailOperations);
    let bytes = 0;
    for (let at = this.#operations.length - 1; at >= from; at -= 1) {
      bytes += this.#operations[at]?.text.length ?? 0;
      if (bytes > maxTailBytes) {
        from = at + 1;
        break;
      }
    }
    for (const { id } of this.#operations.slice(0, from)) this.#versionById.delete(id);
    this.#operations = this.#operations.slice(from);
    this.#bytes = bytes;
  }

  has(operationId: string): boolean {
    return this.#versionById.has(operationId);
  }

  /** The id of the operation at a version, if it is held. */
  idAt(version: number): string | undefined {
    const first = this.#operations[0];
    return first === undefined ? undefined : this.#operations[version - first.version]?.id;
  }

  /** Everything after a version, or undefined where the tail does not reach back so far. */
  after(version: number, current: number): readonly WireOperation[] | undefined {
    if (version === current) return [];
    const first = this.#operations[0];
    if (first === undefined || first.version > version + 1) return undefined;
    return this.#operations.slice(version + 1 - first.version);
  }
}
