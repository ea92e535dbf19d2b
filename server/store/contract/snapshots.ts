/** Snapshots of the state beside the log. */
/**
 * A document's state at a version, in parts of about 256 KiB.
 * `elements`: each part the inside of a JSON object (`"id":{…},"id2":{…}`), ready to be placed into a frame.
 * `memory`: the parts that `shared/document/memory.ts` writes.
 */
export interface Snapshot {
  readonly version: number;
  readonly operationId: string | null;
  readonly elements: readonly string[];
  readonly memory: readonly string[];
}

/**
 * What differs from an earlier whole snapshot, its base, of about a megabyte at most: parts to be read after those of the
 * base, whose elements they replace (null: it is gone).
 */
export interface SnapshotChanges extends Snapshot {
  readonly base: number;
}

/** What is read: a whole snapshot and the changes that lead on from it. */
export interface StoredSnapshot {
  readonly whole: Snapshot;
  readonly changes: SnapshotChanges | undefined;
}

export interface SnapshotInfo {
  readonly version: number;
  readonly operationId: string | null;
  /** About: as stored. */
  readonly bytes: number;
  /** Of changes: the version of the whole snapshot that they are read with; null: it is a whole one. */
  readonly base: number | null;
}

/**
 * Snapshots save time only. Writing and removing them is not flushed at once: a crash of the database may lose the
 * last ones, in the order in which they were written, unless something was committed durably since.
 */
export interface SnapshotStore {
  /**
   * Visible as a whole or not at all; no-op at a version that has one. Answers about how many the document keeps;
   * undefined: it has none of this history at this version now (the document is gone, or lives in another one).
   */
  write(docId: string, snapshot: Snapshot): Promise<number | undefined>;
  /** The same for changes; undefined when the base is gone, too. */
  writeChanges(docId: string, changes: SnapshotChanges): Promise<number | undefined>;
  /** The newest at or before a version. */
  nearest(docId: string, atMost: number): Promise<StoredSnapshot | undefined>;
  /** What is kept, whole and changes, oldest first; of one version the whole one. */
  list(docId: string): Promise<SnapshotInfo[]>;
  /** Deletes what is kept of these versions, but for the snapshot that the retained log begins at and bases that are needed. */
  remove(docId: string, versions: readonly number[]): Promise<void>;
}
