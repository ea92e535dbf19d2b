/**
 * A document as it will be when what has been decided is committed: an overlay on the committed state, of the
 * elements that it touches only. The state must not move while the draft is decided on. It may by operations on other
 * elements before the draft is committed (the database accepts a batch at a later version then); when an element of
 * the draft was touched, the draft is thrown away.
 */
import { applyEffect } from "./apply.ts";
import { emptyElement, touchElement } from "./document-memory.ts";
import { type ElementMemory, remember, type WriteRecord } from "./element-memory.ts";
import type { Properties } from "./json.ts";
import type { Author, Operation } from "./operation.ts";
import { effectBytes } from "./size.ts";
import { type DocumentState, writeRecord } from "./state.ts";

/** Where a draft stood; see {@link Draft.mark}. */
export interface DraftMark {
  readonly operations: number;
  readonly growth: number;
  readonly size: number;
}

/** An operation that stands in a draft; one that is held back has no effect. */
export interface DraftOperation {
  readonly operation: Operation;
  readonly author: Author;
  readonly held: boolean;
  readonly record: WriteRecord;
  /** The element before and after it. */
  readonly before: Properties | undefined;
  readonly after: Properties | undefined;
  /** The one before it on the same element that has an effect. */
  readonly previous: DraftOperation | undefined;
  /** The element's memory after it; made when it is asked for, which most are not. */
  memory: ElementMemory | undefined;
}

export class Draft {
  readonly state: DocumentState;
  /** By how many bytes the document grows, as `DocumentState.bytes` counts. */
  growth = 0;
  /** Number of elements. */
  size: number;
  /** What has been decided, in order. */
  readonly operations: DraftOperation[] = [];
  /** The last operation on each element that has an effect. */
  readonly #last = new Map<string, DraftOperation>();
  /** Something may be held back. */
  #holding = false;
  /** Where the submit began that is decided on. */
  #marked: number;

  constructor(state: DocumentState) {
    this.state = state;
    this.size = state.elements.size;
    this.#marked = state.version;
  }

  /** The version of the last operation decided, as if each were sequenced next. */
  get version(): number {
    return this.state.version + this.operations.length;
  }

  element(id: string): Properties | undefined {
    const last = this.#last.get(id);
    return last === undefined ? this.state.elements.get(id) : last.after;
  }

  memory(id: string): ElementMemory | undefined {
    const last = this.#last.get(id);
    return last === undefined ? this.state.memory.elements.get(id) : this.#memoryAfter(last);
  }

  /** Begins a submit: what follows can be taken back with `rollback`. */
  mark(): DraftMark {
    const { growth, size } = this;
    this.#marked = this.version;
    return { operations: this.operations.length, growth, size };
  }

  /** Takes back everything since the mark. */
  rollback(mark: DraftMark): void {
    while (this.operations.length > mark.operations) {
      const taken = this.operations.pop();
      if (taken === undefined || taken.held) continue;
      const { element } = taken.operation;
      if (taken.previous === undefined) this.#last.delete(element);
      else this.#last.set(element, taken.previous);
    }
    this.growth = mark.growth;
    this.size = mark.size;
  }

  /** Sequences an operation next, tentatively. `author` is interned in the state's memory. */
  add(operation: Operation, author: Author): WriteRecord {
    const { element } = operation;
    const record = writeRecord(operation, author, this.version + 1, "");
    const previous = this.#last.get(element);
    const before = previous === undefined ? this.state.elements.get(element) : previous.after;
    const after = applyEffect(before, operation);
    this.growth += effectBytes(before, operation);
    this.size += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    const held = false;
    const added = { operation, author, held, record, before, after, previous, memory: undefined };
    this.#last.set(element, added);
    this.operations.push(added);
    return record;
  }

  /** Sequences an operation next, tentatively, that is held back: it has no effect and is not remembered. */
  hold(operation: Operation, author: Author): WriteRecord {
    const record = writeRecord(operation, author, this.version + 1, "");
    this.#holding = true;
    const nothing = { before: undefined, after: undefined, previous: undefined, memory: undefined };
    this.operations.push({ operation, author, held: true, record, ...nothing });
    return record;
  }

  /** Whether one of the author's operations on the element is held back in this draft. */
  holds(element: string, author: Author): boolean {
    if (!this.#holding) return false;
    return this.operations.some(
      (each) => each.held && each.author === author && each.operation.element === element,
    );
  }

  /** Made of the nearest that is made, with what came after it on the element. */
  #memoryAfter(last: DraftOperation): ElementMemory | undefined {
    const missing: DraftOperation[] = [];
    let made: DraftOperation | undefined = last;
    for (; made !== undefined && made.memory === undefined; made = made.previous) missing.push(made);
    let memory = made?.memory;
    if (made !== undefined && memory !== undefined) {
      // What the same submit made is taken back with it, and goes along; an earlier one's stays, to go back to.
      if (made.record.version > this.#marked) made.memory = undefined;
      else memory = { ...memory, properties: new Map(memory.properties) };
    }
    for (const { operation, before, record } of missing.reverse()) {
      memory ??= this.#overlay(operation.element, before !== undefined, record);
      remember(memory, operation, before, record);
    }
    last.memory = memory;
    return memory;
  }

  #overlay(element: string, existed: boolean, record: WriteRecord): ElementMemory {
    const { memory } = this.state;
    const parent = memory.elements.get(element);
    if (parent === undefined) return emptyElement(existed, record, memory.epoch);
    return { ...parent, properties: new Map(), parent };
  }
}

/**
 * Makes a draft the committed state: its operations were stored as `firstVersion`… at the time `at`, after others on
 * other elements, which the state has applied since. Throws when it has not.
 */
export function commitDraft(
  draft: Draft,
  committed: { readonly firstVersion: number; readonly at: string },
): void {
  const { state, operations } = draft;
  const { elements, memory } = state;
  if (state.version !== committed.firstVersion - 1) {
    throw new Error(
      `a draft stored from ${committed.firstVersion} on does not follow on version ${state.version}`,
    );
  }
  let version = committed.firstVersion;
  for (const { operation, held, record, before, after } of operations) {
    record.version = version++;
    record.at = committed.at;
    if (held) continue;
    const { element } = operation;
    if (after === undefined) elements.delete(element);
    else if (after !== before) elements.set(element, after);
    remember(touchElement(memory, element, before !== undefined, record), operation, before, record);
  }
  state.version += operations.length;
  state.operationId = operations.at(-1)?.operation.id ?? state.operationId;
  state.bytes += draft.growth;
}
