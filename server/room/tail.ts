/**
 * The newest operations of a document, as they were broadcast: what joiners and laggards are sent without a read.
 *
 * Kept are the frames, not an object and a text for each operation: a thousand of these in each of a hundred
 * documents, each copied twice by the garbage collector before it stays, were an eighth of the server's CPU.
 */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { OpsFrame } from "./wire.ts";

/** A hundred open documents hold a hundred of these: 1,000 operations of 400 bytes are 0.4 MB. */
export const maxTailOperations = 1_000;
const maxTailBytes = 2 * 1024 * 1024;

interface Stretch extends OpsFrame {
  /** The version of its first operation. */
  readonly first: number;
}

export class Tail {
  /** In order, without a gap. */
  #stretches: Stretch[] = [];
  #operations = 0;
  #bytes = 0;

  /** The operations from `first` on, which follow on those before. */
  push(first: number, { frame, begin, ends }: OpsFrame): void {
    this.#stretches.push({ first, frame, begin, ends });
    this.#operations += ends.length;
    this.#bytes += frame.length;
    if (this.#operations > 2 * maxTailOperations || this.#bytes > 2 * maxTailBytes) this.#trim();
  }

  /** Cut to the bounds at twice their size: an array's front is costly to remove one by one. */
  #trim(): void {
    let from = 0;
    // The newest always stays.
    while (
      from < this.#stretches.length - 1 &&
      (this.#operations > maxTailOperations || this.#bytes > maxTailBytes)
    ) {
      const oldest = this.#stretches[from];
      this.#operations -= oldest?.ends.length ?? 0;
      this.#bytes -= oldest?.frame.length ?? 0;
      from += 1;
    }
    this.#stretches = this.#stretches.slice(from);
  }

  /** Whether everything after a version is here. */
  leadsFrom(version: number, current: number): boolean {
    const first = this.#stretches[0];
    return version === current || (first !== undefined && first.first <= version + 1);
  }

  /** The texts of everything after a version, or undefined where the tail does not reach back so far. */
  after(version: number, current: number): readonly string[] | undefined {
    if (!this.leadsFrom(version, current)) return undefined;
    const texts: string[] = [];
    for (const stretch of this.#from(version + 1)) {
      for (let at = Math.max(0, version + 1 - stretch.first); at < stretch.ends.length; at += 1)
        texts.push(textAt(stretch, at));
    }
    return texts;
  }

  /** The operations on an element after `after`, up to `through`, as far as they are here. */
  on(element: string, after: number, through: number): SequencedOperation[] {
    const named = `"element":"${element}"`;
    const found: SequencedOperation[] = [];
    for (const stretch of this.#from(after + 1)) {
      const { first, frame, ends } = stretch;
      // Most are on other elements: looked for in the bytes, before anything is parsed.
      let hit = frame.indexOf(named);
      for (let at = 0; hit >= 0 && at < ends.length; at += 1) {
        const end = ends[at] ?? 0;
        if (end < hit) continue;
        const version = first + at;
        if (version > after && version <= through) {
          const operation = JSON.parse(textAt(stretch, at)) as SequencedOperation;
          if (operation.element === element) found.push(operation);
        }
        hit = frame.indexOf(named, end);
      }
    }
    return found;
  }

  /** The stretches from the one with this version on; none where that is yet to come. */
  #from(version: number): readonly Stretch[] {
    let at = this.#stretches.length;
    while (at > 0 && (this.#stretches[at - 1]?.first ?? 0) > version) at -= 1;
    return this.#stretches.slice(Math.max(0, at - 1));
  }
}

function textAt({ frame, begin, ends }: OpsFrame, at: number): string {
  const from = at === 0 ? begin : (ends[at - 1] ?? 0) + 1;
  return frame.toString("utf8", from, ends[at]);
}
