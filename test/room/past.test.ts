import { expect, it } from "vitest";
import { HeldBack } from "../../server/room/held-back.ts";
import { type PastSources, RoomPast } from "../../server/room/past.ts";
import { Tail } from "../../server/room/tail.ts";
import { decodeSequenced, encodeSequenced, opsFrames } from "../../server/room/wire.ts";
import type { StoredOperation } from "../../server/store/store.ts";
import { createState } from "../../shared/document/state.ts";

const ann = { user: "ann", client: "tab" };

/** A document whose log grows by `perRead` operations while one read of it is under way; every hundredth is ann's. */
function hotDocument(length: number, perRead: number) {
  const state = createState();
  const tail = new Tail();
  const log: StoredOperation[] = [];
  const seen = { reads: 0, rows: 0 };
  const push = (count: number) => {
    for (let at = 0; at < count; at += 1) {
      state.version += 1;
      const { version } = state;
      const author = version % 100 === 0 ? ann : { user: "bob", client: "tab" };
      log.push({
        docId: "d",
        version,
        id: `${version}`,
        type: "update",
        element: `e${version % 7}`,
        base: 0,
        status: "applied",
        conflict: null,
        session: "s",
        at: "2026-01-31T12:00:00.000Z",
        data: "{}",
        extra: null,
        ...author,
      });
    }
    const texts = log.slice(-count).map(encodeSequenced);
    let first = state.version - count + 1;
    for (const frame of opsFrames(texts, 10_000)) {
      tail.push(first, frame);
      first += frame.ends.length;
    }
  };
  const answered = (rows: StoredOperation[]) => {
    seen.reads += 1;
    seen.rows += rows.length;
    push(perRead);
    return rows;
  };
  const store = {
    snapshots: { nearest: async () => undefined },
    operations: {
      byVersion: async (_: string, from: number, to: number) => answered(log.slice(from - 1, to)),
      byAuthor: async (_: string, { user }: typeof ann, from: number, to: number) =>
        answered(log.slice(from - 1, to).filter((row) => row.user === user)),
    },
  } as unknown as PastSources["store"];
  push(length);
  const past = new RoomPast({ docId: "d", store, state, tail: () => tail, heldBack: new HeldBack() });
  const expected = (element: string, after: number) =>
    log
      .filter((row) => row.user === "ann" && row.element === element && row.version > after)
      .map(decodeSequenced);
  return { past, seen, push, expected };
}

it("[conflict-10] what an author did since an old base is found while others write more than the tail holds", async () => {
  const { past, seen, push, expected } = hotDocument(12_000, 800);
  expect(past.ownSince("e1", ann, 1)).toBeUndefined();
  await past.read(1, ann);
  expect(past.ownSince("e1", ann, 1)).toEqual(expected("e1", 1));
  // Ann's, and the one below the base.
  expect(seen.rows).toBeLessThan(300);

  // Left behind by the tail: read on, not anew.
  push(4_000);
  expect(past.ownSince("e1", ann, 1)).toBeUndefined();
  seen.reads = 0;
  await past.read(1, ann);
  expect(past.ownSince("e1", ann, 1)).toEqual(expected("e1", 1));
  expect(seen.reads).toBeLessThanOrEqual(3);
});
