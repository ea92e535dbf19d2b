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

/** What stood in the overlay before a submit touched an element. */
interface Undo {
  readonly element: string;
  readonly properties: Properties | null | undefined;
  readonly memory: ElementMemory | undefined;
}

/** Where a draft stood; see {@link Draft.mark}. */
export interface DraftMark {
  readonly version: number;
  readonly operationId: string | null;
  readonly growth: number;
  readonly size: number;
}

/** An operation that stands in a draft; one that is held back has no effect. */
export interface DraftOperation {
  readonly operation: Operation;
  readonly author: Author;
  readonly held: boolean;
}

export class Draft {
  readonly state: DocumentState;
  /** The version of the last operation decided, as if each were sequenced next. */
  version: number;
  operationId: string | null;
  /** By how many bytes the document grows, as `DocumentState.bytes` counts. */
  growth = 0;
  /** Number of elements. */
  size: number;
  readonly records: WriteRecord[] = [];
  /** What has been decided, in order. */
  readonly operations: DraftOperation[] = [];
  readonly #elements = new Map<string, Properties | null>();
  readonly #memory = new Map<string, ElementMemory>();
  #undo: Undo[] = [];
  readonly #touched = new Set<string>();
  /** Something may be held back. */
  #holding = false;

  constructor(state: DocumentState) {
    this.state = state;
    this.version = state.version;
    this.operationId = state.operationId;
    this.size = state.elements.size;
  }

  element(id: string): Properties | undefined {
    const touched = this.#elements.get(id);
    return touched === undefined ? this.state.elements.get(id) : (touched ?? undefined);
  }

  memory(id: string): ElementMemory | undefined {
    return this.#memory.get(id) ?? this.state.memory.elements.get(id);
  }

  /** Begins a submit: what follows can be taken back with `rollback`, up to the next mark. */
  mark(): DraftMark {
    this.#undo = [];
    this.#touched.clear();
    const { version, operationId, growth, size } = this;
    return { version, operationId, growth, size };
  }

  /** Takes back everything since the mark. */
  rollback(mark: DraftMark): void {
    for (const { element, properties, memory } of this.#undo) {
      if (properties === undefined) this.#elements.delete(element);
      else this.#elements.set(element, properties);
      if (memory === undefined) this.#memory.delete(element);
      else this.#memory.set(element, memory);
    }
    this.#undo = [];
    this.#touched.clear();
    this.records.length -= this.version - mark.version;
    this.operations.length = this.records.length;
    this.version = mark.version;
    this.operationId = mark.operationId;
    this.growth = mark.growth;
    this.size = mark.size;
  }

  /** Sequences an operation next, tentatively. `author` is interned in the state's memory. */
  add(op: Operation, author: Author): WriteRecord {
    const record = writeRecord(op, author, this.version + 1, "");
    const before = this.element(op.element);
    const after = applyEffect(before, op);
    const memory = this.#touch(op.element, before !== undefined, record);
    if (after !== before) this.#elements.set(op.element, after ?? null);
    this.growth += effectBytes(before, op);
    this.size += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    this.#sequence(op, author, record, false);
    remember(memory, op, before, record);
    return record;
  }

  /** Sequences an operation next, tentatively, that is held back: it has no effect and is not remembered. */
  hold(op: Operation, author: Author): WriteRecord {
    const record = writeRecord(op, author, this.version + 1, "");
    this.#holding = true;
    this.#sequence(op, author, record, true);
    return record;
  }

  /** Whether one of the author's operations on the element is held back in this draft. */
  holds(element: string, author: Author): boolean {
    if (!this.#holding) return false;
    return this.operations.some(
      (each) => each.held && each.author === author && each.operation.element === element,
    );
  }

  #sequence(operation: Operation, author: Author, record: WriteRecord, held: boolean): void {
    this.version += 1;
    this.operationId = operation.id;
    this.records.push(record);
    this.operations.push({ operation, author, held });
  }

  #touch(element: string, existed: boolean, record: WriteRecord): ElementMemory {
    const touched = this.#memory.get(element);
    if (touched !== undefined && this.#touched.has(element)) return touched;
    this.#touched.add(element);
    this.#undo.push({ element, properties: this.#elements.get(element), memory: touched });
    const fresh = touched === undefined ? this.#overlay(element, existed, record) : copy(touched);
    this.#memory.set(element, fresh);
    return fresh;
  }

  #overlay(element: string, existed: boolean, record: WriteRecord): ElementMemory {
    const { memory } = this.state;
    const parent = memory.elements.get(element);
    if (parent === undefined) return emptyElement(existed, record, memory.epoch);
    // Field by field: once an operation.
    const { latest, existedBefore, life, whole } = parent;
    return { latest, existedBefore, life, whole, properties: new Map(), parent, epoch: memory.epoch };
  }

  /** Everything touched: each element's properties (null: absent) and its memory. For `commitDraft`. */
  *touched(): Iterable<{
    element: string;
    properties: Properties | null | undefined;
    memory: ElementMemory;
  }> {
    for (const [element, memory] of this.#memory) {
      yield { element, properties: this.#elements.get(element), memory };
    }
  }
}

function copy(memory: ElementMemory): ElementMemory {
  return { ...memory, properties: new Map(memory.properties) };
}

/**
 * Makes a draft the committed state: its operations were stored as `firstVersion`… at the time `at`, after others on
 * other elements, which the state has applied since. Throws when it has not.
 */
export function commitDraft(
  draft: Draft,
  committed: { readonly firstVersion: number; readonly at: string },
): void {
  const { state, records } = draft;
  const { elements, memory } = state;
  if (state.version !== committed.firstVersion - 1) {
    throw new Error(
      `a draft stored from ${committed.firstVersion} on does not follow on version ${state.version}`,
    );
  }
  let version = committed.firstVersion;
  for (const record of records) {
    record.version = version++;
    record.at = committed.at;
  }
  for (const { element, properties, memory: drafted } of draft.touched()) {
    const remembered = touchElement(memory, element, drafted.existedBefore, drafted.latest);
    remembered.latest = drafted.latest;
    remembered.life = drafted.life;
    remembered.whole = drafted.whole;
    remembered.existedBefore = drafted.existedBefore;
    // A creation or deletion has rewritten all properties' entries; otherwise the draft has only those that it wrote.
    if (drafted.parent === undefined) remembered.properties = drafted.properties;
    else for (const [name, entry] of drafted.properties) remembered.properties.set(name, entry);
    if (properties === null) elements.delete(element);
    else if (properties !== undefined) elements.set(element, properties);
  }
  state.version += records.length;
  state.operationId = records.at(-1)?.operationId ?? state.operationId;
  state.bytes += draft.growth;
}
