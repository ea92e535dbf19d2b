import { applyEffect } from "../shared/document/apply.ts";
import { type Json, own, type Properties } from "../shared/document/json.ts";
import { type Operation, type OperationType, readOperation } from "../shared/document/operation.ts";
import { differenceSplice, spliceFits } from "../shared/document/splice.ts";
import { ChangeError } from "./errors.ts";
import type { ChangesOf, ItemsOf, NamesOf, RemovableNamesOf } from "./typed.ts";

/** Properties by name, to write. */
export type PropertiesToSet = { readonly [name: string]: Json };

/** What may go with a change. */
export interface ChangeOptions<Element extends object = Properties> {
  /** Properties to remove. */
  readonly unset?: readonly RemovableNamesOf<Element>[];
  /** Application data kept with the operation in the log, at most 4 KiB of JSON. */
  readonly extra?: { readonly [key: string]: Json };
}

/**
 * Changes that are made together. Each is checked against what its author sees, the changes before it included, and a
 * `ChangeError` is thrown where it does not fit. Values are copied: changing an object afterwards changes nothing here.
 */
export interface Transaction<Element extends object = Properties> {
  /** An element as it is within this transaction. */
  get(element: string): Element | undefined;
  /** Makes an element that does not exist. */
  create(
    element: string,
    ...rest: Record<never, never> extends Element
      ? [properties?: Element, options?: Pick<ChangeOptions, "extra">]
      : [properties: Element, options?: Pick<ChangeOptions, "extra">]
  ): void;
  /** Writes and removes properties. */
  update(element: string, set: ChangesOf<Element>, options?: ChangeOptions<Element>): void;
  /** As `update`; the log says `move`. */
  move(element: string, set: ChangesOf<Element>, options?: ChangeOptions<Element>): void;
  /** As `update`; the log says `resize`. */
  resize(element: string, set: ChangesOf<Element>, options?: ChangeOptions<Element>): void;
  /** As `update`; the log says `style`. */
  style(element: string, set: ChangesOf<Element>, options?: ChangeOptions<Element>): void;
  /** As `update`; the log says `text`. Replaces texts whole: `splice` and `edit` keep what others type meanwhile. */
  text(element: string, set: ChangesOf<Element>, options?: ChangeOptions<Element>): void;
  /** Adds items at the end of an array property, which is made when absent. */
  append<Name extends NamesOf<Element, readonly unknown[]>>(
    element: string,
    property: Name,
    items: readonly ItemsOf<Element, Name>[],
  ): void;
  /** Edits a text property: deletes `deleteCount` UTF-16 code units at `position`, and inserts there. */
  splice(
    element: string,
    property: NamesOf<Element, string>,
    position: number,
    deleteCount: number,
    insert: string,
  ): void;
  /** Makes a text property what a text field holds now, by the smallest edit. */
  edit(element: string, property: NamesOf<Element, string>, text: string): void;
  /** Removes an element. */
  delete(element: string, options?: Pick<ChangeOptions, "extra">): void;
}

/** What is no promise: with any other, a function fits as it is. */
export type AtOnce<Result> = [Result] extends [never]
  ? unknown
  : Result extends PromiseLike<unknown>
    ? "a transaction makes its changes before it returns"
    : unknown;

/**
 * What a transaction's function returned.
 * @throws ChangeError for a promise: what follows its first `await` would be missing.
 */
export function atOnce<Result>(result: Result): Result {
  const { then } = (result ?? {}) as { readonly then?: unknown };
  if (typeof then !== "function") return result;
  // It goes on, and its changes are refused; the error is told here.
  (result as PromiseLike<unknown>).then(undefined, () => {});
  throw new ChangeError(
    "invalid_operation",
    "transact: expected a function that makes its changes before it returns, got one that returns a promise",
  );
}

/** Collects a transaction's operations and what they do to the elements that they touch. */
export class OpenTransaction implements Transaction {
  readonly operations: Operation[] = [];
  readonly #view: ReadonlyMap<string, Properties>;
  readonly #newId: () => string;
  readonly #touched = new Map<string, Properties | undefined>();
  #open = true;

  constructor(view: ReadonlyMap<string, Properties>, newId: () => string) {
    this.#view = view;
    this.#newId = newId;
  }

  /** Refuses further changes: the transaction was taken, or given up. */
  end(): void {
    this.#open = false;
  }

