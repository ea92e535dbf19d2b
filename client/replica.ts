/**
 * One document's state in this replica, without sockets, clocks or randomness.
 *
 *     view = confirmed ─► submit in flight, as moved ─► unsent changes, as moved
 *
 * `confirmed` changes by sequenced operations in version order and by snapshots only, so it is what every other replica
 * has at that version. At most one submit is in flight; everything else collects in `unsent`. The view is kept
 * incrementally: each change recomputes the elements that it touches.
 *
 * An operation is acknowledged by its appearance among the sequenced ones, by `ack`, or by being in the state that a
 * snapshot brings (`committed`); each of these removes it here, once, so its effect is never there twice.
 */
import { applyEffect, applyOperation } from "../shared/document/apply.ts";
import { type Elements, jsonEqual, type Properties } from "../shared/document/json.ts";
import type { Operation, SequencedOperation, SpliceEdit } from "../shared/document/operation.ts";
import { moveSplicePair } from "../shared/document/splice.ts";
import { fitOperation, overwrites } from "./fold.ts";
import {
  dropTyping,
  type InFlightSubmit,
  inFlightOf,
  inFlightSubmit,
  moveTypingPast,
  restoredSubmit,
} from "./in-flight.ts";
import type { StoredChange, StoredHead, StoredReplica } from "./storage/storage.ts";
import { type SubmitBounds, UnsentChanges } from "./unsent.ts";

/** A state as the server sent it, whole. */
export interface ReplicaSnapshot {
  readonly version: number;
  /** The id of the operation at `version`. */
  readonly id?: string;
  readonly elements: Elements;
}

/** Changes that were made anew after a refusal, and what was dropped because it did not fit any more. */
export interface Rebased {
  readonly changed: ReadonlySet<string>;
  readonly dropped: readonly Operation[];
}

/** Who wants to know what others do, beside the state that comes of it. */
export interface ReplicaObserver {
  /**
   * Somebody else's operation is confirmed; the view follows later.
   * @param splices its splices where they stand in the view, this replica's pending typing considered.
   * @param hides whether a pending change of this replica overwrites what it wrote to a property.
   */
  other(
    operation: SequencedOperation,
    splices: { readonly [property: string]: readonly SpliceEdit[] },
    hides: (property: string) => boolean,
  ): void;
  /** The view of an element is another. */
  changed(element: string): void;
  /** A whole state came instead of operations, and the view shows it. */
  replaced(hides: (element: string, property: string) => boolean): void;
}

/** What came in does not continue what this replica has: it has to connect again. */
export class GapError extends Error {
  constructor(expected: number, received: number) {
    super(`expected version ${expected}, received ${received}`);
    this.name = "GapError";
  }
}

export class Replica {
  #confirmed: Elements = new Map();
  #view: Elements = new Map();
  #version = 0;
  #operationId: string | undefined;
  #inFlight: InFlightSubmit | undefined;
  readonly #unsent: UnsentChanges;
  readonly #newId: () => string;
  /** Attempts of what collects in `unsent` after a refusal. */
  #attempt = 0;
  observer: ReplicaObserver | undefined;
  /** Confirmed elements that changed since `store`, when somebody stores. */
  #heldBack: SequencedOperation[] = [];
  /** What was made on top of them alone. */
  #dependent: Operation[] = [];
  readonly #unstored = new Set<string>();
  #storesAll = true;

  /** @param newId makes ids for operations that this replica composes. */
  constructor(newId: () => string) {
    this.#newId = newId;
    this.#unsent = new UnsentChanges(newId);
  }

  /** The state that its user sees. Never change what is in it. */
  get view(): ReadonlyMap<string, Properties> {
    return this.#view;
  }

  /** The state at `version`, as everybody has it. */
  get confirmed(): ReadonlyMap<string, Properties> {
    return this.#confirmed;
  }

  get version(): number {
    return this.#version;
  }

