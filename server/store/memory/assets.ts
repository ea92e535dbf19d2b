/** Images and files. */
import type { AssetStore } from "../store.ts";
import type { MemoryState } from "./state.ts";

export function createAssets({ documents }: MemoryState): AssetStore {
  return {
    async put(asset) {
      const { createdBy: _by, metadataVersion, maxBytesPerDocument, ...record } = asset;
      const document = documents.get(asset.docId);
      if (document === undefined) return { outcome: "missing" };
      const { assets } = document;
      if (document.record.state !== "active" || document.record.metadataVersion !== metadataVersion)
        return { outcome: "changed" };
      if (assets.has(asset.sha256)) return { outcome: "kept" };
      const before = [...assets.values()].reduce((sum, { body }) => sum + body.length, 0);
      if (maxBytesPerDocument > 0 && before + asset.body.length > maxBytesPerDocument)
        return { outcome: "too_large" };
      assets.set(asset.sha256, record);
      return { outcome: "stored" };
    },
    async get(docId, sha256) {
      return documents.get(docId)?.assets.get(sha256);
    },
    async has(docId, sha256) {
      return documents.get(docId)?.assets.has(sha256) ?? false;
    },
  };
}
