/**
 * Edits of a text by several authors at once.
 *
 * The model: an edit `[position, deleteCount, insert]` is an insertion at the gap before the unit at `position`, and
 * the deletion of the `deleteCount` units after that gap. Two lists of edits of one text merge by walking its gaps:
 * at each gap stands what the earlier one in the order inserts, then what the later one inserts, then the unit, unless
 * either deletes it. That is all of protocol section 3: insertions at one place stand in order; what is inserted into
 * a deleted or replaced stretch survives, right of the replacement, which stands at the stretch's start; what both
 * delete is deleted once. Moving one list past the other writes down its share of that merge, so both ways round end
 * in the same text.
 */
import type { SpliceEdit } from "./operation.ts";

/** Whether every edit lies within the text, in order, and none begins or ends inside a surrogate pair. */
export function spliceFits(text: string, edits: readonly SpliceEdit[]): boolean {
  let end = 0;
  for (const [position, deleteCount] of edits) {
    if (position < end) return false;
    end = position + deleteCount;
    if (end > text.length || isInsidePair(text, position) || isInsidePair(text, end)) return false;
  }
  return true;
}

/** The text after the edits; undefined when one is out of range, out of order or inside a surrogate pair. */
export function applySplice(text: string, edits: readonly SpliceEdit[]): string | undefined {
  if (!spliceFits(text, edits)) return undefined;
  let after = "";
  let end = 0;
  for (const [position, deleteCount, insert] of edits) {
    after += text.slice(end, position) + insert;
    end = position + deleteCount;
  }
  return after + text.slice(end);
}

/** How much longer the edits make a text. */
export function spliceGrowth(edits: readonly SpliceEdit[]): number {
  let growth = 0;
  for (const [, deleteCount, insert] of edits) growth += insert.length - deleteCount;
  return growth;
}

/**
 * Moves edits past others of the same text that stand earlier in the order: the result does to the text after `past`
 * what `edits` was meant to do to the text before. Linear in the number of edits.
 */
export function moveSplice(edits: readonly SpliceEdit[], past: readonly SpliceEdit[]): SpliceEdit[] {
  return move(edits, past, false);
}

/**
 * Moves two lists of edits of one text past each other; `theirs` stands earlier in the server's order. For a replica
 * with pending typing (`mine`): the returned `theirs` is what to show on top of it, the returned `mine` what is pending
 * once theirs is confirmed. text + theirs + returned mine = text + mine + returned theirs.
 */
export function moveSplicePair(
  mine: readonly SpliceEdit[],
  theirs: readonly SpliceEdit[],
): { mine: SpliceEdit[]; theirs: SpliceEdit[] } {
  return { mine: move(mine, theirs, false), theirs: move(theirs, mine, true) };
}

function move(edits: readonly SpliceEdit[], past: readonly SpliceEdit[], first: boolean): SpliceEdit[] {
  const moved: SpliceEdit[] = [];
  // `past[0…next)` lie wholly at or before the place looked at, and have moved it by `shift`.
  let next = 0;
  let shift = 0;
  for (const [position, deleteCount, insert] of edits) {
    for (let other = past[next]; other !== undefined; other = past[next]) {
      // One that begins at `position` is passed here only when it deletes nothing: its units are looked at below.
      if (other[0] + other[1] > position || (first && other[0] === position)) break;
      shift += other[2].length - other[1];
      next++;
    }
    const around = past[next];
    if (insert !== "") {
      let at = position + shift;
      // Inside what the other replaces: right of the replacement.
      if (around !== undefined && (around[0] < position || (!first && around[0] === position))) {
        at += around[2].length - (position - around[0]);
      }
      push(moved, at, 0, insert);
    }
    let from = position;
    const end = position + deleteCount;
    let index = next;
    let ahead = shift;
    while (from < end) {
      const other = past[index];
      if (other === undefined || other[0] >= end) {
        push(moved, from + ahead, end - from, "");
        break;
      }
      if (other[0] > from) push(moved, from + ahead, other[0] - from, "");
      ahead += other[2].length - other[1];
      from = Math.max(from, other[0] + other[1]);
      index++;
    }
  }
  return moved;
}

/**
 * Adds an edit; one that continues the last is put together with it where that moves no insertion to another gap.
 */
