/**
 * The newest operations of a document, as they were broadcast: what joiners and laggards are sent without a read.
 *
 * Kept are their bytes, copied into a few pieces of memory, not the frames and where each ends, and not an object and
 * a text for each operation. What lives for a thousand operations in each of a hundred documents is copied twice by the
 * garbage collector before it stays, and then collected by stopping everything: as objects these were an eighth of the
 * server's CPU, of frames 60 bytes an operation were left.
 */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { OpsFrame } from "./wire.ts";

/** A hundred open documents hold a hundred of these: 1,000 operations of 400 bytes are 0.4 MB. */
export const maxTailOperations = 1_000;
const maxTailBytes = 2 * 1024 * 1024;
/** The first piece is small, since most open documents are read and not written to; each is twice the one before. */
const firstPieceBytes = 4 * 1024;
const pieceBytes = 64 * 1024;

/** Operations in order, a comma between two. */
interface Piece {
  /** The version of its first operation. */
  readonly first: number;
  readonly bytes: Buffer;
  readonly ends: number[];
}

export class Tail {
  /** In order, without a gap. */
  readonly #pieces: Piece[] = [];
  #operations = 0;
  #bytes = 0;
  /** The buffer of the piece dropped last, for reuse: allocating at this rate would cause full collections. */
  #spare: Buffer | undefined;

  /** The operations from `first` on, which follow on those before. */
  push(first: number, { frame, begin, ends }: OpsFrame): void {
    const end = ends.at(-1);
    if (end === undefined) return;
    const piece = this.#pieceFor(first, end - begin);
    const at = beginOf(piece, piece.ends.length);
    if (at > 0) piece.bytes[at - 1] = comma;
    frame.copy(piece.bytes, at, begin, end);
    for (const each of ends) piece.ends.push(each - begin + at);
    this.#operations += ends.length;
    this.#trim();
  }

  /** The newest piece, or where that has no room for so many bytes another one. */
  #pieceFor(first: number, length: number): Piece {
    const newest = this.#pieces.at(-1);
    if (newest !== undefined && beginOf(newest, newest.ends.length) + length <= newest.bytes.length)
      return newest;
    const size = newest === undefined ? firstPieceBytes : Math.min(pieceBytes, 2 * newest.bytes.length);
    let bytes = this.#spare;
    this.#spare = undefined;
    // Of its own: what shares the pool would keep others' frames alive.
    if (bytes === undefined || bytes.length < length) bytes = Buffer.allocUnsafeSlow(Math.max(size, length));
    const piece = { first, bytes, ends: [] };
    this.#pieces.push(piece);
    this.#bytes += bytes.length;
    return piece;
  }

  /** The newest piece always stays. */
  #trim(): void {
    for (;;) {
      const [oldest, next] = this.#pieces;
      if (oldest === undefined || next === undefined) return;
      const isNeeded = this.#operations - oldest.ends.length < maxTailOperations;
      if (isNeeded && this.#bytes <= maxTailBytes) return;
      this.#pieces.shift();
      if (oldest.bytes.length === pieceBytes) this.#spare = oldest.bytes;
      this.#operations -= oldest.ends.length;
      this.#bytes -= oldest.bytes.length;
    }
  }

  /** Whether everything after a version is here. */
  leadsFrom(version: number, current: number): boolean {
    const first = this.#pieces[0];
    return version === current || (first !== undefined && first.first <= version + 1);
  }

  /** The texts of everything after a version, or undefined where the tail does not reach back so far. */
  after(version: number, current: number): readonly string[] | undefined {
    if (!this.leadsFrom(version, current)) return undefined;
    const texts: string[] = [];
    for (const piece of this.#from(version + 1)) {
      for (let at = Math.max(0, version + 1 - piece.first); at < piece.ends.length; at += 1)
        texts.push(textAt(piece, at));
    }
    return texts;
  }

  /** The operations on an element after `after`, up to `through`, as far as they are here. */
  on(element: string, after: number, through: number): SequencedOperation[] {
    const named = `"element":"${element}"`;
    const found: SequencedOperation[] = [];
    for (const piece of this.#from(after + 1)) {
      const { first, ends } = piece;
      const bytes = piece.bytes.subarray(0, ends.at(-1));
      let at = Math.max(0, after + 1 - first);
      // Most are on other elements: looked for in the bytes, before anything is parsed.
      let hit = bytes.indexOf(named, beginOf(piece, at));
      for (; hit >= 0 && at < ends.length && first + at <= through; at += 1) {
        const end = ends[at] ?? 0;
        if (end < hit) continue;
        const operation = JSON.parse(textAt(piece, at)) as SequencedOperation;
        if (operation.element === element) found.push(operation);
        hit = bytes.indexOf(named, end);
      }
    }
    return found;
  }

  /** The pieces from the one with this version on; none where that is yet to come. */
  #from(version: number): readonly Piece[] {
    let at = this.#pieces.length;
    while (at > 0 && (this.#pieces[at - 1]?.first ?? 0) > version) at -= 1;
    return this.#pieces.slice(Math.max(0, at - 1));
  }
}

const comma = 0x2c;

function beginOf({ ends }: Piece, at: number): number {
  return at === 0 ? 0 : (ends[at - 1] ?? 0) + 1;
}

function textAt(piece: Piece, at: number): string {
  return piece.bytes.toString("utf8", beginOf(piece, at), piece.ends[at]);
}
