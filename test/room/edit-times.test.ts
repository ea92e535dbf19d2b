import { uuidv7 } from "uuidv7";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import { createEditTimes } from "../../server/room/edit-times.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import { type DocumentEdit, StoreUnavailable } from "../../server/store/store.ts";
import { newDocument } from "../store/fixtures.ts";

const everyMs = 1_000;
const log = createLog({ level: "silent" });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A store whose database is away for the first `outages` writes, and of which the rows in `held` are held. */
async function edited(documents: number, outages = 0) {
  const store = createMemoryStore({ nowMs: Date.now, newId: uuidv7 });
  const docIds = Array.from({ length: documents }, () => uuidv7());
  for (const id of docIds) await store.documents.create(newDocument({ id, createdBy: "olga" }));
  const calls: (readonly DocumentEdit[])[] = [];
  const held = new Set<string>();
  const touch = async (edits: readonly DocumentEdit[]) => {
    calls.push(edits);
    if (calls.length <= outages) throw new StoreUnavailable("away");
    await store.documents.touch(edits.filter(({ docId }) => !held.has(docId)));
    return edits.flatMap(({ docId }) => (held.has(docId) ? [docId] : []));
  };
  const times = createEditTimes({ store: { documents: { touch } }, log, everyMs });
  const edit = (docId: string, by: string, second: number) =>
    times.edited({ docId, by, at: new Date(Date.now() + second * 1_000).toISOString(), metadataVersion: 1 });
  const by = async (docId: string) => (await store.documents.get(docId))?.updatedBy;
  return { docIds, calls, held, times, edit, by };
}

describe("[rest] when documents were edited", () => {
  it("is written once for many edits, with the newest of each document", async () => {
    const { docIds, calls, edit, by } = await edited(2);
    const [one = "", two = ""] = docIds;
    edit(one, "ann", 1);
    edit(one, "bob", 2);
    edit(two, "eve", 3);
    await vi.advanceTimersByTimeAsync(everyMs - 1);
    expect(calls).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toHaveLength(1);
    expect([await by(one), await by(two)]).toEqual(["bob", "eve"]);
    await vi.advanceTimersByTimeAsync(10 * everyMs);
    expect(calls).toHaveLength(1);
  });

  it("is written after an outage, newer edits before older ones", async () => {
    const { docIds, edit, by, calls } = await edited(250, 1);
    for (const docId of docIds) edit(docId, "ann", 1);
    await vi.advanceTimersByTimeAsync(everyMs);
    expect(calls).toHaveLength(1);
    const [first = ""] = docIds;
    edit(first, "bob", 2);
    await vi.advanceTimersByTimeAsync(everyMs);
    expect(calls.slice(1).map((edits) => edits.length)).toEqual([100, 100, 50]);
    expect(await Promise.all(docIds.map(by))).toEqual(docIds.map((id) => (id === first ? "bob" : "ann")));
  });

  it("is written when the document's row is free, and of other documents before", async () => {
    const { docIds, held, edit, by, calls } = await edited(2);
    const [one = "", two = ""] = docIds;
    held.add(one);
    edit(one, "ann", 1);
    edit(two, "bob", 1);
    await vi.advanceTimersByTimeAsync(everyMs);
    expect([await by(one), await by(two)]).toEqual(["olga", "bob"]);
    await vi.advanceTimersByTimeAsync(everyMs * 10);
    // A few times at once, then when it is time.
    expect(calls.length).toBeLessThanOrEqual(44);
    edit(one, "eve", 2);
    held.clear();
    await vi.advanceTimersByTimeAsync(everyMs * 2);
    expect(await by(one)).toBe("eve");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is written when the instance closes", async () => {
    const { docIds, edit, by, times } = await edited(1);
    const [one = ""] = docIds;
    edit(one, "ann", 1);
    await times.close();
    expect(await by(one)).toBe("ann");
    expect(vi.getTimerCount()).toBe(0);
  });
});
