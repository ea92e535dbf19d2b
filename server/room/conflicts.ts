/**
 * The conflict records of a document that may still be joined, what is held back in them, and their news to the
 * members.
 *
 * A record that another instance made is read before anything further is decided (`ready`): otherwise the next
 * collision of the same two people would make a second record beside it. One that another instance resolved, or made
 * of what a resolver had not seen, comes with no operation of its own: when the document's revision has grown,
 * `lookAgain` reads what is unresolved now. `resolved` is told after the room has reached where the database stood
 * then, so that it comes after the operations of the choice; `conflict`, too, where the record that was read names
 * operations that have not come yet.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ConflictWrite, recordConflicts } from "../../shared/document/conflict-record.ts";
import type { ConflictInfo } from "../../shared/protocol/messages.ts";
import type { ConflictRecord, ConflictResolve, LoadedDocument, Store } from "../store/store.ts";
import { HeldBack } from "./held-back.ts";
import { Repeatable, readAgainMs } from "./repeatable.ts";
import type { DecidedEntry } from "./submit-room.ts";
import { decodeSequenced } from "./wire.ts";

/** At most one frame a record and second. */
const frameEveryMs = 1_000;
/** How long after its last collision a record is joined (protocol section 3). */
export const joinWithinMs = 10_000;
const nothingToRecord = { writes: [], byOperation: new Map<string, string>() };
/** Operation ids of a record on the wire. */
const maxShownOperations = 100;

export interface RoomConflictsOptions {
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly docId: string;
  readonly store: Pick<Store, "conflicts" | "operations">;
  /** The room's version. */
  readonly version: () => number;
  /** Whether an operation is among the latest of the log, as far as the room has it. */
  readonly hasRecent: (operationId: string) => boolean;
  /** Resolves when the room stands where the database stands now; undefined: it has ended. */
  readonly reach: () => Promise<unknown>;
  readonly broadcast: (text: string) => void;
  /** Called when what was waited for is there. */
  readonly onReady: () => void;
}

