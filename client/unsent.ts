/**
 * What this replica has changed and not sent yet, by element.
 *
 * Every entry may be sent under any `base` from `low` to `high`, with the same outcome:
 * - `low`: the version at which the newest change folded into it was made. Under an older base the server would see a
 *   conflict with what this author had seen already.
 * - `high`: the version before somebody else wrote what the entry writes; undefined while nobody did, then any version
 *   that this replica has will do. Under a newer base the server would not see that conflict.
 * Typing is the exception: it is moved past what comes in, so its base is always the present version. When a write to
 * the same element is pinned by `high`, its typing is kept apart and follows in a later submit.
 */
import { applyEffect } from "../shared/document/apply.ts";
import { own, type Properties } from "../shared/document/json.ts";
import type { Operation, SequencedOperation, SpliceEdit } from "../shared/document/operation.ts";
import { differenceSplice, moveSplice } from "../shared/document/splice.ts";
import { utf8Bytes } from "../shared/document/utf8.ts";
import { fitOperation, foldOperation, isEmpty, overwrites, splitTyping, withSplice, writes } from "./fold.ts";
import type { StoredEntry } from "./storage/storage.ts";

interface Entry {
  operations: readonly Operation[];
  /** Splices of an element whose other changes are pinned; undefined when they are among `operations`. */
  typing: Operation | undefined;
  low: number;
  high: number | undefined;
  /** How many of `size` are this entry's. */
  counted: number;
}

/** What one submit may hold; 0: no limit. */
export interface SubmitBounds {
  readonly maxOps: number;
  /** Of the operations' JSON, commas included. */
  readonly maxBytes: number;
}

/** Operations that go together, under one base. */
export interface UnsentBatch {
  readonly base: number;
  readonly operations: readonly Operation[];
  /** The operations' JSON, in order. */
  readonly texts: readonly string[];
  /** Larger than a whole message may be; taken out and not part of the batch. */
  readonly tooLarge: readonly Operation[];
}

export class UnsentChanges {
  readonly #entries = new Map<string, Entry>();
  readonly #newId: () => string;
  #size = 0;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** Operations that wait. */
  get size(): number {
    return this.#size;
  }

  /** The elements that have unsent changes. */
  elements(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** An element's unsent operations, in the order in which they apply. */
  operationsOf(element: string): readonly Operation[] {
    const entry = this.#entries.get(element);
    if (entry === undefined) return [];
    return entry.typing === undefined ? entry.operations : [...entry.operations, entry.typing];
  }

  /** Whether an element has unsent splices, whose positions depend on the text below them. */
  hasTyping(element: string): boolean {
    return this.operationsOf(element).some((operation) => operation.splice !== undefined);
  }

  /**
   * A new change, made when this replica was at `version`.
   * @param exists whether the element exists without the unsent changes.
   */
  add(operation: Operation, version: number, exists: boolean): void {
    const entry = this.#entries.get(operation.element) ?? {
      operations: [],
      typing: undefined,
      low: version,
      high: undefined,
      counted: 0,
    };
    entry.low = version;
    if (operation.type === "create" && entry.operations.at(-1)?.type !== "delete") {
      // Somebody else deleted the element: what waited for it is moot, and under its base this would exist already.
      entry.operations = [operation];
      entry.typing = undefined;
      entry.high = undefined;
    } else if (operation.type === "delete" && exists && entry.operations.at(-1)?.type === "create") {
      // Somebody else created it as well: theirs is what is left to delete, unless the entry began with a deletion.
      const [first] = entry.operations;
      entry.operations = [first?.type === "delete" ? first : operation];
      if (first?.type !== "delete") entry.high = undefined;
    } else if (entry.high === undefined) {
      entry.operations = foldOperation(entry.operations, operation);
    } else {
      this.#addPinned(entry, operation);
    }
    this.#put(operation.element, entry);
  }

  /** Typing stays apart, unless the pinned write holds the text itself; what overwrites the text takes its typing with it. */
  #addPinned(entry: Entry, operation: Operation): void {
    let rest: Operation | undefined = operation;
    const whole = entry.operations.at(-1)?.type;
    if (whole !== "create" && operation.splice !== undefined) {
      for (const [property, edits] of Object.entries(operation.splice)) {
        if (entry.operations.some((pinned) => overwrites(pinned, property))) continue;
        const { props: _p, set: _s, unset: _u, append: _a, ...bare } = operation;
        const typing: Operation = { ...bare, id: this.#newId(), splice: { [property]: edits } };
        entry.typing = entry.typing === undefined ? typing : foldOperation([entry.typing], typing)[0];
        rest = rest === undefined ? undefined : withSplice(rest, property, undefined);
      }
      if (rest !== undefined && isEmpty(rest)) rest = undefined;
    }
    if (rest === undefined) return;
    for (const property of Object.keys(entry.typing?.splice ?? {})) {
      if (overwrites(rest, property)) this.#replaceTyping(entry, property, undefined);
    }
    entry.operations = foldOperation(entry.operations, rest);
  }

