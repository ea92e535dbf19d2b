import type { AssetStore } from "../binding/index.ts";

const imageTypes = /^image\/(png|jpeg|gif|webp|svg\+xml|bmp|avif|x-icon)$/;

/** A board's files on the server, by the hash of their content. */
export function assetStore(documentId: string, token: () => Promise<string>): AssetStore {
  const path = (hash: string): string => `/v1/documents/${encodeURIComponent(documentId)}/assets/${hash}`;
  const call = async (method: "GET" | "PUT", hash: string, body?: Blob): Promise<Response> => {
    const headers = { authorization: `Bearer ${await token()}`, ...(body && { "content-type": body.type }) };
    const response = await fetch(path(hash), { method, headers, ...(body && { body }) });
    if (!response.ok) throw new Error(`the server said ${response.status}`);
    return response;
  };
  return {
    put: async (bytes, mimeType) => {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      await call("PUT", hash, new Blob([bytes], { type: mimeType }));
      return hash;
    },
    get: async (hash) => {
      if (!/^[0-9a-f]{64}$/.test(hash)) throw new Error("no hash");
      const blob = await (await call("GET", hash)).blob();
      if (!imageTypes.test(blob.type)) throw new Error(`no image: ${blob.type}`);
      return blob;
    },
  };
}