function push(edits: SpliceEdit[], position: number, deleteCount: number, insert: string): void {
  const last = edits.at(-1);
  if (last !== undefined && last[0] + last[1] === position && (last[1] === 0 || insert === "")) {
    edits[edits.length - 1] = [last[0], last[1] + deleteCount, last[2] + insert];
  } else {
    edits.push([position, deleteCount, insert]);
  }
}

/** One list of edits of a text that does what `first` and then, on its result, `second` do. */
export function composeSplices(first: readonly SpliceEdit[], second: readonly SpliceEdit[]): SpliceEdit[] {
  const composed = new Composition();
  let index = 0;
  // What of `first[index]` is not consumed yet: kept units before it, and its insertion from `used` on.
  let kept = first[0] === undefined ? Number.POSITIVE_INFINITY : first[0][0];
  let used = 0;
  /** Consumes `count` units of the text between the two. */
  const take = (count: number, keep: boolean): void => {
    let rest = count;
    while (rest > 0) {
      if (kept > 0) {
        const step = Math.min(kept, rest);
        if (keep) composed.keep(step);
        else composed.delete(step);
        kept -= step;
        rest -= step;
        continue;
      }
      const edit = first[index];
      if (edit === undefined) return;
      const step = Math.min(edit[2].length - used, rest);
      if (keep) composed.insert(edit[2].slice(used, used + step));
      used += step;
      rest -= step;
      settle();
    }
  };
  /** Leaves edits of `first` whose insertion is consumed. */
  const settle = (): void => {
    for (let edit = first[index]; edit !== undefined && kept === 0; edit = first[index]) {
      if (used < edit[2].length) return;
      composed.delete(edit[1]);
      index++;
      used = 0;
      const following = first[index];
      kept = following === undefined ? Number.POSITIVE_INFINITY : following[0] - edit[0] - edit[1];
    }
  };
  settle();
  let end = 0;
  for (const [position, deleteCount, insert] of second) {
    take(position - end, true);
    composed.insert(insert);
    take(deleteCount, false);
    settle();
    end = position + deleteCount;
  }
  // The rest of `first` stays as it is.
  while (index < first.length) {
    if (kept > 0) {
      composed.keep(kept);
      kept = 0;
    }
    const edit = first[index];
    if (edit !== undefined && used < edit[2].length) {
      composed.insert(edit[2].slice(used));
      used = edit[2].length;
    }
    settle();
  }
  return composed.edits;
}

/** Edits in the making, told as what is kept, deleted and inserted from the text's start on. */
class Composition {
  readonly edits: SpliceEdit[] = [];
  private place = 0;
  private open = false;

  keep(count: number): void {
    this.place += count;
    if (count > 0) this.open = false;
  }

  delete(count: number): void {
    if (count > 0) this.change(count, "");
  }

  insert(text: string): void {
    if (text !== "") this.change(0, text);
  }

  private change(count: number, text: string): void {
    const last = this.edits.at(-1);
    if (this.open && last !== undefined) {
      this.edits[this.edits.length - 1] = [last[0], last[1] + count, last[2] + text];
    } else {
      this.edits.push([this.place, count, text]);
      this.open = true;
    }
    this.place += count;
  }
}

/** The smallest single edit that makes `after` of `before`, none when they are equal. Never splits a surrogate pair. */
export function differenceSplice(before: string, after: string): SpliceEdit[] {
  if (before === after) return [];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  if (isInsidePair(before, start) || isInsidePair(after, start)) start--;
  let tail = 0;
  while (
    tail < shorter - start &&
    before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)
  ) {
    tail++;
  }
  if (isInsidePair(before, before.length - tail) || isInsidePair(after, after.length - tail)) tail--;
  return [[start, before.length - tail - start, after.slice(start, after.length - tail)]];
}

/** Whether a place in a text lies between the two halves of a surrogate pair. */
function isInsidePair(text: string, place: number): boolean {
  if (place <= 0 || place >= text.length) return false;
  const low = text.charCodeAt(place);
  if (low < 0xdc00 || low > 0xdfff) return false;
  const high = text.charCodeAt(place - 1);
  return high >= 0xd800 && high <= 0xdbff;
}
