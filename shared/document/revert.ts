/**
 * Undoing some operations of the log, wherever no operation outside them wrote since: property by property, creations
 * and deletions element by element. What is undone gets the value that it had before the first of the selected
 * operations that nobody outside followed, whole: splices and appends too.
 */
import { applyEffect } from "./apply.ts";
import { type Elements, type Json, jsonEqual, own, type Properties } from "./json.ts";
import type { Operation, OperationEffect, SequencedOperation } from "./operation.ts";

/** Which operations are undone: those of these versions, of one user or one client where named. */
export interface RevertSelection {
  readonly from: number;
  readonly to: number;
  readonly user?: string;
  readonly client?: string;
}

/** What undoing would do to one element. */
interface Undo {
  /** The element before the first selected creation or deletion that nobody outside wrote to it after. */
  life: { readonly before: Properties | undefined } | undefined;
  /** By property: its value (undefined: absent) before the first such write, since the last creation or deletion. */
  readonly properties: Map<string, Json | undefined>;
}

/** Reads the log from before the selected operations on, and says at any point of it what undoes them. */
export class Reversal {
  /** The version that it has read up to. */
  version: number;
  readonly #selection: RevertSelection;
  readonly #elements: Elements;
  readonly #undos = new Map<string, Undo>();

  /** `before`: the state before `selection.from`; its elements are taken over and written to. */
  constructor(before: { readonly elements: Elements; readonly version: number }, selection: RevertSelection) {
    this.version = before.version;
    this.#elements = before.elements;
    this.#selection = selection;
  }

  /** The next operation of the log. Throws when it is not the next. */
  add(op: SequencedOperation): void {
    if (op.version !== this.version + 1)
      throw new Error(`operation ${op.version} does not follow on version ${this.version}`);
    this.version = op.version;
    if (op.status !== "applied") return;
    const before = this.#elements.get(op.element);
    const isLife = op.type === "create" || (op.type === "delete" && before !== undefined);
    const names = isLife ? [] : written(before, op);
    if (!isLife && names.length === 0) return;
    this.#note(op, before, isLife, names);
    const after = applyEffect(before, op);
    if (after === undefined) this.#elements.delete(op.element);
    else this.#elements.set(op.element, after);
  }

  /** What undoes the selected operations at `version`; deletions first, so that limits of size hold on the way. */
  operations(newId: () => string): Operation[] {
    const deletions: Operation[] = [];
    const others: Operation[] = [];
    for (const [element, undo] of this.#undos) {
      const now = this.#elements.get(element);
      const wanted = undo.life === undefined ? withValues(now, undo.properties) : undo.life.before;
      const change = changeOf(element, now, wanted);
      if (change === undefined) continue;
      (change.type === "delete" ? deletions : others).push({ id: newId(), ...change });
    }
    return [...deletions, ...others];
  }

  #note(op: SequencedOperation, before: Properties | undefined, isLife: boolean, names: readonly string[]) {
    let undo = this.#undos.get(op.element);
    if (!this.#isSelected(op)) {
      if (undo === undefined) return;
      undo.life = undefined;
      if (isLife) undo.properties.clear();
      else for (const name of names) undo.properties.delete(name);
      return;
    }
    if (undo === undefined) {
      undo = { life: undefined, properties: new Map() };
      this.#undos.set(op.element, undo);
    }
    if (isLife) {
      undo.life ??= { before: withValues(before, undo.properties) };
      undo.properties.clear();
      return;
    }
    for (const name of names) {
      if (!undo.properties.has(name)) undo.properties.set(name, own(before, name));
    }
  }

  #isSelected({ version, user, client }: SequencedOperation): boolean {
    const { from, to, user: byUser, client: byClient } = this.#selection;
    return (
      version >= from &&
      version <= to &&
      (byUser === undefined || user === byUser) &&
      (byClient === undefined || client === byClient)
    );
  }
}

/** The properties that an operation other than `create` and `delete` writes. */
function written(before: Properties | undefined, op: OperationEffect): string[] {
  if (before === undefined) return [];
  const { set = {}, unset = [], append = {}, splice = {} } = op;
  const appended = Object.keys(append).filter((name) => {
    const present = own(before, name);
    return present === undefined || Array.isArray(present);
  });
  const spliced = Object.keys(splice).filter((name) => typeof own(before, name) === "string");
  return [...Object.keys(set), ...unset, ...appended, ...spliced];
}

function withValues(
  element: Properties | undefined,
  values: ReadonlyMap<string, Json | undefined>,
): Properties | undefined {
  if (element === undefined || values.size === 0) return element;
  const entries = Object.entries(element).filter(([name]) => !values.has(name));
  for (const [name, value] of values) if (value !== undefined) entries.push([name, value]);
  return Object.fromEntries(entries);
}

/** The operation, without an id, that makes an element another; undefined when they are equal. */
export function changeOf(
  element: string,
  now: Properties | undefined,
  wanted: Properties | undefined,
): OperationEffect | undefined {
  if (wanted === undefined) return now === undefined ? undefined : { type: "delete", element };
  if (now === undefined) return { type: "create", element, props: wanted };
  const set = Object.entries(wanted).filter(([name, value]) => {
    const present = own(now, name);
    return present === undefined || !jsonEqual(present, value);
  });
  const unset = Object.keys(now).filter((name) => !Object.hasOwn(wanted, name));
  if (set.length === 0 && unset.length === 0) return undefined;
  return {
    type: "update",
    element,
    ...(set.length === 0 ? {} : { set: Object.fromEntries(set) }),
    ...(unset.length === 0 ? {} : { unset }),
  };
}