  /** The id of the operation at `version`, where known. */
  get operationId(): string | undefined {
    return this.#operationId;
  }

  get inFlight(): InFlightSubmit | undefined {
    return this.#inFlight;
  }

  /** Operations that wait to be sent. */
  get unsentCount(): number {
    return this.#unsent.size;
  }

  /** Operations that are not acknowledged. */
  get pendingCount(): number {
    return this.#unsent.size + (this.#inFlight?.left.size ?? 0);
  }

  /** Makes a change that fits the view. */
  change(operation: Operation): void {
    this.#unsent.add(operation, this.#version, this.#below(operation.element) !== undefined);
    const after = applyEffect(this.#view.get(operation.element), operation);
    if (after === undefined) this.#view.delete(operation.element);
    else this.#view.set(operation.element, after);
    this.observer?.changed(operation.element);
  }

  /**
   * The next submit, when nothing is in flight and something waits.
   * @returns operations larger than a message may be; they are dropped.
   */
  takeSubmit(bounds: SubmitBounds): Rebased {
    const none: Rebased = { changed: new Set(), dropped: [] };
    if (this.#inFlight !== undefined || this.#unsent.size === 0) return none;
    const { base, operations, texts, tooLarge } = this.#unsent.take(this.#version, bounds);
    if (operations.length > 0) this.#inFlight = inFlightSubmit(base, operations, texts, this.#attempt);
    if (this.#unsent.size === 0) this.#attempt = 0;
    if (tooLarge.length === 0) return none;
    const elements = new Set(tooLarge.map((operation) => operation.element));
    const dropped = [...tooLarge];
    for (const element of elements) {
      // What was folded on top of it has lost its ground.
      dropped.push(...this.#unsent.refit(element, this.#version, this.#below(element)));
    }
    return { changed: this.#refresh(elements), dropped };
  }

  /**
   * Sequenced operations, in order, one's own included.
   * @returns the elements whose view changed.
   * @throws GapError when they do not continue `version`; nothing after the gap is applied.
   */
  receive(operations: readonly SequencedOperation[]): ReadonlySet<string> {
    const touched = new Set<string>();
    const held = this.#heldBack.length;
    for (const operation of operations) {
      if (operation.version !== this.#version + 1) throw new GapError(this.#version + 1, operation.version);
      if (this.#inFlight?.left.has(operation.id) === true) this.#confirmOwn(operation);
      else this.#confirmOther(operation);
      this.#version = operation.version;
      this.#operationId = operation.id;
      touched.add(operation.element);
      if (!this.#storesAll) this.#unstored.add(operation.element);
    }
    this.#settleIfDone();
    for (const { type, element } of this.#heldBack.slice(held))
      if (type === "create" || type === "delete") this.#refitUnfounded(element);
    return this.#refresh(touched);
  }

  /**
   * This replica's operations that were held back since the last call: acknowledged, and without effect; and what does
   * not fit without them, and is dropped.
   */
  takeHeldBack(): {
    readonly operations: readonly SequencedOperation[];
    readonly dependent: readonly Operation[];
  } {
    const taken = { operations: this.#heldBack, dependent: this.#dependent };
    this.#heldBack = [];
    this.#dependent = [];
    return taken;
  }

  /** A creation or deletion had no effect: a new one of the element, or a change to it, may have lost its ground. */
  #refitUnfounded(element: string): void {
    const [first] = this.#unsent.operationsOf(element);
    const below = this.#below(element);
    if (first === undefined || (first.type === "create") === (below === undefined)) return;
    this.#dependent.push(...this.#unsent.refit(element, this.#version, below));
  }

  /** `ack`: everything of the submit in flight is in the log, and what is confirmed here reaches that far. */
  acknowledge(): ReadonlySet<string> {
    const submit = this.#inFlight;
    if (submit === undefined) return new Set();
    return this.#replaceBelow(elementsOf(submit.operations), () => {
      this.#inFlight = undefined;
    });
  }

  /** The submit in flight was refused for good: its changes are gone, with what was made on top of them alone. */
  reject(): Rebased {
    const submit = this.#inFlight;
    if (submit === undefined) return { changed: new Set(), dropped: [] };
    const elements = elementsOf(submit.operations);
    const changed = new Set(
      this.#replaceBelow(elements, () => {
        this.#inFlight = undefined;
      }),
    );
    const dropped: Operation[] = [];
    for (const { type, element } of submit.operations) {
      if (type !== "create" && type !== "delete") continue;
      dropped.push(...this.#unsent.refit(element, this.#version, this.#confirmed.get(element)));
    }
    for (const element of this.#refresh(elements)) changed.add(element);
    return { changed, dropped };
  }

  /** The submit in flight was refused for what others did meanwhile: its changes are made anew, under new ids. */
  retryAnew(): Rebased {
    const submit = this.#inFlight;
    if (submit === undefined) return { changed: new Set(), dropped: [] };
    const elements = new Set([...elementsOf(submit.operations), ...this.#unsent.elements()]);
    const effects = [...submit.left.values()].map(({ effect }) => effect);
    const waiting = [...this.#unsent.elements()].flatMap((element) => this.#unsent.drop(element));
    this.#inFlight = undefined;
    this.#attempt = submit.attempt + 1;
    const dropped: Operation[] = [];
    const present = new Map<string, Properties | undefined>();
    for (const operation of [...effects, ...waiting]) {
      const { element } = operation;
      const below = present.has(element) ? present.get(element) : this.#confirmed.get(element);
      const fitting = fitOperation(operation, below);
      if (fitting === undefined) {
        dropped.push(operation);
        continue;
      }
      this.#unsent.add({ ...fitting, id: this.#newId() }, this.#version, this.#confirmed.has(element));
      present.set(element, applyEffect(below, fitting));
    }
    return { changed: this.#refresh(elements), dropped };
  }

  /**
   * A whole state replaces the confirmed one.
   * @param committed the versions of operations in flight, where known (one of a submit tells all of it).
   * @returns the elements whose view changed.
   */
  install(
    snapshot: ReplicaSnapshot,
    committed: (operationId: string) => number | undefined,
  ): ReadonlySet<string> {
    const elements = new Set([...this.#confirmed.keys(), ...snapshot.elements.keys(), ...this.#view.keys()]);
    this.#unsent.pinAll(this.#version);
    this.#storesAll = true;
    this.#unstored.clear();
    const changed = this.#replaceBelow(elements, () => {
      const before = this.#confirmed;
      this.#confirmed = new Map(snapshot.elements);
      this.#confirmUpTo(snapshot.version, committed);
      for (const element of elementsOf(this.#inFlight?.operations ?? [])) {
        const layers = inFlightOf(this.#inFlight, element);
        moveTypingPast(layers, before.get(element), this.#confirmed.get(element));
      }
      this.#version = snapshot.version;
      this.#operationId = snapshot.id;
    });
    this.observer?.replaced((element, property) => this.#hides(element, property));
    return changed;
  }

  /**
   * The history that the pending changes were made in is not usable as a base any more: they are made anew on the
   * present state, the submit in flight under its old ids.
   */
  rebase(): Rebased {
    const submit = this.#inFlight;
    const elements = new Set([...elementsOf(submit?.operations ?? []), ...this.#unsent.elements()]);
    const dropped: Operation[] = [];
    if (submit !== undefined) {
      const present = new Map<string, Properties | undefined>();
      const operations: Operation[] = [];
      for (const { effect } of submit.left.values()) {
        const { element } = effect;
        const below = present.has(element) ? present.get(element) : this.#confirmed.get(element);
        const fitting = fitOperation(effect, below);
        if (fitting === undefined) {
          dropped.push(effect);
        } else {
          operations.push(fitting);
          present.set(element, applyEffect(below, fitting));
        }
      }
      const texts = operations.map((operation) => JSON.stringify(operation));
      this.#inFlight =
        operations.length > 0 ? inFlightSubmit(this.#version, operations, texts, submit.attempt) : undefined;
    }
    dropped.push(...this.#unsent.rebaseAll(this.#version, (element) => this.#below(element)));
    return { changed: this.#refresh(elements), dropped };
  }

  /**
   * What has changed since the last call, to be stored.
   * @param whole everything.
   */
  store(whole: boolean): StoredChange {
    const all = whole || this.#storesAll;
    const elements = all
      ? new Map<string, Properties | null>(this.#confirmed)
      : new Map([...this.#unstored].map((element) => [element, this.#confirmed.get(element) ?? null]));
    this.#storesAll = false;
    this.#unstored.clear();
    const submit = this.#inFlight;
    const head: StoredHead = {
      version: this.#version,
      ...(this.#operationId === undefined ? {} : { operationId: this.#operationId }),
      ...(submit === undefined
        ? {}
        : {
            inFlight: {
              base: submit.base,
              operations: submit.operations,
              left: [...submit.left.values()].map(({ effect }) => effect),
              attempt: submit.attempt,
            },
          }),
      unsent: this.#unsent.store(),
    };
    return { head, elements, whole: all };
  }

  /**
   * What was stored, into a replica that has nothing yet.
   * @param pending with what was not acknowledged; otherwise only what was confirmed.
   * @returns the elements in view.
   */
  restore({ head, elements }: StoredReplica, pending: boolean): ReadonlySet<string> {
    this.#confirmed = new Map(elements);
    this.#version = head.version;
    this.#operationId = head.operationId;
    const touched = new Set(elements.keys());
    if (pending) {
      if (head.inFlight !== undefined) this.#inFlight = restoredSubmit(head.inFlight);
      this.#settleIfDone();
      this.#unsent.restore(head.unsent);
      for (const { element } of head.inFlight?.operations ?? []) touched.add(element);
      for (const { element } of head.unsent) touched.add(element);
    }
    return this.#refresh(touched);
  }

  /** One's own operation, as sequenced. Where the server rewrote it otherwise than foreseen, typing on top is moved. */
  #confirmOwn(operation: SequencedOperation): void {
    const { element } = operation;
    const typing = this.#unsent.hasTyping(element);
    const before = typing ? this.#below(element) : undefined;
    const wanted = typing ? this.#compute(element) : undefined;
    this.#inFlight?.left.delete(operation.id);
    if (operation.status === "applied") applyOperation(this.#confirmed, operation);
    else if (operation.status === "conflict") this.#heldBack.push(operation);
    if (!typing) return;
    const below = { before, after: this.#below(element) };
    this.#unsent.rebaseTyping(element, below, operation.version - 1, wanted);
  }

  #confirmOther(operation: SequencedOperation): void {
    if (operation.status !== "applied") return;
    const { element } = operation;
    const layers = inFlightOf(this.#inFlight, element);
    const waiting = this.#unsent.operationsOf(element);
    const shown: { [property: string]: readonly SpliceEdit[] } = {};
    if (layers.length > 0 || waiting.length > 0) {
      for (const layer of layers) {
        for (const property of Object.keys(layer.effect.splice ?? {})) {
          if (overwrites(operation, property)) dropTyping(layers, property);
        }
      }
      // Several operations of one frame touch one element: the view is refreshed after the last, so it is computed.
      if (waiting.length > 0) this.#unsent.collide(operation, this.#compute(element));
      for (const [property, edits] of Object.entries(operation.splice ?? {})) {
        const passed = this.#passTyping(element, property, edits);
        if (passed !== undefined) shown[property] = passed;
      }
    }
    applyOperation(this.#confirmed, operation);
    const all = layers.length > 0 || waiting.length > 0 ? shown : (operation.splice ?? shown);
    this.observer?.other(operation, all, (property) => this.#hides(element, property));
  }

  /** Whether something pending overwrites a property. */
  #hides(element: string, property: string): boolean {
    return (
      inFlightOf(this.#inFlight, element).some(({ effect }) => overwrites(effect, property)) ||
      this.#unsent.operationsOf(element).some((operation) => overwrites(operation, property))
    );
  }

  /**
   * Moves pending typing past somebody else's, layer by layer: theirs stands earlier in the order.
   * @returns theirs on top of all that is pending; undefined where something pending overwrites the text.
   */
  #passTyping(
    element: string,
    property: string,
    edits: readonly SpliceEdit[],
  ): readonly SpliceEdit[] | undefined {
    let theirs = edits;
    for (const layer of inFlightOf(this.#inFlight, element)) {
      if (overwrites(layer.effect, property)) return undefined;
      const mine = layer.effect.splice?.[property];
      if (mine === undefined) continue;
      const pair = moveSplicePair(mine, theirs);
      layer.effect = { ...layer.effect, splice: { ...layer.effect.splice, [property]: pair.mine } };
      theirs = pair.theirs;
    }
    if (this.#unsent.operationsOf(element).some((operation) => overwrites(operation, property)))
      return undefined;
    this.#unsent.moveTyping(element, property, (mine) => {
      const pair = moveSplicePair(mine, theirs);
      theirs = pair.theirs;
      return pair.mine;
    });
    return theirs;
  }

  /** Changes what is below the unsent changes of some elements, and moves their typing along. */
  #replaceBelow(elements: ReadonlySet<string>, replace: () => void): ReadonlySet<string> {
    const version = this.#version;
    const typed = [...elements].filter((element) => this.#unsent.hasTyping(element));
    const before = new Map(typed.map((element) => [element, this.#below(element)]));
    replace();
    for (const element of typed) {
      const below = { before: before.get(element), after: this.#below(element) };
      this.#unsent.rebaseTyping(element, below, version, this.#view.get(element));
    }
    return this.#refresh(elements);
  }

  /** A submit has consecutive versions, and a snapshot may stand in the middle of it: the rest comes as `ops`. */
  #confirmUpTo(version: number, committed: (operationId: string) => number | undefined): void {
    const submit = this.#inFlight;
    for (const [known, { id }] of submit?.operations.entries() ?? []) {
      const at = committed(id);
      if (at === undefined) continue;
      for (const [index, operation] of submit?.operations.entries() ?? []) {
        if (at - known + index <= version) submit?.left.delete(operation.id);
      }
      break;
    }
    this.#settleIfDone();
  }

  #settleIfDone(): void {
    if (this.#inFlight?.left.size === 0) this.#inFlight = undefined;
  }

  /** An element without the unsent changes. */
  #below(element: string): Properties | undefined {
    let properties = this.#confirmed.get(element);
    for (const { effect } of inFlightOf(this.#inFlight, element))
      properties = applyEffect(properties, effect);
    return properties;
  }

  #compute(element: string): Properties | undefined {
    let properties = this.#below(element);
    for (const operation of this.#unsent.operationsOf(element))
      properties = applyEffect(properties, operation);
    return properties;
  }

  /** Recomputes the view of these elements. Equal ones keep their object, so that nothing is drawn again for them. */
  #refresh(elements: ReadonlySet<string>): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const element of elements) {
      const before = this.#view.get(element);
      const after = this.#compute(element);
      if (before === after) continue;
      if (after === undefined) this.#view.delete(element);
      else if (before !== undefined && jsonEqual(before, after)) continue;
      else this.#view.set(element, after);
      changed.add(element);
      this.observer?.changed(element);
    }
    return changed;
  }
}

function elementsOf(operations: readonly Operation[]): Set<string> {
  return new Set(operations.map((operation) => operation.element));
}