  /**
   * Somebody else's operation was sequenced: notes where it collides with what waits here. Call it before it is
   * applied; splices beside splices are the caller's (`moveTyping`).
   * @param wanted the element as its author sees it, this replica's changes included.
   */
  collide(operation: SequencedOperation, wanted: Properties | undefined): void {
    const entry = this.#entries.get(operation.element);
    if (entry === undefined) return;
    const life = operation.type === "create" || operation.type === "delete";
    for (const property of Object.keys(this.#typingOf(entry))) {
      if (overwrites(operation, property)) this.#keepText(entry, property, wanted, operation.version - 1);
    }
    if (entry.high === undefined && (life || entry.operations.some((mine) => conflicts(mine, operation)))) {
      this.#pin(entry, operation.version - 1);
    }
    this.#put(operation.element, entry);
  }

  /** The text below an element's unsent splices changed; `move` says where they are now. */
  moveTyping(
    element: string,
    property: string,
    move: (edits: readonly SpliceEdit[]) => readonly SpliceEdit[],
  ): void {
    const entry = this.#entries.get(element);
    if (entry === undefined) return;
    const replaced = (operation: Operation): Operation => {
      const edits = own(operation.splice, property);
      return edits === undefined ? operation : withSplice(operation, property, move(edits));
    };
    entry.operations = entry.operations.map(replaced);
    if (entry.typing !== undefined) entry.typing = replaced(entry.typing);
    this.#put(element, entry);
  }

  /**
   * The element below changed in another way than by operations in sight (a snapshot, a refusal, a rewritten
   * operation): typing is moved past the difference, and where the text is gone, what its author wanted is kept.
   * @param version a base at which the old text was in place.
   */
  rebaseTyping(
    element: string,
    below: { readonly before: Properties | undefined; readonly after: Properties | undefined },
    version: number,
    wanted: Properties | undefined,
  ): void {
    const entry = this.#entries.get(element);
    if (entry === undefined) return;
    for (const property of Object.keys(this.#typingOf(entry))) {
      if (entry.operations.some((operation) => overwrites(operation, property))) continue;
      const before = own(below.before, property);
      const after = own(below.after, property);
      if (before === after) continue;
      if (typeof before === "string" && typeof after === "string") {
        const difference = differenceSplice(before, after);
        this.moveTyping(element, property, (edits) => moveSplice(edits, difference));
      } else {
        this.#keepText(entry, property, wanted, version);
      }
    }
    this.#put(element, entry);
  }

  /** What came in between is not known (a snapshot): everything but typing goes under a base at which it was made. */
  pinAll(version: number): void {
    for (const [element, entry] of this.#entries) {
      if (entry.high === undefined) this.#pin(entry, version);
      this.#put(element, entry);
    }
  }

  /**
   * Everything is made anew on the present state, under the present version.
   * @param below the element without the unsent changes.
   * @returns what does not fit any more, and is dropped.
   */
  rebaseAll(version: number, below: (element: string) => Properties | undefined): readonly Operation[] {
    return [...this.#entries.keys()].flatMap((element) => this.refit(element, version, below(element)));
  }

  /** As `rebaseAll`, for one element. */
  refit(element: string, version: number, below: Properties | undefined): readonly Operation[] {
    const dropped: Operation[] = [];
    const kept: Operation[] = [];
    let present = below;
    for (const operation of this.drop(element)) {
      const fitting = fitOperation(operation, present);
      if (fitting === undefined) {
        dropped.push(operation);
      } else {
        kept.push(fitting);
        present = applyEffect(present, fitting);
      }
    }
    for (const operation of kept) this.add(operation, version, below !== undefined);
    return dropped;
  }

  /** Everything, to be stored. */
  store(): StoredEntry[] {
    return [...this.#entries].map(([element, { operations, typing, low, high }]) => ({
      element,
      operations,
      ...(typing === undefined ? {} : { typing }),
      low,
      ...(high === undefined ? {} : { high }),
    }));
  }

  /** What was stored, into an empty one. */
  restore(entries: readonly StoredEntry[]): void {
    for (const { element, operations, typing, low, high } of entries)
      this.#put(element, { operations, typing, low, high, counted: 0 });
  }

  /** Forgets an element's changes. */
  drop(element: string): readonly Operation[] {
    const dropped = this.operationsOf(element);
    this.#size -= this.#entries.get(element)?.counted ?? 0;
    this.#entries.delete(element);
    return dropped;
  }

  /**
   * Takes what can go in the next submit. Nothing of this replica may be in flight.
   * @param version the version that this replica has.
   */
  take(version: number, bounds: SubmitBounds): UnsentBatch {
    let base = version;
    for (const entry of this.#entries.values()) {
      if (entry.high !== undefined) base = Math.min(base, entry.high);
    }
    const operations: Operation[] = [];
    const texts: string[] = [];
    const tooLarge: Operation[] = [];
    let bytes = 0;
    for (const [element, entry] of this.#entries) {
      const ready = this.#ready(entry, base, version);
      let taken = 0;
      for (const operation of ready) {
        const text = JSON.stringify(operation);
        const size = utf8Bytes(text) + 1;
        if (bounds.maxBytes > 0 && size > bounds.maxBytes) {
          tooLarge.push(operation);
          taken += 1;
          continue;
        }
        const full = bounds.maxOps > 0 && operations.length >= bounds.maxOps;
        if (full || (bounds.maxBytes > 0 && bytes + size > bounds.maxBytes)) break;
        operations.push(operation);
        texts.push(text);
        bytes += size;
        taken += 1;
      }
      entry.operations = entry.operations.slice(taken);
      if (taken > 0) this.#put(element, entry);
      if (taken < ready.length) break;
    }
    return { base, operations, texts, tooLarge };
  }

  /** What of an entry may go under that base. Typing that is kept apart waits for its turn as the only thing left. */
  #ready(entry: Entry, base: number, version: number): readonly Operation[] {
    if (entry.high === base || (entry.high === undefined && base === version)) return entry.operations;
    if (entry.low > base) return [];
    return entry.operations.some((operation) => operation.splice !== undefined) ? [] : entry.operations;
  }

