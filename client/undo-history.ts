/**
 * Undo and redo of what this replica's user did, and of nothing else.
 *
 * Taking back is an ordinary change, and it never undoes what others did: a property that somebody else has written
 * since is left out; typing is taken out of a text around what others typed; an element that was created is deleted only
 * while nobody else has changed it; one that was deleted comes back as it was last, unless it is there again.
 *
 * Others' operations are told as they come in (`other`), texts where they stand in the view. `settle` then compares with
 * what the user really sees: whatever changed for another reason (a refusal, a snapshot, an operation that the server
 * rewrote) is taken as one edit of the text.
 *
 * A history may hold every element of a large document, so a change must cost what it changes and no more.
 */
import { jsonEqual, own, type Properties } from "../shared/document/json.ts";
import type { Operation, OperationEffect, SpliceEdit } from "../shared/document/operation.ts";
import { applySplice, differenceSplice } from "../shared/document/splice.ts";
import type { ReplicaObserver } from "./replica.ts";
import { UndoStack } from "./undo-stack.ts";
import { inverseOperations, recordOperation, type UndoStep } from "./undo-step.ts";

/** How changes become steps. */
export interface UndoOptions {
  /** Transactions at most this far apart, each from the one before, are one step (a drag, a word); default 500 ms. */
  readonly captureMs?: number;
  /** How many steps are kept; default 500. */
  readonly maxSteps?: number;
  /** Called when a step begins, and when one is taken back: what it returns (a selection) goes with the step. */
  readonly save?: () => unknown;
  /** Called after a step was taken back, with what was saved when it began. */
  readonly restore?: (saved: unknown) => void;
}

/** Whether there is anything to undo or redo. */
export interface UndoState {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
}

/** So many elements are kept in any case. */
const leastPruned = 100;

export class UndoHistory implements ReplicaObserver {
  readonly #view: ReadonlyMap<string, Properties>;
  readonly #confirmed: () => ReadonlyMap<string, Properties>;
  readonly #options: UndoOptions;
  readonly #now: () => number;
  readonly #newId: () => string;
  readonly #onChange: (state: UndoState) => void;
  readonly #undo = new UndoStack();
  readonly #redo = new UndoStack();
  /** The elements of all steps as their user saw them when last settled. */
  readonly #seen = new Map<string, Properties | undefined>();
  /** Those of them whose view may be another since then. */
  readonly #unsettled = new Set<string>();
  #pruneAt = leastPruned;
  /** What texts should be by what was told since then. */
  readonly #expected = new Map<string, Map<string, string | undefined>>();
  #capturedAt = Number.NEGATIVE_INFINITY;
  #state: UndoState = { canUndo: false, canRedo: false };

  constructor(
    options: UndoOptions & {
      /** Live. */
      readonly view: ReadonlyMap<string, Properties>;
      readonly confirmed: () => ReadonlyMap<string, Properties>;
      readonly now: () => number;
      readonly newId: () => string;
      readonly onChange: (state: UndoState) => void;
    },
  ) {
    this.#options = options;
    this.#view = options.view;
    this.#confirmed = options.confirmed;
    this.#now = options.now;
    this.#newId = options.newId;
    this.#onChange = options.onChange;
  }

  get state(): UndoState {
    return this.#state;
  }

  /** The next change begins a step of its own. */
  stop(): void {
    this.#capturedAt = Number.NEGATIVE_INFINITY;
  }

  /** Forgets everything. */
  clear(): void {
    this.#undo.clear();
    this.#redo.clear();
    this.#seen.clear();
    this.#unsettled.clear();
    this.#expected.clear();
    this.stop();
    this.#tell();
  }

  /** The user's own change, before it is made. */
  record(operations: readonly Operation[]): void {
    const now = this.#now();
    const { captureMs = 500, maxSteps = 500, save } = this.#options;
    // Between the frames of a welcome nothing was settled.
    this.settle();
    this.#redo.clear();
    const top = this.#undo.top;
    if (top !== undefined && now - this.#capturedAt <= captureMs) {
      this.#recordInto(top, operations);
      if (top.elements.size === 0) this.#undo.pop();
    } else {
      const step: UndoStep = { elements: new Map(), saved: save?.() };
      this.#recordInto(step, operations);
      if (step.elements.size > 0) this.#undo.push(step, maxSteps);
    }
    this.#capturedAt = now;
    this.#prune();
  }

  /** A change of this replica that is not to be undone, before it is made: as if somebody else had made it. */
  ignore(operations: readonly Operation[]): void {
    this.settle();
    for (const operation of operations) this.#foreign(operation, operation.splice ?? {}, undefined);
  }

  /** The operations that take the last step back, noted for `redo`; empty when there is none that can be. */
  takeUndo(): { readonly operations: readonly Operation[]; readonly saved: unknown } {
    return this.#take(this.#undo, this.#redo);
  }

  /** As `takeUndo`, of what was undone last. */
  takeRedo(): { readonly operations: readonly Operation[]; readonly saved: unknown } {
    return this.#take(this.#redo, this.#undo);
  }

  /** See `ReplicaObserver`. */
  other(
    operation: OperationEffect,
    splices: { readonly [property: string]: readonly SpliceEdit[] },
    hides: (property: string) => boolean,
  ): void {
    this.#foreign(operation, splices, hides);
  }

