/** What React reads of a document: values that stay the same object until they change. */
import type { Properties } from "../../shared/document/json.ts";
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentReplica } from "../index.ts";

/** Any document, whatever its elements. */
export type AnyDocument = Pick<
  DocumentReplica<object>,
  "elements" | "presence" | "version" | "pendingCount" | "on"
>;

export class DocumentStore {
  /** Grows with each change of elements. */
  revision = 0;
  readonly #document: AnyDocument;
  #elements: { readonly revision: number; readonly map: ReadonlyMap<string, object> } | undefined;
  #others: readonly SessionInfo[] | undefined;
  #progress: { readonly version: number; readonly pendingCount: number } | undefined;

  constructor(document: AnyDocument) {
    this.#document = document;
    document.on("change", () => {
      this.revision += 1;
    });
    document.on("presence", () => {
      this.#others = undefined;
    });
    document.on("progress", () => {
      this.#progress = undefined;
    });
  }

  /** A copy for each revision that is looked at: the document's own map changes in place. */
  get elements(): ReadonlyMap<string, object> {
    if (this.#elements?.revision !== this.revision)
      this.#elements = { revision: this.revision, map: new Map(this.#document.elements) };
    return this.#elements.map;
  }

  get others(): readonly SessionInfo[] {
    this.#others ??= [...this.#document.presence.others.values()];
    return this.#others;
  }

  get progress(): { readonly version: number; readonly pendingCount: number } {
    const { version, pendingCount } = this.#document;
    this.#progress ??= { version, pendingCount };
    return this.#progress;
  }
}

const stores = new WeakMap<AnyDocument, DocumentStore>();

/** The one store of a document, made before anybody listens: it hears of a change before the components do. */
export function storeOf(document: AnyDocument): DocumentStore {
  const store = stores.get(document) ?? new DocumentStore(document);
  stores.set(document, store);
  return store;
}

/** Whether two selections are equal: the same, or arrays, maps or objects of the same members. */
export function sameMembers(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && Object.is(b.get(key), value));
  if (Object.getPrototypeOf(a) !== Object.prototype || Object.getPrototypeOf(b) !== Object.prototype)
    return false;
  const keys = Object.keys(a);
  const left = a as Properties;
  const right = b as Properties;
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(right, key) && Object.is(left[key], right[key]))
  );
}
