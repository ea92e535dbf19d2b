/**
 * Writes a room's state beside the log: every so many operations, and when the room closes. Into a table of its own
 * and never by an UPDATE of a document in use, which would hold its row while it compresses and flushes. A snapshot
 * saves time only: a missed one costs the next reader a longer log, so that a failure is logged and no more.
 */
import { setImmediate as turn } from "node:timers/promises";
import { freezeMemory } from "../../shared/document/document-memory.ts";
import { encodeMemory } from "../../shared/document/memory.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { Store } from "../store/store.ts";
import type { EncodedState } from "./encoded-state.ts";

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

/** `documents.content` follows at once up to this size, else when nobody is in the document. */
const smallContentBytes = 64 * 1024;

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  #writtenVersion = 0;
  #writing: Promise<void> | undefined;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
  }

  /** The room was opened from a snapshot at this version (0: from the log alone). */
  opened(version: number): void {
    this.#writtenVersion = version;
    this.advanced();
  }

  /** The room's version has moved. */
  advanced(): void {
    const { source, config } = this.#options;
    if (source.state.version - this.#writtenVersion < config.snapshots.everyOperations) return;
    this.#writing ??= this.#write(false).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Writes the last state, where it is not written yet. */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#options.source.state.version > this.#writtenVersion) await this.#write(true);
  }

  async #write(closing: boolean): Promise<void> {
    const { source, store, log, config } = this.#options;
    const { docId } = source;
    // Both of this moment, whatever is committed while they are encoded.
    const frozen = freezeMemory(source.state.memory);
    const { version, operationId, parts } = source.encoded(0);
    const since = this.#writtenVersion;
    this.#writtenVersion = version;
    try {
      const elements = await parts;
      const memory: string[] = [];
      for (const part of encodeMemory(frozen)) {
        memory.push(part);
        await turn();
      }
      await store.snapshots.write(docId, { version, operationId, elements, memory });
      const size = elements.reduce((sum, part) => sum + part.length, 0);
      if (closing || size <= smallContentBytes) {
        await store.documents.writeContent(docId, version, Buffer.from(`{${elements.join(",")}}`));
      }
      const kept = await store.snapshots.list(docId);
      const versions = kept.map((each) => each.version);
      const max = config.retention.snapshotsPerDocument;
      const marked = versions.length > max ? await store.versions.marked(docId) : [];
      const superfluous = thin(versions, max, nearest(versions, marked));
      if (superfluous.length > 0) await store.snapshots.remove(docId, superfluous);
    } catch (cause) {
      this.#writtenVersion = since;
      log.warn({ err: cause, version }, "snapshot not written");
    }
  }
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
