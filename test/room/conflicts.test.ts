import { randomUUID } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { RoomConflicts } from "../../server/room/conflicts.ts";
import type { ConflictRecord } from "../../server/store/store.ts";
import type { ConflictMessage } from "../../shared/protocol/messages.ts";
import { waitFor } from "../support/wait-for.ts";

let conflicts: RoomConflicts | undefined;
afterEach(() => conflicts?.close());

const at = "2026-01-31T12:00:00.000Z";
const record = (): ConflictRecord => ({
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
});

it("[order-1] a record is told once, after the operations that it names, also when it is read again meanwhile", async () => {
  const made = record();
  const told: ConflictMessage[] = [];
  let reads = 0;
  let reached = () => {};
  const reaching = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let asked = 0;
  conflicts = new RoomConflicts(
    { recentConflicts: [], heldBack: [], now: at },
    {
      docId: made.docId,
      store: {
        conflicts: {
          getMany: async () => {
            reads += 1;
            return [structuredClone(made)];
          },
        },
        operations: {},
      } as unknown as ConstructorParameters<typeof RoomConflicts>[1]["store"],
      newId: randomUUID,
      nowMs: Date.now,
      version: () => 0,
      hasRecent: () => false,
      reach: () => {
        asked += 1;
        return reaching;
      },
      broadcast: (text) => told.push(JSON.parse(text) as ConflictMessage),
      onReady: () => {},
    },
  );
  conflicts.heard([made.id]);
  await waitFor(() => asked === 1);
  conflicts.heard([made.id]);
  await waitFor(() => reads === 2);
  expect(told).toEqual([]);
  reached();
  await waitFor(() => told.length > 0);
  expect(told).toMatchObject([{ type: "conflict", conflict: { id: made.id, resolvedAt: null } }]);
});
