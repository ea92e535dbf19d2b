import "fake-indexeddb/auto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { indexedDbStorage, memoryStorage, type ReplicaStorage } from "../../client/index.ts";
import { fileStorage } from "../../client/node.ts";

const folder = await mkdtemp(path.join(tmpdir(), "aetherflow-storage-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Web Locks within one process; Node.js 20 has none. */
function withLocks(): void {
  const held = new Set<string>();
  const locks = {
    request: async (name: string, _options: unknown, use: (lock: unknown) => unknown) => {
      if (held.has(name)) return use(null);
      held.add(name);
      try {
        return await use({ name });
      } finally {
        held.delete(name);
      }
    },
  };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
}
withLocks();

let files = 0;
const implementations: readonly [string, () => ReplicaStorage][] = [
  ["memoryStorage", () => memoryStorage()],
  ["indexedDbStorage", () => indexedDbStorage(`test-${++files}`)],
  ["fileStorage", () => fileStorage(path.join(folder, String(++files)))],
];

describe.each(implementations)("[sdk/storage] %s", (_name, make) => {
  test("brings back what was saved, change upon change", async () => {
    const storage = make();
    expect(await storage.load("s", "c")).toBeUndefined();
    const head = { version: 1, unsent: [] };
    await storage.save("s", "c", {
      whole: true,
      head,
      elements: new Map([
        ["a", { x: 1 }],
        ["b", { x: 2 }],
      ]),
    });
    const next = { version: 2, operationId: "o", unsent: [{ element: "a", operations: [], low: 1 }] };
    await storage.save("s", "c", {
      whole: false,
      head: next,
      elements: new Map([
        ["a", null],
        ["c", { text: "ü" }],
      ]),
    });
    const stored = await storage.load("s", "c");
    expect(stored?.head).toEqual(next);
    expect(Object.fromEntries(stored?.elements ?? [])).toEqual({ b: { x: 2 }, c: { text: "ü" } });
    await storage.save("s", "c", { whole: true, head, elements: new Map([["d", {}]]) });
    expect(Object.fromEntries((await storage.load("s", "c"))?.elements ?? [])).toEqual({ d: {} });
  });

  test("keeps scopes and replicas apart, lists the last saved first, and forgets", async () => {
    const storage = make();
    for (const clientId of ["one", "two", "a/b"]) {
      const elements = new Map([[clientId.replace("/", "_"), {}]]);
      await storage.save("s", clientId, { whole: true, head: { version: 1, unsent: [] }, elements });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await storage.list("s")).toEqual(["a/b", "two", "one"]);
    expect(await storage.list("t")).toEqual([]);
    await storage.remove("s", "two");
    // A change that continues nothing would be half a document.
    const late = { whole: false, head: { version: 2, unsent: [] }, elements: new Map() };
    expect(await storage.save("s", "two", late)).toBe("missing");
    expect(await storage.list("s")).toEqual(["a/b", "one"]);
    expect([...((await storage.load("s", "one"))?.elements.keys() ?? [])]).toEqual(["one"]);
  });

  test("gives a claim to one at a time", async () => {
    const storage = make();
    const release = await storage.claim("s", "c");
    expect(release).toBeDefined();
    expect(await storage.claim("s", "c")).toBeUndefined();
    expect(await storage.claim("s", "other")).toBeDefined();
    release?.();
    await expect.poll(async () => (await storage.claim("s", "c")) !== undefined).toBe(true);
  });
});

describe("[sdk/storage] files", () => {
  test("a line that a crash cut off is passed over, and what follows is read", async () => {
    const directory = path.join(folder, "torn");
    const first = fileStorage(directory);
    await first.save("s", "c", {
      whole: true,
      head: { version: 1, unsent: [] },
      elements: new Map([["a", {}]]),
    });
    const [scope] = await readdir(directory);
    const file = path.join(directory, scope ?? "", "c.jsonl");
    await writeFile(file, '{"head":{"version":2', { flag: "a" });
    const second = fileStorage(directory);
    expect((await second.load("s", "c"))?.head.version).toBe(1);
    const wants = await second.save("s", "c", {
      whole: false,
      head: { version: 3, unsent: [] },
      elements: new Map([["b", {}]]),
    });
    expect(wants).toBe("compact");
    const stored = await fileStorage(directory).load("s", "c");
    expect(stored?.head.version).toBe(3);
    expect([...(stored?.elements.keys() ?? [])]).toEqual(["a", "b"]);
  });

  test("a replica that another process removes while they are listed is left out", async () => {
    const directory = path.join(folder, "vanishing");
    const storage = fileStorage(directory);
    const change = { whole: true, head: { version: 1, unsent: [] }, elements: new Map() };
    for (const clientId of ["gone", "kept"]) await storage.save("s", clientId, change);
    const [scope] = await readdir(directory);
    // In the folder, and nothing is found there: as a file that goes between the two.
    await rm(path.join(directory, scope ?? "", "gone.jsonl"));
    await symlink("nothing", path.join(directory, scope ?? "", "gone.jsonl"));
    expect(await storage.list("s")).toEqual(["kept"]);
  });

  test("a claim of a process that is gone is taken over", async () => {
    const directory = path.join(folder, "claims");
    const storage = fileStorage(directory);
    const release = await storage.claim("s", "c");
    const [scope] = await readdir(directory);
    const file = path.join(directory, scope ?? "", "c.jsonl.claim");
    const text = await readFile(file, "utf8");
    release?.();
    await expect.poll(async () => readFile(file, "utf8").catch(() => "gone")).toBe("gone");
    // No process has that number.
    await writeFile(file, text.replace(String(process.pid), "99999999"));
    expect(await storage.claim("s", "c")).toBeDefined();
  });

  test("a journal asks for the whole state when it has grown", async () => {
    const storage = fileStorage(path.join(folder, "grown"));
    const head = { version: 1, unsent: [] };
    const elements = new Map([["a", { text: "x".repeat(50_000) }]]);
    expect(await storage.save("s", "c", { whole: true, head, elements })).toBe("stored");
    const wants: string[] = [];
    for (let count = 0; count < 6; count++)
      wants.push(await storage.save("s", "c", { whole: false, head, elements }));
    expect(wants.slice(0, 3)).toEqual(["stored", "stored", "stored"]);
    expect(wants.at(-1)).toBe("compact");
  });
});

test("[sdk/storage] without Web Locks nobody takes over what another page stored", async () => {
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  expect(await indexedDbStorage("no-locks").claim("s", "c")).toBeUndefined();
});