  /** See `ReplicaObserver`. */
  replaced(hides: (element: string, property: string) => boolean): void {
    for (const [element] of this.#seen) {
      const shown = this.#view.get(element);
      const confirmed = this.#confirmed().get(element);
      for (const name of this.#undo.propertiesOf(element)) {
        const theirs = own(confirmed, name);
        const present = own(shown, name);
        if (shown === undefined || !hides(element, name) || jsonEqual(theirs, present)) continue;
        if (!this.#undo.wouldRestore(element, name, theirs))
          this.#undo.hidden(element, name, theirs, present);
      }
    }
    this.settle();
  }

  /** See `ReplicaObserver`. */
  changed(element: string): void {
    if (this.#seen.has(element)) this.#unsettled.add(element);
  }

  /** Compares what changed with what was told of it. */
  settle(): void {
    for (const element of this.#expected.keys()) this.#unsettled.add(element);
    for (const element of this.#unsettled) {
      const before = this.#seen.get(element);
      const after = this.#view.get(element);
      const expected = this.#expected.get(element);
      if (!jsonEqual(before, after) || expected !== undefined) {
        for (const stack of [this.#undo, this.#redo]) {
          for (const name of stack.propertiesOf(element)) {
            const was = expected?.has(name) === true ? expected.get(name) : own(before, name);
            const is = own(after, name);
            if (was === is) continue;
            if (typeof was === "string" && typeof is === "string")
              stack.passText(element, name, differenceSplice(was, is), is);
            else if (after !== undefined) stack.forgetText(element, name);
          }
          stack.forgetLost(element, after);
        }
      }
      this.#seen.set(element, after);
    }
    this.#unsettled.clear();
    this.#expected.clear();
    this.#tell();
  }

  #recordInto(step: UndoStep, operations: readonly Operation[]): void {
    const states = new Map<string, Properties | undefined>();
    for (const operation of operations) {
      const { element } = operation;
      const before = states.has(element) ? states.get(element) : this.#view.get(element);
      const after = recordOperation(step, operation, before);
      states.set(element, after);
      // What `settle` compares with: this change is known.
      this.#seen.set(element, after);
    }
  }

  #take(
    from: UndoStack,
    to: UndoStack,
  ): { readonly operations: readonly Operation[]; readonly saved: unknown } {
    const { maxSteps = 500, save } = this.#options;
    this.stop();
    this.settle();
    for (let step = from.pop(); step !== undefined; step = from.pop()) {
      const operations = inverseOperations(step, this.#view, this.#newId);
      if (operations.length === 0) continue;
      const back: UndoStep = { elements: new Map(), saved: save?.() };
      this.#recordInto(back, operations);
      if (back.elements.size > 0) to.push(back, maxSteps);
      return { operations, saved: step.saved };
    }
    this.#tell();
    return { operations: [], saved: undefined };
  }

  #foreign(
    operation: OperationEffect,
    splices: { readonly [property: string]: readonly SpliceEdit[] },
    hides: ((property: string) => boolean) | undefined,
  ): void {
    const { element, type, set, unset, append, splice } = operation;
    if (!this.#seen.has(element)) return;
    if (type === "create" || type === "delete") {
      this.#undo.forget(element);
      this.#redo.forget(element);
      return;
    }
    const confirmed = this.#confirmed().get(element);
    const overwritten = [...Object.keys(set ?? {}), ...(unset ?? []), ...Object.keys(append ?? {})];
    const spliced = Object.keys(splice ?? {});
    for (const stack of [this.#undo, this.#redo])
      stack.touched(element, [...overwritten, ...spliced], confirmed);
    for (const name of [...overwritten, ...spliced.filter((property) => hides?.(property) === true)]) {
      this.#redo.forgetProperty(element, name);
      if (hides?.(name) === true) {
        const shown = own(this.#view.get(element), name);
        this.#undo.hidden(element, name, own(confirmed, name), shown);
      } else {
        this.#undo.forgetProperty(element, name);
      }
    }
    for (const [name, edits] of Object.entries(splices)) {
      const text = this.#expectedText(element, name);
      const after = text === undefined ? undefined : applySplice(text, edits);
      const texts = this.#expected.get(element) ?? new Map<string, string | undefined>();
      this.#expected.set(element, texts.set(name, after));
      if (after === undefined) continue;
      this.#undo.passText(element, name, edits, after);
      this.#redo.passText(element, name, edits, after);
    }
  }

  #expectedText(element: string, name: string): string | undefined {
    const expected = this.#expected.get(element);
    if (expected?.has(name) === true) return expected.get(name);
    const seen = own(this.#seen.get(element), name);
    return typeof seen === "string" ? seen : undefined;
  }

  /** Elements that no step holds any more are forgotten, now and then: looking for them costs as much as all there are. */
  #prune(): void {
    if (this.#seen.size < this.#pruneAt) return;
    const held = this.#undo.elements();
    for (const element of this.#redo.elements()) held.add(element);
    for (const element of [...this.#seen.keys()]) if (!held.has(element)) this.#seen.delete(element);
    this.#pruneAt = Math.max(leastPruned, 2 * this.#seen.size);
  }

  #tell(): void {
    const canUndo = this.#undo.size > 0;
    const canRedo = this.#redo.size > 0;
    if (canUndo === this.#state.canUndo && canRedo === this.#state.canRedo) return;
    this.#state = { canUndo, canRedo };
    this.#onChange(this.#state);
  }
}
