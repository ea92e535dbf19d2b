import { uuidv7 } from "uuidv7";
import { describe, expect, it } from "vitest";
import { stateAt } from "../../server/room/state-at.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { freezeMemory } from "../../shared/document/document-memory.ts";
import { encodeMemory } from "../../shared/document/memory.ts";
import { batchAt, newDocument, operation, origin } from "../store/fixtures.ts";

async function documentOf(operations: number) {
  const store = createMemoryStore({ nowMs: Date.now, newId: uuidv7 });
  const { id: docId } = newDocument();
  await store.documents.create(newDocument({ id: docId }));
  const by = origin();
  for (let version = 0; version < operations; version += 700) {
    const head = (await store.documents.heads([{ docId }]))[0]!.head;
    const count = Math.min(700, operations - version);
    const ops = Array.from({ length: count }, (_, index) =>
      version + index === 0
        ? operation(by, "e", { type: "create", data: JSON.stringify({ props: { n: 1 } }) })
        : operation(by, "e", { data: JSON.stringify({ set: { n: version + index + 1 } }) }),
    );
    await store.commit([batchAt(head, ops)], { wait: true });
  }
  return { store, docId };
}

describe("the state at an earlier version", () => {
  it("[R5] is the replay of the log up to it, over several reads", async () => {
    const { store, docId } = await documentOf(2_500);
    for (const version of [0, 1, 999, 1_000, 1_001, 2_500]) {
      const state = await stateAt(store, docId, version);
      expect(state?.version).toBe(version);
      expect(state?.elements.get("e")?.n).toBe(version === 0 ? undefined : version);
    }
    expect(await stateAt(store, docId, 2_501)).toBeUndefined();
  });

  it("[R5] is the nearest snapshot before it and the log after that, with the snapshot's write memory", async () => {
    const { store, docId } = await documentOf(30);
    const at20 = await stateAt(store, docId, 20);
    if (at20 === undefined) throw new Error("no state");
    await store.snapshots.write(docId, {
      version: 20,
      operationId: at20.operationId,
      elements: ['"e":{"n":20},"only in the snapshot":{}'],
      memory: [...encodeMemory(freezeMemory(at20.memory))],
    });
    const state = await stateAt(store, docId, 25);
    expect(state?.elements.get("only in the snapshot")).toEqual({});
    expect(state?.elements.get("e")).toEqual({ n: 25 });
    expect(state?.memory.since).toBe(0);
    expect(state?.bytes).toBe((await stateAt(store, docId, 25))?.bytes);
    expect((await stateAt(store, docId, 19))?.elements.has("only in the snapshot")).toBe(false);
  });

  it("[content] is undefined where the log begins later and no snapshot leads up to it", async () => {
    const { store, docId } = await documentOf(30);
    const cut = {
      ...store,
      operations: {
        ...store.operations,
        byVersion: async (...range: Parameters<typeof store.operations.byVersion>) =>
          (await store.operations.byVersion(...range)).filter(({ version }) => version > 10),
      },
    };
    expect(await stateAt(cut, docId, 20)).toBeUndefined();
    expect((await stateAt(cut, docId, 0))?.version).toBe(0);
  });
});
