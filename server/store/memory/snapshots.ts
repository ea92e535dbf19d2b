import type { Snapshot, SnapshotStore, StoredSnapshot } from "../store.ts";
import { isOfHistory, type MemoryDocument, type MemoryState } from "./state.ts";

/** Snapshots in memory. */
export function createSnapshots(state: MemoryState): SnapshotStore {
  const isSame = (kept: Snapshot, { operationId }: Snapshot) =>
    kept.operationId === null || operationId === null || kept.operationId === operationId;
  const kept = ({ snapshots, changes }: MemoryDocument) => snapshots.size + changes.size;
  return {
    async write(docId, snapshot) {
      const document = state.documents.get(docId);
      if (document === undefined) return undefined;
      const present = document.snapshots.get(snapshot.version);
      if (present !== undefined) return isSame(present, snapshot) ? kept(document) : undefined;
      if (!isOfHistory(document, snapshot)) return undefined;
      document.snapshots.set(snapshot.version, snapshot);
      return kept(document);
    },
    async writeChanges(docId, changes) {
      const document = state.documents.get(docId);
      if (document === undefined || !document.snapshots.has(changes.base)) return undefined;
      const present = document.changes.get(changes.version);
      if (present !== undefined) return isSame(present, changes) ? kept(document) : undefined;
      if (!isOfHistory(document, changes)) return undefined;
      document.changes.set(changes.version, changes);
      return kept(document);
    },
    async nearest(docId, atMost) {
      const document = state.documents.get(docId);
      return document && nearestSnapshot(document, 0, atMost);
    },
    async list(docId) {
      const document = state.documents.get(docId);
      if (document === undefined) return [];
      const info = ({ version, operationId, elements, memory }: Snapshot, base: number | null) => {
        const bytes = [...elements, ...memory].reduce((sum, part) => sum + Buffer.byteLength(part), 0);
        return { version, operationId, bytes, base };
      };
      const whole = [...document.snapshots.values()].map((snapshot) => info(snapshot, null));
      const changes = [...document.changes.values()]
        .filter(({ version }) => !document.snapshots.has(version))
        .map((each) => info(each, each.base));
      return [...whole, ...changes].sort((a, b) => a.version - b.version);
    },
    async remove(docId, versions) {
      const document = state.documents.get(docId);
      if (document === undefined) return;
      for (const version of versions) document.changes.delete(version);
      const needed = new Set([...document.changes.values()].map(({ base }) => base));
      for (const version of versions) {
        if (version !== document.retainedFrom - 1 && !needed.has(version)) document.snapshots.delete(version);
      }
    },
  };
}

/** The newest between two versions, bounds inclusive. */
export function nearestSnapshot(
  { snapshots, changes }: MemoryDocument,
  atLeast: number,
  atMost: number,
): StoredSnapshot | undefined {
  const newest = (versions: Iterable<number>) =>
    Math.max(...[...versions].filter((version) => version >= atLeast && version <= atMost), -1);
  const changed = changes.get(newest(changes.keys()));
  const version = newest(snapshots.keys());
  const further = changed !== undefined && changed.version > version ? changed : undefined;
  const whole = snapshots.get(further?.base ?? version);
  return whole === undefined ? undefined : { whole, changes: further };
}
