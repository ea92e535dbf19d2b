import { afterEach, describe, expect, it, vi } from "vitest";
import { AssetRefused } from "../../client-demo/binding/index.ts";
import { assetStore } from "../../client-demo/board/asset-store.ts";

/** A store before a server that answers so, and whether what it keeps here still waits. */
function storeWhere(status: number) {
  vi.stubGlobal("fetch", async () => new Response(null, { status }));
  const waiting = new Map<string, boolean>();
  const store = assetStore("board", async () => "token", {
    get: async () => undefined,
    put: async (name, _blob, options) => void waiting.set(name, options.waiting),
  });
  return { store, waiting };
}

describe("an image that is put on the server", () => {
  afterEach(() => vi.unstubAllGlobals());
  const picture = new Blob(["a picture"], { type: "image/png" });

  it("[demo/images] waits for a server that cannot take it now", async () => {
    const { store, waiting } = storeWhere(503);
    await expect(store.put("f", picture)).rejects.toThrow("the server said 503");
    expect([...waiting]).toEqual([["board/f", true]]);
  });

  it.each([413, 415])(
    "[demo/images] waits no more when it is refused with %i: it may make room for others",
    async (status) => {
      const { store, waiting } = storeWhere(status);
      await expect(store.put("f", picture)).rejects.toThrow(AssetRefused);
      expect([...waiting]).toEqual([["board/f", false]]);
    },
  );
});
