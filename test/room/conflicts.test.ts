import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { RoomConflicts } from "../../server/room/conflicts.ts";
import type { ConflictRecord, StoredOperation } from "../../server/store/store.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { ConflictMessage } from "../../shared/protocol/messages.ts";
import { waitFor } from "../support/wait-for.ts";

let conflicts: RoomConflicts | undefined;
afterEach(() => conflicts?.close());

const at = "2026-01-31T12:00:00.000Z";
const later = (ms: number) => new Date(Date.parse(at) + ms).toISOString();
const record = (more: Partial<ConflictRecord> = {}): ConflictRecord => ({
  id: randomUUID(),
  docId: randomUUID(),
  element: "e",
  properties: ["x"],
  resolution: "manual",
  resolvedBy: null,
  resolvedAt: null,
  description: "",
  createdAt: at,
  lastAt: at,
  authors: [],
  operations: [randomUUID(), randomUUID()],
  ...more,
});

/** Over a database with these records; `reach` is what the room does before it tells. */
function over(
  stored: ConflictRecord[],
  more: {
    reach?: () => Promise<unknown>;
    hasRecent?: boolean;
    /** What waits in them. */
    waiting?: Pick<StoredOperation, "id" | "version" | "conflict">[];
  } = {},
) {
  const seen = { told: [] as ConflictMessage[], reads: 0, asked: [] as string[], pending: 0, nowMs: 0 };
  const made = new RoomConflicts(
    { recentConflicts: [], heldBack: [], now: at },
    {
      docId: randomUUID(),
      store: {
        conflicts: {
          unresolved: async () => stored.filter(({ resolvedAt }) => resolvedAt === null),
          getMany: async (_: string, ids: string[]) => {
            seen.reads += 1;
            seen.asked.push(...ids);
            return structuredClone(stored.filter(({ id }) => ids.includes(id)));
          },
        },
        operations: {
          pending: async () => {
            seen.pending += 1;
            return more.waiting ?? [];
          },
        },
      } as unknown as ConstructorParameters<typeof RoomConflicts>[1]["store"],
      newId: randomUUID,
      nowMs: () => seen.nowMs,
      version: () => 9_999,
      hasRecent: () => more.hasRecent === true,
      reach: more.reach ?? (async () => {}),
      broadcast: (text) => seen.told.push(JSON.parse(text) as ConflictMessage),
      onReady: () => {},
    },
  );
  conflicts = made;
  return { conflicts: made, seen };
}

it("[order-1] a record is told once, after the operations that it names, also when it is read again meanwhile", async () => {
  const made = record();
  let reached = () => {};
  const reaching = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let asked = 0;
  const room = over([made], {
    reach: () => {
      asked += 1;
      return reaching;
    },
  });
  room.conflicts.heard([made.id]);
  await waitFor(() => asked === 1);
  room.conflicts.heard([made.id]);
  await waitFor(() => room.seen.reads === 2);
  expect(room.seen.told).toEqual([]);
  reached();
  await waitFor(() => room.seen.told.length > 0);
  expect(room.seen.told).toMatchObject([{ type: "conflict", conflict: { id: made.id, resolvedAt: null } }]);
});

it("[order-2] that a record is resolved is told when the room has its operations, however often reaching them fails", async () => {
  const made = record();
  let failures = 2;
  const { conflicts: own, seen } = over([made], {
    hasRecent: true,
    reach: async () => {
      failures -= 1;
      if (failures >= 0) throw new Error("away");
    },
  });
  const resolve = { conflictId: made.id, resolvedBy: "ann", operations: [], record: made };
  own.committed([], [resolve], at, true);
  expect(own.get(made.id)).toMatchObject({ resolvedBy: "ann" });
  await delay(50);
  expect(seen.told).toEqual([]);
  await waitFor(() => seen.told.length === 1);
  expect(failures).toBe(-1);
  expect(seen.told).toMatchObject([{ type: "resolved", conflict: { id: made.id, resolvedBy: "ann" } }]);
  // One whose operations are here is told at once.
  const next = record();
  own.committed([], [{ ...resolve, conflictId: next.id, record: next }], at, false);
  expect(seen.told).toHaveLength(2);
});

