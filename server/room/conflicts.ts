/**
 * The conflict records of a document that may still be joined, and their news to the members.
 *
 * A record that another instance made is read before anything further is decided (`ready`): otherwise the next
 * collision of the same two people would make a second record beside it.
 */
import {
  type ConflictWrite,
  type RecentConflict,
  recordConflicts,
} from "../../shared/document/conflict-record.ts";
import type { ConflictInfo } from "../../shared/protocol/messages.ts";
import type { ConflictRecord } from "../store/store.ts";
import { Repeatable } from "./repeatable.ts";
import type { DecidedEntry } from "./submit.ts";

/** At most one frame a record and second. */
const frameEveryMs = 1_000;
/** How long after its last collision a record is joined (protocol section 3). */
export const joinWithinMs = 10_000;
/** Operation ids of a record on the wire. */
const maxShownOperations = 100;

export interface RoomConflictsOptions {
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly read: (ids: readonly string[]) => Promise<readonly ConflictRecord[]>;
  readonly broadcast: (text: string) => void;
  /** Called when what was waited for is there. */
  readonly onReady: () => void;
}

export class RoomConflicts {
  readonly #options: RoomConflictsOptions;
  readonly #recent = new Map<string, ConflictRecord>();
  readonly #unread = new Set<string>();
  readonly #changed = new Set<string>();
  /** The database's clock as this instance knows it: the newest commit seen, and when. */
  #databaseMs = 0;
  #seenAtMs = 0;
  readonly #reading: Repeatable;
  #timer: NodeJS.Timeout | undefined;

  constructor(recent: readonly ConflictRecord[], options: RoomConflictsOptions) {
    this.#options = options;
    for (const record of recent) this.#recent.set(record.id, record);
    this.#reading = new Repeatable(() => this.#read());
  }

  get ready(): boolean {
    return this.#unread.size === 0;
  }

  /** Remembers the database's clock. */
  clock(at: string): void {
    this.#databaseMs = Date.parse(at);
    this.#seenAtMs = this.#options.nowMs();
  }

  /** The records that a proposal makes or joins, and the record of each operation. */
  record(decided: readonly DecidedEntry[]): {
    writes: ConflictWrite[];
    byOperation: ReadonlyMap<string, string>;
  } {
    if (
      !decided.some(({ decision }) => decision.operations.some(({ collisions }) => collisions.length > 0))
    ) {
      return { writes: [], byOperation: new Map() };
    }
    const now = this.#now();
    const recent: RecentConflict[] = [];
    for (const [id, record] of this.#recent) {
      if (Date.parse(record.lastAt) < now - joinWithinMs) this.#recent.delete(id);
      else recent.push(record);
    }
    return recordConflicts({
      decided: decided.flatMap(({ decision }) => decision.operations),
      recent,
      newId: this.#options.newId,
    });
  }

  /** A proposal with these records is stored. */
  committed(docId: string, writes: readonly ConflictWrite[], at: string): void {
    for (const write of writes) {
      const before = this.#recent.get(write.id);
      const { id, element, resolution, resolvedBy, description, authors } = write;
      const whole = write.properties.length === 0 || before?.properties.length === 0;
      this.#recent.set(id, {
        id,
        docId,
        element,
        resolution,
        resolvedBy,
        description: before?.description ?? description,
        authors: before?.authors ?? authors,
        createdAt: before?.createdAt ?? at,
        resolvedAt: before?.resolvedAt ?? (resolvedBy === null ? null : at),
        lastAt: at,
        properties: whole ? [] : [...new Set([...(before?.properties ?? []), ...write.properties])],
        operations: [...new Set([...(before?.operations ?? []), ...write.operations])].slice(
          -maxShownOperations,
        ),
      });
      this.#tell(id);
    }
  }

  /** Others committed operations that belong to these records. */
  heard(ids: Iterable<string>): void {
    for (const id of ids) this.#unread.add(id);
    if (this.#unread.size > 0) void this.#reading.start();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #read(): Promise<void> {
    const ids = [...this.#unread];
    try {
      for (const record of await this.#options.read(ids)) {
        this.#recent.set(record.id, record);
        this.#tell(record.id);
      }
    } catch {
      // The database is away, and so is everything that could collide: the next to read it brings them, or nobody.
    }
    for (const id of ids) this.#unread.delete(id);
    this.#options.onReady();
  }

  #now(): number {
    return this.#databaseMs + (this.#options.nowMs() - this.#seenAtMs);
  }

  #tell(id: string): void {
    this.#changed.add(id);
    if (this.#timer !== undefined) return;
    this.#flush();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#changed.size > 0) for (const changed of [...this.#changed]) this.#tell(changed);
    }, frameEveryMs);
  }

  #flush(): void {
    for (const id of this.#changed) {
      const record = this.#recent.get(id);
      if (record === undefined) continue;
      this.#options.broadcast(JSON.stringify({ type: "conflict", conflict: conflictInfo(record) }));
    }
    this.#changed.clear();
  }
}

/** A record as the wire shows it. */
export function conflictInfo(record: ConflictRecord): ConflictInfo {
  const { id, element, properties, operations, resolution, createdAt, resolvedAt, resolvedBy, description } =
    record;
  return {
    id,
    element,
    properties,
    operations: operations.slice(-maxShownOperations),
    resolution,
    createdAt,
    resolvedAt,
    resolvedBy,
    description,
  };
}
