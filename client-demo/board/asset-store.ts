import { AssetRefused, type AssetStore } from "../binding/index.ts";
import { type KeptFiles, keptFiles } from "./kept-files.ts";

const imageTypes = /^image\/(png|jpeg|gif|webp|svg\+xml|bmp|avif|x-icon)$/;

/** What trying again does not change, by status. */
const refusals: ReadonlyMap<number, string> = new Map([
  [413, "it is too large for this server, or the board has too many images"],
  [415, "this server takes no images of its kind"],
]);

/**
 * A board's files on the server, by the hash of their content, and in this browser: what waits for the server under the
 * editor's id, what was seen under its hash.
 */
export function assetStore(
  documentId: string,
  token: () => Promise<string>,
  kept: KeptFiles = keptFiles(),
): AssetStore {
  const here = (name: string): string => `${documentId}/${name}`;
  const keeping = new Set<string>();
  const path = (hash: string): string => `/v1/documents/${encodeURIComponent(documentId)}/assets/${hash}`;
  const call = async (method: "GET" | "PUT", hash: string, body?: Blob): Promise<Response> => {
    const headers = { authorization: `Bearer ${await token()}`, ...(body && { "content-type": body.type }) };
    const response = await fetch(path(hash), { method, headers, ...(body && { body }) });
    if (response.ok) return response;
    const reason = method === "PUT" ? refusals.get(response.status) : undefined;
    if (reason !== undefined) throw new AssetRefused(reason);
    throw new Error(`the server said ${response.status}`);
  };
  return {
    put: async (fileId, blob) => {
      if (!keeping.has(fileId)) await kept.put(here(fileId), blob, { waiting: true });
      keeping.add(fileId);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
      const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      await call("PUT", hash, blob).catch(async (error: unknown) => {
        // It will never be sent: kept on for this person, but no longer than there is room.
        if (error instanceof AssetRefused) await kept.put(here(fileId), blob, { waiting: false });
        throw error;
      });
      await kept.put(here(hash), blob, { waiting: false });
      // Not removed: the page may end before the document says where the bytes are.
      await kept.put(here(fileId), blob, { waiting: false });
      return hash;
    },
    unsent: (fileId) => kept.get(here(fileId)),
    get: async (hash) => {
      if (!/^[0-9a-f]{64}$/.test(hash)) throw new Error("no hash");
      const copy = await kept.get(here(hash));
      if (copy !== undefined) return copy;
      const blob = await (await call("GET", hash)).blob();
      if (!imageTypes.test(blob.type)) throw new Error(`no image: ${blob.type}`);
      await kept.put(here(hash), blob, { waiting: false });
      return blob;
    },
  };
}
