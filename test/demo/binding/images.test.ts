import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Properties } from "../../../client/index.ts";
import { AssetRefused, type AssetStore, bindImages } from "../../../client-demo/binding/images.ts";

const minute = 60_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** Lets time pass, and what is awaited meanwhile happen. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    vi.advanceTimersByTime(100);
    for (let i = 0; i < 3; i += 1) await new Promise(setImmediate);
  }
}

/** An editor and a board with one pasted image, over a store that does what `put` does. */
function pasted(put: AssetStore["put"]) {
  const listeners = new Map<string, () => void>();
  const elements = new Map<string, Properties>([["picture", { type: "image" }]]);
  const file = { id: "f", mimeType: "image/png", dataURL: "data:image/png;base64,iVBORw0KGgo=", created: 0 };
  const waiting: number[] = [];
  const refused: string[] = [];
  const images = bindImages(
    {
      getSceneElementsIncludingDeleted: () => [{ id: "picture", type: "image", fileId: "f" } as never],
      getFiles: () => ({ f: file }),
      addFiles: () => {},
      onChange: () => () => {},
    },
    {
      elements,
      get: (id) => elements.get(id),
      transact: (change) =>
        change({ update: (id, set) => void elements.set(id, { ...elements.get(id), ...set }) }),
      on: (name, listener) => {
        listeners.set(name, listener);
        return () => {};
      },
    },
    { put, unsent: async () => undefined, get: () => Promise.reject(new Error("not stored")) },
    () => true,
    (count) => void waiting.push(count),
    (reason) => void refused.push(reason),
  );
  return { images, elements, waiting, refused, status: () => listeners.get("status")?.() };
}

test("[demo/images] an upload that is refused again and again is tried less and less often, and at once when the connection changes", async () => {
  let calls = 0;
  let isRefused = true;
  const { images, elements, waiting, status } = pasted(async () => {
    calls += 1;
    if (isRefused) throw new Error("the server said 413");
    return "hash";
  });
  await pass(20 * minute);
  // 3 + 6 + 12 + 24 + 48 s, then one a minute.
  expect(calls).toBeGreaterThanOrEqual(20);
  expect(calls).toBeLessThanOrEqual(25);
  expect(waiting.at(-1)).toBe(1);
  isRefused = false;
  const before = calls;
  status();
  await pass(1_000);
  expect(calls).toBe(before + 1);
  expect(elements.get("picture")?.asset).toBe("hash");
  expect(waiting.at(-1)).toBe(0);
  images.close();
});

test("[demo/images] nothing is tried after the end", async () => {
  let calls = 0;
  const { images } = pasted(async () => {
    calls += 1;
    throw new Error("offline");
  });
  await pass(1_000);
  expect(calls).toBe(1);
  images.close();
  await pass(minute);
  expect(calls).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("[demo/images] one that is refused for good is told once and not tried again", async () => {
  let calls = 0;
  const { images, waiting, refused, status } = pasted(async () => {
    calls += 1;
    throw new AssetRefused("it is too large");
  });
  await pass(minute);
  status();
  await pass(minute);
  expect(calls).toBe(1);
  expect(refused).toEqual(["it is too large"]);
  expect(waiting.at(-1)).toBe(0);
  images.close();
});
