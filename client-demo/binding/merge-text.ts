/** One edit: what is at `start` up to `end` becomes `insert`. UTF-16 code units. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly insert: string;
}

/** The smallest edit that makes `after` of `before`. */
export function editBetween(before: string, after: string): Edit {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let tail = 0;
  while (tail < shorter - start && before[before.length - 1 - tail] === after[after.length - 1 - tail])
    tail++;
  // Half of a surrogate pair is no text: the other half goes with it.
  if (start > 0 && isHigh(before.charCodeAt(start - 1))) start--;
  if (tail > 0 && isLow(before.charCodeAt(before.length - tail))) tail--;
  return { start, end: before.length - tail, insert: after.slice(start, after.length - tail) };
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** Where a place in the text is after an edit; a place within what was replaced goes to its end. */
export function placeAfter(place: number, edit: Edit): number {
  if (place <= edit.start) return place;
  if (place >= edit.end) return place + edit.insert.length - (edit.end - edit.start);
  return edit.start + edit.insert.length;
}

/**
 * What a field's user typed, put into what others made of the text meanwhile.
 * @param shown what the field showed before `mine`; the common ancestor.
 */
export function mergeText(shown: string, mine: string, theirs: string): string {
  if (shown === theirs) return mine;
  const typed = editBetween(shown, mine);
  const others = editBetween(shown, theirs);
  // At the same place others' text comes first, as where the server puts what arrives later.
  const start = typed.start < others.start ? typed.start : placeAtOrAfter(typed.start, others);
  const end = Math.max(start, typed.end <= others.start ? typed.end : placeAtOrAfter(typed.end, others));
  return theirs.slice(0, start) + typed.insert + theirs.slice(end);
}

function placeAtOrAfter(place: number, edit: Edit): number {
  return place < edit.end
    ? edit.start + edit.insert.length
    : place + edit.insert.length - (edit.end - edit.start);
}
