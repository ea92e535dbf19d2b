/**
 * The past of an open document, for the policies that need it. A value at an old base is found from a copy of the
 * element map at some version before (its values are immutable) and the operations after that, which the room's tail
 * holds; only a base that neither reaches is read from the database, once for all who wait for it.
 */
import { applyEffect } from "../../shared/document/apply.ts";
import type { Elements, Properties } from "../../shared/document/json.ts";
import type { Author, SequencedOperation } from "../../shared/document/operation.ts";
import type { Past } from "../../shared/document/past.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { Store } from "../store/store.ts";
import type { HeldBack } from "./held-back.ts";
import { stateAt } from "./state-at.ts";
import type { Tail } from "./tail.ts";
import { decodeSequenced } from "./wire.ts";

/** Copies of the map that are kept. */
const maxCopies = 4;
/** A new copy is made of the present when the newest is this many operations old: the tail holds twice as many. */
const copyEveryOperations = 500;
/** What authors did since a base that the tail does not reach. */
const maxOwn = 8;
/** Versions of one read of an author's: most are others', so that few are answered. */
const partVersions = 5_000;

export interface PastSources {
  readonly docId: string;
  readonly store: Pick<Store, "snapshots" | "operations">;
  readonly state: DocumentState;
  /** It reaches up to the state's version. */
  readonly tail: () => Tail;
  readonly heldBack: HeldBack;
}

interface Copy {
  readonly version: number;
  /** Undefined: the log does not reach back so far, and no snapshot does. */
  readonly elements: Elements | undefined;
}

/** An author's operations after a base, up to a version that the tail goes on from, or did. */
interface OwnOperations {
  through: number;
  readonly operations: SequencedOperation[];
}

export class RoomPast implements Past {
  readonly #from: PastSources;
  /** Oldest first. */
  #copies: Copy[] = [];
  readonly #own = new Map<string, OwnOperations>();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(from: PastSources) {
    this.#from = from;
  }

  hasHeldBack(element: string, author: Author, version: number): boolean {
    return this.#from.heldBack.has(element, author, version);
  }

  element(element: string, version: number): Properties | null | undefined {
    const { state } = this.#from;
    const { memory } = state;
    const latest = memory.elements.get(element)?.latest.version ?? memory.since;
    // Nothing has touched it since.
    if (latest <= version && memory.since <= version) return state.elements.get(element) ?? null;
    const found = this.#fromCopy(element, version);
    this.#copyPresent();
    return found;
  }

  ownSince(element: string, author: Author, version: number): readonly SequencedOperation[] | undefined {
    const { state } = this.#from;
    const tail = this.#from.tail();
    const isOwn = ({ user, client }: SequencedOperation) => user === author.user && client === author.client;
    if (tail.leadsFrom(version, state.version)) {
      return tail.on(element, version, state.version).filter(isOwn);
    }
    const read = this.#own.get(ownKey(author, version));
    if (read === undefined || !tail.leadsFrom(read.through, state.version)) return undefined;
    const since = tail.on(element, read.through, state.version).filter(isOwn);
    return [...read.operations.filter((each) => each.element === element), ...since];
  }

  /** Reads what the two above did not have. Rejects with `StoreUnavailable`. */
  async read(version: number, author: Author): Promise<void> {
    await this.#once(`at ${version}`, () => this.#readState(version));
    // Last: only for a while does the tail go on from it.
    await this.#readOwn(version, author);
  }

  /**
   * From where the last read ended: on a hot document the tail has left it behind by the time somebody asks again, and
   * a read that began anew would lose that race each time.
   */
  #readOwn(version: number, author: Author): Promise<void> {
    const key = ownKey(author, version);
    return this.#once(key, async () => {
      const { docId, store, state, tail } = this.#from;
      if (tail().leadsFrom(version, state.version)) return;
      const read = this.#own.get(key) ?? { through: version, operations: [] };
      while (!tail().leadsFrom(read.through, state.version)) {
        const to = Math.min(state.version, read.through + partVersions);
        const rows = await store.operations.byAuthor(docId, author, read.through + 1, to);
        for (const row of rows) read.operations.push(decodeSequenced(row));
        read.through = to;
      }
      this.#own.delete(key);
      this.#own.set(key, read);
      for (const [oldest] of this.#own) {
        if (this.#own.size <= maxOwn) break;
        this.#own.delete(oldest);
      }
    });
  }

  async #readState(version: number): Promise<void> {
    if (this.#copies.some((copy) => copy.version === version)) return;
    const { docId, store } = this.#from;
    const found = await stateAt(store, docId, version);
    this.#keep({ version, elements: found?.elements });
  }

  /** One read for all who ask meanwhile. */
  #once(key: string, work: () => Promise<void>): Promise<void> {
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      reading = work().finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  #fromCopy(element: string, version: number): Properties | null | undefined {
    const { state } = this.#from;
    const tail = this.#from.tail();
    let best: Copy | undefined;
    for (const copy of this.#copies) {
      const leads = copy.version === version || tail.leadsFrom(copy.version, state.version);
      if (copy.version <= version && leads && (best === undefined || copy.version > best.version))
        best = copy;
    }
    if (best === undefined) return undefined;
    if (best.elements === undefined) return best.version === version ? null : undefined;
    let properties = best.elements.get(element);
    if (best.version < version) {
      for (const operation of tail.on(element, best.version, version)) {
        if (operation.status === "applied") properties = applyEffect(properties, operation);
      }
    }
    return properties ?? null;
  }

  #copyPresent(): void {
    const { version, elements } = this.#from.state;
    const newest = this.#copies.reduce((latest, copy) => Math.max(latest, copy.version), 0);
    if (version - newest >= copyEveryOperations) this.#keep({ version, elements: new Map(elements) });
  }

  #keep(copy: Copy): void {
    this.#copies = [...this.#copies.filter(({ version }) => version !== copy.version), copy].slice(
      -maxCopies,
    );
  }
}

function ownKey({ user, client }: Author, version: number): string {
  return `${version}\n${user}\n${client}`;
}