it("[conflicts] a read that is older than what this instance has joined since changes nothing", async () => {
  const made = record();
  const stored = [made];
  const { conflicts: own } = over(stored, { hasRecent: true });
  own.heard([made.id]);
  await waitFor(() => own.get(made.id) !== undefined);
  const mine = randomUUID();
  const write = { ...made, join: true, resolution: "manual" as const, operations: [mine] };
  own.committed([write], [], later(5), false);
  await own.lookAgain();
  expect(own.get(made.id)?.operations.at(-1)).toBe(mine);
  const theirs = randomUUID();
  stored[0] = { ...made, lastAt: later(9), operations: [...made.operations, mine, theirs] };
  await own.lookAgain();
  expect(own.get(made.id)?.operations.at(-1)).toBe(theirs);
});

it("[conflicts] records that nobody joins any more are let go, also by a room that only follows", async () => {
  const old = record({ resolvedBy: "system", resolvedAt: at });
  const waiting = record();
  const { conflicts: own, seen } = over([old, waiting], { hasRecent: true });
  own.heard([old.id, waiting.id]);
  await waitFor(() => own.get(old.id) !== undefined);
  seen.nowMs = 11_000;
  own.heard([waiting.id]);
  await waitFor(() => seen.reads === 2 && own.ready);
  expect(own.get(old.id)).toBeUndefined();
  expect(own.get(waiting.id)).toBeDefined();
});

it("[conflicts] a record that is archived is joined by nobody, though nobody was told that it was resolved", async () => {
  const stored = [record()];
  const [gone] = stored as [ConflictRecord];
  const { conflicts: own } = over(stored, { hasRecent: true });
  own.heard([gone.id]);
  await waitFor(() => own.get(gone.id) !== undefined);
  stored.pop();
  await own.lookAgain();
  expect(own.get(gone.id)).toBeUndefined();
});

it("[conflicts] a look that finds nothing changed reads no record, another only those that are not as they were known", async () => {
  const stored = Array.from({ length: 1_000 }, (_, index) => record({ element: `e${index}` }));
  const held = stored.map(({ id, operations }, index) => ({
    id: operations[1] ?? "",
    version: index + 1,
    conflict: id as string | null,
  }));
  const { conflicts: own, seen } = over(stored, { hasRecent: true, waiting: held });
  for (const { id, version, conflict } of held)
    own.heldBack.add({ id, version, conflict, element: "e", status: "conflict" } as SequencedOperation);
  own.heard(stored.map(({ id }) => id));
  await waitFor(() => own.ready);
  seen.asked = [];
  // A lock was taken elsewhere.
  await own.lookAgain();
  expect(seen).toMatchObject({ asked: [], pending: 0 });

  // One was resolved: what its resolver had not seen moved to a new one. Another was joined.
  const [resolved, joined, waits] = stored as [ConflictRecord, ConflictRecord, ConflictRecord];
  const moved = record();
  stored[0] = { ...resolved, resolvedBy: "ann", resolvedAt: later(3) };
  stored[1] = { ...joined, lastAt: later(4), operations: [...joined.operations, randomUUID()] };
  stored.push(moved);
  const unseen = { id: randomUUID(), version: 2_000, conflict: moved.id };
  own.heldBack.add({ ...unseen, conflict: resolved.id, status: "conflict" } as SequencedOperation);
  held.splice(0, 1, unseen);
  await own.lookAgain();
  expect(seen.asked.sort()).toEqual([resolved.id, joined.id, moved.id].sort());
  expect(seen.pending).toBe(1);
  expect(own.get(resolved.id)).toMatchObject({ resolvedBy: "ann" });
  expect(own.get(joined.id)).toMatchObject({ lastAt: later(4) });
  expect(own.heldBack.ofRecord(resolved.id)).toEqual([]);
  expect(own.heldBack.ofRecord(moved.id)).toMatchObject([{ id: unseen.id }]);
  expect(own.heldBack.ofRecord(waits.id)).toHaveLength(1);
  await own.lookAgain();
  expect(seen.asked).toHaveLength(3);
});