  /** A transaction within this one: of one that throws nothing is kept. */
  part<Result>(make: (transaction: OpenTransaction) => Result): Result {
    const before = this.operations.length;
    try {
      return make(this);
    } catch (error) {
      this.operations.length = before;
      this.#touched.clear();
      for (const operation of this.operations) this.#touch(operation);
      throw error;
    }
  }

  get(element: string): Properties | undefined {
    return this.#touched.has(element) ? this.#touched.get(element) : this.#view.get(element);
  }

  create(
    element: string,
    properties: PropertiesToSet = {},
    options: Pick<ChangeOptions, "extra"> = {},
  ): void {
    if (this.get(element) !== undefined) {
      throw new ChangeError("invalid_operation", `element ${element} exists already`);
    }
    this.#add({ type: "create", element, props: properties, ...options });
  }

  update(element: string, set: PropertiesToSet, options: ChangeOptions = {}): void {
    this.#write("update", element, set, options);
  }

  move(element: string, set: PropertiesToSet, options: ChangeOptions = {}): void {
    this.#write("move", element, set, options);
  }

  resize(element: string, set: PropertiesToSet, options: ChangeOptions = {}): void {
    this.#write("resize", element, set, options);
  }

  style(element: string, set: PropertiesToSet, options: ChangeOptions = {}): void {
    this.#write("style", element, set, options);
  }

  text(element: string, set: PropertiesToSet, options: ChangeOptions = {}): void {
    this.#write("text", element, set, options);
  }

  append(element: string, property: string, items: readonly Json[]): void {
    const present = own(this.#existing(element), property);
    if (present !== undefined && !Array.isArray(present)) {
      throw new ChangeError("invalid_operation", "not an array", `append.${property}`);
    }
    this.#add({ type: "update", element, append: { [property]: items } });
  }

  splice(element: string, property: string, position: number, deleteCount: number, insert: string): void {
    const text = own(this.#existing(element), property);
    const edits = [[position, deleteCount, insert]] as const;
    if (typeof text !== "string")
      throw new ChangeError("invalid_operation", "not a text", `splice.${property}`);
    if (!spliceFits(text, edits)) {
      throw new ChangeError(
        "invalid_operation",
        "outside the text, or inside a surrogate pair",
        `splice.${property}`,
      );
    }
    this.#add({ type: "text", element, splice: { [property]: edits } });
  }

  edit(element: string, property: string, text: string): void {
    const present = own(this.#existing(element), property);
    if (present === text) return;
    if (typeof present !== "string") this.text(element, { [property]: text });
    else this.#add({ type: "text", element, splice: { [property]: differenceSplice(present, text) } });
  }

  delete(element: string, options: Pick<ChangeOptions, "extra"> = {}): void {
    this.#existing(element);
    this.#add({ type: "delete", element, ...options });
  }

  #write(type: OperationType, element: string, set: PropertiesToSet, { unset, extra }: ChangeOptions): void {
    this.#existing(element);
    this.#add({
      type,
      element,
      set,
      ...(unset === undefined ? {} : { unset }),
      ...(extra === undefined ? {} : { extra }),
    });
  }

  #existing(element: string): Properties {
    const properties = this.get(element);
    if (properties === undefined) throw new ChangeError("element_not_found", `no element ${element}`);
    return properties;
  }

  #add(change: Omit<Operation, "id">): void {
    if (!this.#open) throw new ChangeError("invalid_operation", "the transaction has ended");
    const reading = readOperation(copyOf({ ...change, id: this.#newId() }));
    if (!reading.ok) {
      const code = reading.code === "too_large" ? "too_large" : "invalid_operation";
      throw new ChangeError(code, reading.message, reading.path);
    }
    const { operation } = reading;
    this.#touch(operation);
    this.operations.push(operation);
  }

  #touch(operation: Operation): void {
    this.#touched.set(operation.element, applyEffect(this.get(operation.element), operation));
  }
}

/** A copy; what cannot be copied as it is (a function, say), for the reading to name the place. */
function copyOf(change: Operation): unknown {
  try {
    return structuredClone(change);
  } catch {
    // A proxy of JSON (what frameworks make of an application's state) is read as what it stands for.
    return readOperation(change).ok ? JSON.parse(JSON.stringify(change)) : change;
  }
}
