/**
 * Images and files by the hash of their content. The document's row is not locked while megabytes are written: a put
 * that overlaps an archive or a revocation counts as having come before it, and the foreign key bars a purged document.
 */
import type { AssetRecord, AssetStore } from "../store.ts";
import type { Database } from "./database.ts";

/** Where a put stands before its body is sent: what is there already costs a look and no transfer. */
const look = {
  name: "asset_look",
  text: `SELECT d.state = 'active' AND d.metadata_version = $3 AS allowed,
      EXISTS (SELECT FROM assets a WHERE a.doc_id = d.id AND a.sha256 = $2) AS kept,
      coalesce((SELECT sum(a.bytes) FROM assets a WHERE a.doc_id = d.id), 0)::bigint AS bytes
    FROM documents d WHERE d.id = $1`,
};
const insert = {
  name: "asset_insert",
  text: `INSERT INTO assets (doc_id, sha256, content_type, bytes, body, created_by)
    SELECT d.id, $2, $4, $5, $6, $7 FROM documents d
    WHERE d.id = $1 AND d.state = 'active' AND d.metadata_version = $3
    ON CONFLICT (doc_id, sha256) DO NOTHING`,
};
const read = {
  name: "asset_get",
  text: `SELECT doc_id AS "docId", sha256, content_type AS "contentType", body FROM assets
    WHERE doc_id = $1 AND sha256 = $2`,
};
const exists = { name: "asset_has", text: "SELECT FROM assets WHERE doc_id = $1 AND sha256 = $2" };

interface LookRow {
  allowed: boolean;
  kept: boolean;
  bytes: number;
}

export function createAssets(database: Database): AssetStore {
  return {
    async put({ docId, sha256, contentType, body, createdBy, metadataVersion, maxBytesPerDocument }) {
      const lookUp = async () => (await database.rows<LookRow>(look, [docId, sha256, metadataVersion]))[0];
      const before = await lookUp();
      if (before === undefined) return { outcome: "missing" };
      if (!before.allowed) return { outcome: "changed" };
      if (before.kept) return { outcome: "kept" };
      if (maxBytesPerDocument > 0 && before.bytes + body.length > maxBytesPerDocument)
        return { outcome: "too_large" };
      const stored = await database.count(insert, [
        docId,
        sha256,
        metadataVersion,
        contentType,
        body.length,
        Buffer.from(body.buffer, body.byteOffset, body.length),
        createdBy,
      ]);
      if (stored > 0) return { outcome: "stored" };
      const after = await lookUp();
      if (after === undefined) return { outcome: "missing" };
      return { outcome: after.kept && after.allowed ? "kept" : "changed" };
    },
    async get(docId, sha256) {
      return (await database.rows<AssetRecord>(read, [docId, sha256]))[0];
    },
    async has(docId, sha256) {
      return (await database.rows(exists, [docId, sha256])).length > 0;
    },
  };
}
