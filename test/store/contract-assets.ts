import { createHash } from "node:crypto";
import { uuidv7 } from "uuidv7";
import { describe, expect, test } from "vitest";
import type { NewAsset } from "../../server/store/store.ts";
import { newDocument } from "./fixtures.ts";
import type { Subject } from "./subject.ts";

const asset = (docId: string, text: string, more: Partial<NewAsset> = {}): NewAsset => {
  const body = new TextEncoder().encode(text);
  return {
    docId,
    sha256: createHash("sha256").update(body).digest("hex"),
    contentType: "text/plain",
    body,
    createdBy: "ann",
    metadataVersion: 1,
    maxBytesPerDocument: 0,
    ...more,
  };
};

export function assetContract(subject: () => Subject): void {
  describe("assets", () => {
    const create = async () => {
      const { id } = newDocument();
      await subject().store.documents.create(newDocument({ id }));
      return id;
    };

    test("[store/assets] what was put is read again; a repeat keeps the first; another document has none of it", async () => {
      const { assets } = subject().store;
      const [docId, other] = [await create(), await create()];
      const first = asset(docId, "one");
      expect(await assets.has(docId, first.sha256)).toBe(false);
      expect(await assets.get(docId, first.sha256)).toBeUndefined();
      expect(await assets.put(first)).toEqual({ outcome: "stored" });
      expect(await assets.put({ ...first, contentType: "image/png" })).toEqual({ outcome: "kept" });
      const read = await assets.get(docId, first.sha256);
      expect(read).toMatchObject({ docId, sha256: first.sha256, contentType: "text/plain" });
      expect(Buffer.from(read?.body ?? []).toString()).toBe("one");
      expect(await assets.has(docId, first.sha256)).toBe(true);
      expect(await assets.has(other, first.sha256)).toBe(false);
      expect(await assets.put(asset(docId, ""))).toEqual({ outcome: "stored" });
    });

    test("[store/assets] a quota holds for all of a document, at it and one past; a repeat needs none", async () => {
      const { assets } = subject().store;
      const docId = await create();
      const put = (text: string) => assets.put(asset(docId, text, { maxBytesPerDocument: 10 }));
      expect(await put("1234")).toEqual({ outcome: "stored" });
      expect(await put("1234567")).toEqual({ outcome: "too_large" });
      expect(await put("123456")).toEqual({ outcome: "stored" });
      expect(await put("1234")).toEqual({ outcome: "kept" });
    });

    test("[store/assets] nothing is put where the metadata moved, the document is not active, or gone", async () => {
      const { assets, documents } = subject().store;
      const docId = await create();
      expect(await assets.put(asset(docId, "x", { metadataVersion: 2 }))).toEqual({ outcome: "changed" });
      await documents.update(docId, { state: "archived" }, "ann");
      expect(await assets.put(asset(docId, "x", { metadataVersion: 2 }))).toEqual({ outcome: "changed" });
      expect(await assets.put(asset(uuidv7(), "x"))).toEqual({ outcome: "missing" });
    });

    test("[store/assets] purge removes a document's assets", async () => {
      const { assets, documents } = subject().store;
      const docId = await create();
      const kept = Array.from({ length: 45 }, (_, index) => asset(docId, `asset ${index}`));
      for (const one of kept) await assets.put(one);
      await documents.purge(docId);
      for (const { sha256 } of kept) expect(await assets.has(docId, sha256)).toBe(false);
    });
  });
}