export class RoomConflicts {
  readonly #options: RoomConflictsOptions;
  readonly heldBack = new HeldBack();
  /** By id: those of the last seconds, and all that are unresolved. */
  readonly #recent = new Map<string, ConflictRecord>();
  readonly #unread = new Set<string>();
  readonly #changed = new Set<string>();
  /** The database's clock as this instance knows it: the newest commit seen, and when. */
  #databaseAt = "";
  #seenAtMs = 0;
  readonly #reading: Repeatable;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    { recentConflicts, heldBack, now }: Pick<LoadedDocument, "recentConflicts" | "heldBack" | "now">,
    options: RoomConflictsOptions,
  ) {
    this.#options = options;
    this.clock(now);
    for (const record of recentConflicts) this.#recent.set(record.id, record);
    for (const row of heldBack) this.heldBack.add(decodeSequenced(row));
    this.#reading = new Repeatable(() => this.#read());
  }

  /** A record that is unresolved, or was lately. */
  get(id: string): ConflictRecord | undefined {
    return this.#recent.get(id);
  }

  get ready(): boolean {
    return this.#unread.size === 0;
  }

  /** Remembers the database's clock. */
  clock(at: string): void {
    this.#databaseAt = at;
    this.#seenAtMs = this.#options.nowMs();
  }

  /** The records that a proposal makes or joins, and the record of each operation. */
  record(decided: readonly DecidedEntry[]): {
    writes: readonly ConflictWrite[];
    byOperation: ReadonlyMap<string, string>;
  } {
    let collides = false;
    for (const { decision } of decided) {
      const moved = decision.resolution?.moved;
      if (moved !== undefined) return { writes: [moved], byOperation: new Map() };
      for (const { collisions } of decision.operations) if (collisions.length > 0) collides = true;
    }
    if (!collides) return nothingToRecord;
    this.#forgetOld();
    return recordConflicts({
      decided: decided.flatMap(({ decision }) => decision.operations),
      recent: this.#recent.values(),
      newId: this.#options.newId,
    });
  }

  /** A proposal that makes, joins and resolves these is stored; `isBehind`: the room has not reached its operations yet. */
  committed(
    writes: readonly ConflictWrite[],
    resolves: readonly (ConflictResolve & { readonly record: ConflictRecord })[],
    at: string,
    isBehind: boolean,
  ): void {
    for (const { record, resolvedBy, operations } of resolves) {
      this.heldBack.resolve(operations);
      const resolved = { ...(this.#recent.get(record.id) ?? record), resolvedBy, resolvedAt: at };
      if (isBehind) void this.#tellResolved([resolved]);
      else this.#resolved(resolved);
    }
    for (const write of writes) {
      this.#recent.set(write.id, written(write, this.#recent.get(write.id), this.#options.docId, at));
      if (resolves.length > 0) this.heldBack.move(write.operations, write.id);
      this.#tell(write.id);
    }
  }

  /** Others committed operations that belong to these records. */
  heard(ids: Iterable<string>): void {
    for (const id of ids) this.#unread.add(id);
    if (this.#unread.size > 0) void this.#reading.start();
  }

  /**
   * The revision has grown by what the log does not say: records resolved, or made of what was moved, or only a lock.
   * Thousands may wait, so which they are comes first, and what is not as it was known is read.
   */
  async lookAgain(): Promise<void> {
    const { docId, store, version } = this.#options;
    const unlike = this.heldBack.records();
    for (const { id, resolvedAt } of this.#recent.values()) if (resolvedAt === null) unlike.add(id);
    if (unlike.size === 0) return;
    const stoodAt = version();
    for (const { id, lastAt } of await store.conflicts.unresolved(docId)) {
      if (this.#recent.get(id)?.lastAt === lastAt) unlike.delete(id);
      else unlike.add(id);
    }
    if (unlike.size === 0) return;
    const waiting = await store.operations.pending(docId);
    for (const { conflict } of waiting)
      if (conflict !== null && !this.#recent.has(conflict)) unlike.add(conflict);
    const records = await store.conflicts.getMany(docId, [...unlike]);
    this.heldBack.correct(waiting, stoodAt);
    this.#readAgain(unlike, records);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #read(): Promise<void> {
    const { docId, store } = this.#options;
    const ids = [...this.#unread];
    try {
      this.#readAgain(ids, await store.conflicts.getMany(docId, ids));
    } catch {
      // The database is away, and so is everything that could collide: the next to read it brings them, or nobody.
    }
    for (const id of ids) this.#unread.delete(id);
    this.#options.onReady();
  }

  #readAgain(asked: Iterable<string>, records: readonly ConflictRecord[]): void {
    this.#forgetOld();
    // Resolved while this instance heard nothing, and archived since: whoever went on joining it would be told
    // `resolved` again and again.
    const found = new Set(records.map(({ id }) => id));
    for (const id of asked) if (!found.has(id)) this.#recent.delete(id);
    const resolved: ConflictRecord[] = [];
    for (const record of records) {
      const before = this.#recent.get(record.id);
      // One that this instance resolved or joined since it was read.
      if (before !== undefined && record.resolvedAt === null && isOlder(record, before)) continue;
      if (before?.resolvedAt === null && record.resolvedAt !== null) resolved.push(record);
      else {
        this.#recent.set(record.id, record);
        if (before === undefined || hasGrown(before, record)) this.#tell(record.id);
      }
    }
    if (resolved.length === 0) return;
    void this.#tellResolved(resolved);
  }

  /** What nobody joins any more. */
  #forgetOld(): void {
    const before = this.#now() - joinWithinMs;
    for (const [id, { resolvedAt, lastAt }] of this.#recent)
      if (resolvedAt !== null && Date.parse(lastAt) < before) this.#recent.delete(id);
  }

  /** Where the database stands now; as often as it takes, since nothing is told before what it speaks of. */
  async #reach(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#options.reach();
        return;
      } catch {
        await delay(readAgainMs);
      }
    }
  }

  /** When the operations of the choice are here; not to be joined from now on. */
  async #tellResolved(records: readonly ConflictRecord[]): Promise<void> {
    for (const record of records) {
      this.#recent.set(record.id, record);
      this.#changed.delete(record.id);
    }
    await this.#reach();
    for (const record of records) if (!this.#closed) this.#resolved(record);
  }

  #resolved(record: ConflictRecord): void {
    this.#recent.set(record.id, record);
    this.#changed.delete(record.id);
    this.#options.broadcast(JSON.stringify({ type: "resolved", conflict: conflictInfo(record) }));
  }

  #now(): number {
    return Date.parse(this.#databaseAt) + (this.#options.nowMs() - this.#seenAtMs);
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
    const ahead: ConflictRecord[] = [];
    for (const id of this.#changed) {
      const record = this.#recent.get(id);
      if (record === undefined) continue;
      const newest = record.operations.at(-1);
      if (newest === undefined || this.#options.hasRecent(newest)) this.#made(record);
      else ahead.push(record);
    }
    this.#changed.clear();
    if (ahead.length > 0) void this.#tellMade(ahead);
  }

  async #tellMade(records: readonly ConflictRecord[]): Promise<void> {
    await this.#reach();
    if (this.#closed) return;
    for (const record of records) {
      const now = this.#recent.get(record.id);
      // One that has grown or was resolved meanwhile is told by itself.
      if (now !== undefined && now.resolvedAt === record.resolvedAt && !hasGrown(record, now))
        this.#made(now);
    }
  }

  #made(record: ConflictRecord): void {
    this.#options.broadcast(JSON.stringify({ type: "conflict", conflict: conflictInfo(record) }));
  }
}

/** Whether a record as it was read is not resolved yet, or lacks a collision, as the other is or has. */
function isOlder(read: ConflictRecord, known: ConflictRecord): boolean {
  return known.resolvedAt !== null || Date.parse(read.lastAt) < Date.parse(known.lastAt);
}

function hasGrown(before: ConflictRecord, after: ConflictRecord): boolean {
  return before.lastAt !== after.lastAt || before.operations.at(-1) !== after.operations.at(-1);
}

/** A record after a write: made, or joined. */
function written(
  write: ConflictWrite,
  before: ConflictRecord | undefined,
  docId: string,
  at: string,
): ConflictRecord {
  const { id, element, resolvedBy, description } = write;
  const whole = write.properties.length === 0 || before?.properties.length === 0;
  const merged = before?.resolution === "lww" && write.resolution === "merge";
  const operations = [...new Set([...(before?.operations ?? []), ...write.operations])];
  return {
    id,
    docId,
    element,
    resolution: merged ? "merge" : (before?.resolution ?? write.resolution),
    resolvedBy,
    description,
    authors: before?.authors ?? write.authors,
    createdAt: before?.createdAt ?? at,
    resolvedAt: before?.resolvedAt ?? (resolvedBy === null ? null : at),
    lastAt: at,
    properties: whole ? [] : [...new Set([...(before?.properties ?? []), ...write.properties])],
    operations: operations.slice(-maxShownOperations),
  };
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
