/**
 * Which operations took their places in the log lately, by id: the last thousand at least. Every operation is put in and
 * hardly any is looked for (repeats, and conflict records), so that this is no set. Nor does it keep the ids' texts: a
 * thousand of them in each of a hundred documents, each copied twice by the garbage collector before it stays, cost
 * more than reading their digits.
 */
import { uuidWords } from "../../shared/document/identifier.ts";

/** A power of two: the ring doubles up to here. */
const capacity = 1_024;
const wordsPerId = 4;

export class RecentIds {
  /** A ring of ids, four words each. Made for a few at first: most open documents are read and not written to. */
  #words = new Int32Array(8 * wordsPerId);
  #count = 0;
  readonly #id = new Int32Array(wordsPerId);

  /** `id`: a UUID. */
  add(id: string): void {
    const held = this.#words.length / wordsPerId;
    if (this.#count === held && held < capacity) {
      const larger = new Int32Array(2 * this.#words.length);
      larger.set(this.#words);
      this.#words = larger;
    }
    uuidWords(id, this.#words, (this.#count * wordsPerId) % this.#words.length);
    this.#count += 1;
  }

  has(id: string): boolean {
    uuidWords(id, this.#id, 0);
    const [first, second, third, fourth] = this.#id;
    const words = this.#words;
    for (let at = this.#end - wordsPerId; at >= 0; at -= wordsPerId) {
      if (words[at] !== first || words[at + 1] !== second) continue;
      if (words[at + 2] === third && words[at + 3] === fourth) return true;
    }
    return false;
  }

  /** Whether one of them did; a thousand cost no more than looking through the ring once. */
  hasAny(ids: readonly string[]): boolean {
    if (ids.length < 4) return ids.some((id) => this.has(id));
    const asked = new Set(ids.map((id) => digest(uuidWords(id, this.#id, 0), 0)));
    for (let at = 0; at < this.#end; at += wordsPerId) {
      if (asked.has(digest(this.#words, at))) return ids.some((id) => this.has(id));
    }
    return false;
  }

  get #end(): number {
    return Math.min(this.#count * wordsPerId, this.#words.length);
  }
}

function digest(words: Int32Array, at: number): number {
  return (words[at] ?? 0) ^ (words[at + 1] ?? 0) ^ (words[at + 2] ?? 0) ^ (words[at + 3] ?? 0);
}
