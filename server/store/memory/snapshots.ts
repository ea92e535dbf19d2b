import type { SnapshotStore } from "../store.ts";
import type { MemoryState } from "./state.ts";

/** Snapshots in memory. */
export function createSnapshots(state: MemoryState): SnapshotStore {
  return {
    async write(docId, snapshot) {
      const document = state.documents.get(docId);
      if (document === undefined || snapshot.version > document.record.version) return;
      if (!document.snapshots.has(snapshot.version)) document.snapshots.set(snapshot.version, snapshot);
    },
    async nearest(docId, atMost) {
      return [...(state.documents.get(docId)?.snapshots.values() ?? [])]
        .filter(({ version }) => version <= atMost)
        .sort((a, b) => b.version - a.version)[0];
    },
    async list(docId) {
      return [...(state.documents.get(docId)?.snapshots.values() ?? [])]
        .map(({ version, operationId, elements, memory }) => ({
          version,
          operationId,
          bytes: [...elements, ...memory].reduce((sum, part) => sum + Buffer.byteLength(part), 0),
        }))
        .sort((a, b) => a.version - b.version);
    },
    async remove(docId, versions) {
      const document = state.documents.get(docId);
      if (document === undefined) return;
      for (const version of versions)
        if (version !== document.retainedFrom - 1) document.snapshots.delete(version);
    },
  };
}