  #pin(entry: Entry, version: number): void {
    entry.high = version;
    entry.low = Math.min(entry.low, version);
    const last = entry.operations.at(-1);
    if (last?.splice === undefined) return;
    const [rest, typing] = splitTyping(last, this.#newId);
    entry.operations = rest === undefined ? [] : [rest];
    entry.typing = typing;
  }

  /** The text below some typing was overwritten: the whole text that its author wanted goes as a `set`, pinned. */
  #keepText(entry: Entry, property: string, wanted: Properties | undefined, version: number): void {
    const text = own(wanted, property);
    const [first] = this.#parts(entry);
    this.#replaceTyping(entry, property, undefined);
    entry.operations = entry.operations.map((operation) => withSplice(operation, property, undefined));
    if (text !== undefined && first !== undefined) {
      const { props: _p, unset: _u, append: _a, splice: _s, ...bare } = first;
      const write: Operation = { ...bare, id: this.#newId(), set: { [property]: text } };
      entry.operations = foldOperation(
        entry.operations.filter((operation) => !isEmpty(operation)),
        write,
      );
    }
    if (entry.high === undefined) this.#pin(entry, version);
  }

  #replaceTyping(entry: Entry, property: string, edits: readonly SpliceEdit[] | undefined): void {
    if (entry.typing === undefined) return;
    entry.typing = withSplice(entry.typing, property, edits);
  }

  #parts(entry: Entry): readonly Operation[] {
    return entry.typing === undefined ? entry.operations : [entry.typing, ...entry.operations];
  }

  #typingOf(entry: Entry): { readonly [property: string]: readonly SpliceEdit[] } {
    return Object.assign({}, ...this.#parts(entry).map((operation) => operation.splice ?? {}));
  }

  #put(element: string, entry: Entry): void {
    // Typing that was moved past a deletion of its text may have nothing left to do.
    entry.operations = entry.operations.filter((operation) => !isEmpty(operation));
    if (entry.typing !== undefined && isEmpty(entry.typing)) entry.typing = undefined;
    if (entry.operations.length === 0) {
      // Nothing is pinned any more; what typing there is, is as free as any.
      entry.high = undefined;
      if (entry.typing !== undefined) entry.operations = [entry.typing];
      entry.typing = undefined;
    }
    const count = entry.operations.length + (entry.typing === undefined ? 0 : 1);
    this.#size += count - entry.counted;
    entry.counted = count;
    if (count === 0) this.#entries.delete(element);
    else this.#entries.set(element, entry);
  }
}

/** Whether the server may see a conflict between a waiting change and what somebody else wrote, deletions apart. */
function conflicts(mine: Operation, theirs: Operation): boolean {
  if (mine.type === "create" || mine.type === "delete") return true;
  for (const property of Object.keys(theirs.set ?? {})) if (writes(mine, property)) return true;
  for (const property of theirs.unset ?? []) if (writes(mine, property)) return true;
  for (const property of Object.keys(theirs.append ?? {})) if (overwrites(mine, property)) return true;
  for (const property of Object.keys(theirs.splice ?? {})) if (overwrites(mine, property)) return true;
  return false;
}
