/**
 * Writes a room's state beside the log: now and then while it is in use, and when the room closes. Into tables of their
 * own and never by an UPDATE of a document in use, which would hold its row while it compresses and flushes. A snapshot
 * saves time only: a missed one costs the next reader a longer log, so that a failure is logged and no more.
 *
 * What it costs follows what changed, not the document: after so many operations, the elements touched since the last
 * whole snapshot, as long as they are few; otherwise another whole one, but not before as many operations have come as
 * the last one had elements. Until then the log that a reader applies costs about as much as the snapshot that it reads.
 */
import { setImmediate as turn } from "node:timers/promises";
import { freezeMemory, freezeTouched } from "../../shared/document/document-memory.ts";
import { encodeMemory } from "../../shared/document/memory.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { Store, StoredSnapshot } from "../store/store.ts";
import { type EncodedState, encodeElements } from "./encoded-state.ts";

/** What is written. */
export interface SnapshotSource {
  readonly docId: string;
  readonly state: DocumentState;
  /** Not older than this many operations. */
  encoded(maxLag: number): EncodedState;
}

export interface SnapshotWriterOptions {
  readonly source: SnapshotSource;
  readonly store: Pick<Store, "snapshots" | "documents" | "versions">;
  readonly log: Logger;
  readonly config: Pick<Config, "snapshots" | "retention">;
}

/** Up to this size always whole, and `documents.content` follows at once; else when nobody is in the document. */
const smallContentBytes = 64 * 1024;
/** Changes are one row of the database. */
const maxChangedElements = 2_000;
/** In UTF-16 units. */
const maxChangesLength = 1024 * 1024;
/** Reading this much of a whole snapshot costs about as much as replaying one operation. */
const bytesPerOperation = 1_024;

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  #writtenVersion = 0;
  /** The whole snapshot that what is touched is counted from; undefined: a whole one is next. */
  #base: number | undefined;
  /** How many operations cost a reader about as much as the last whole snapshot. */
  #wholeCost = 0;
  #writing: Promise<void> | undefined;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
  }

  /** The room was opened from this (undefined: from the log alone). */
  opened(snapshot: StoredSnapshot | undefined): void {
    this.#base = snapshot?.whole.version;
    if (snapshot !== undefined) this.#wholeCost = this.#cost();
    this.#writtenVersion = (snapshot?.changes ?? snapshot?.whole)?.version ?? 0;
    this.advanced();
  }

  /** The room's version has moved. */
  advanced(): void {
    const { source, config } = this.#options;
    const { version, elements, memory, bytes } = source.state;
    const behind = version - this.#writtenVersion;
    if (this.#writing !== undefined || behind < config.snapshots.everyOperations) return;
    const base = this.#base;
    const { size } = memory.touched;
    const isLarge = bytes > smallContentBytes;
    if (base !== undefined && isLarge && size <= maxChangedElements && size * 2 <= elements.size) {
      this.#start(() => this.#writeChanges(base));
    } else if (behind >= this.#wholeCost) {
      this.#start(() => this.#writeWhole(false));
    }
  }

  /** Writes the last state, where it is not written whole yet. */
  async close(): Promise<void> {
    await this.#writing;
    const { version } = this.#options.source.state;
    if (version > 0 && version !== this.#base) await this.#writeWhole(true);
  }

  #cost(): number {
    const { elements, bytes } = this.#options.source.state;
    return Math.max(elements.size, bytes / bytesPerOperation);
  }

  #start(write: () => Promise<void>): void {
    this.#writing = write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeChanges(base: number): Promise<void> {
    const { source, store } = this.#options;
    const { state, docId } = source;
    const { version, operationId } = state;
    const since = this.#writtenVersion;
    // All of this moment, whatever is committed while it is encoded.
    const entries = [...state.memory.touched].map((id) => [id, state.elements.get(id) ?? null] as const);
    const frozen = freezeTouched(state.memory);
    const isWritten = await this.#attempt(version, async () => {
      const elements = await encodeElements(entries);
      const memory = await inTurns(encodeMemory(frozen));
      if (lengthOf(elements) + lengthOf(memory) > maxChangesLength) return undefined;
      return store.snapshots.writeChanges(docId, { version, operationId, base, elements, memory });
    });
    if (isWritten) return;
    // Too large for a row, or the base is gone.
    this.#base = undefined;
    this.#writtenVersion = since;
  }

  async #writeWhole(closing: boolean): Promise<void> {
    const { source, store } = this.#options;
    const { state, docId } = source;
    // All of this moment.
    const frozen = freezeMemory(state.memory);
    const { version, operationId, parts } = source.encoded(0);
    // Not cleared: a set's old table keeps its new one alive, and so on, long after all of them are garbage.
    state.memory.touched = new Set();
    this.#base = undefined;
    this.#wholeCost = this.#cost();
    const isWritten = await this.#attempt(version, async () => {
      const elements = await parts;
      const memory = await inTurns(encodeMemory(frozen));
      const kept = await store.snapshots.write(docId, { version, operationId, elements, memory });
      if (kept !== undefined && (closing || lengthOf(elements) <= smallContentBytes)) {
        const content = Buffer.from(`{${elements.join(",")}}`);
        await store.documents.writeContent(docId, { version, operationId }, content);
      }
      return kept;
    });
    if (isWritten) this.#base = version;
  }

  /** Whether it was written; thins out what there is too much of then. */
  async #attempt(version: number, write: () => Promise<number | undefined>): Promise<boolean> {
    const { log, config } = this.#options;
    const since = this.#writtenVersion;
    this.#writtenVersion = version;
    try {
      const kept = await write();
      if (kept !== undefined && kept > config.retention.snapshotsPerDocument) await this.#thin();
      return kept !== undefined;
    } catch (cause) {
      this.#writtenVersion = since;
      log.warn({ err: cause, version }, "snapshot not written");
      return false;
    }
  }

  async #thin(): Promise<void> {
    const { source, store, config } = this.#options;
    const { docId } = source;
    const versions = (await store.snapshots.list(docId)).map(({ version }) => version);
    const spared = nearest(versions, await store.versions.marked(docId));
    await store.snapshots.remove(docId, thin(versions, config.retention.snapshotsPerDocument, spared));
  }
}

function lengthOf(parts: readonly string[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** A part a turn of the event loop. */
async function inTurns(parts: Iterable<string>): Promise<string[]> {
  const made: string[] = [];
  for (const part of parts) {
    made.push(part);
    await turn();
  }
  return made;
}

/**
 * The versions to give up so that `max` are left: every second of the older half, as often as needed, but for `spared`
 * ones, of which more than `max` may stay. The oldest always stays: what archiving left of the log begins there.
 */
export function thin(versions: readonly number[], max: number, spared: ReadonlySet<number>): number[] {
  let kept = [...versions];
  const given: number[] = [];
  while (kept.length > max) {
    const older = Math.ceil(kept.length / 2);
    const going = new Set(kept.filter((version, at) => at < older && at % 2 === 1 && !spared.has(version)));
    if (going.size === 0) break;
    given.push(...going);
    kept = kept.filter((version) => !going.has(version));
  }
  return given;
}

/** Of each named version the snapshot that its content is rebuilt from: the newest at or before it. */
function nearest(versions: readonly number[], named: readonly number[]): Set<number> {
  const found = named.flatMap((name) => versions.findLast((version) => version <= name) ?? []);
  return new Set(found);
}
