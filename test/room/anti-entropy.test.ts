/** The lease of an instance, over a store of which single answers are as a test wants them. */
import { afterEach, expect, it } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import {
  type AntiEntropy,
  type AntiEntropyOptions,
  startAntiEntropy,
} from "../../server/room/anti-entropy.ts";
import { waitFor } from "../support/wait-for.ts";

let running: AntiEntropy | undefined;
afterEach(() => running?.close());

/** What is asked of a room, and what was done to it. */
function fakeRoom(docId: string) {
  const done: string[] = [];
  const room = {
    docId,
    version: 1,
    position: { version: 1, operationId: null, metadataVersion: 1, revision: 0 },
    end: (reason: string) => done.push(reason),
    retain: () => done.push("retain"),
    follow: () => done.push("follow"),
    reconcileSessions: () => done.push("sessions"),
  };
  return { room, done };
}

interface Answers {
  readonly rooms?: () => object[];
  readonly heads?: () => Promise<object[]>;
  readonly reap?: () => Promise<string[]>;
  readonly onLeaseLost?: () => Promise<void>;
}

/** `heartbeats`: what the database answers, one after the other; true from then on. */
function start(
  heartbeats: (boolean | Error)[],
  { reap = async () => [], onLeaseLost, rooms = () => [], heads }: Answers = {},
) {
  const seen = { heartbeats: 0, recorded: 0, sweeps: 0, nowMs: 0 };
  running = startAntiEntropy({
    registry: {
      get rooms() {
        return rooms()[Symbol.iterator]();
      },
      sweep: () => (seen.sweeps += 1),
    },
    store: {
      documents: { heads },
      sessions: {
        live: async () => [],
        heartbeat: async () => {
          seen.heartbeats += 1;
          const answer = heartbeats.shift() ?? true;
          if (answer instanceof Error) throw answer;
          return answer;
        },
        reap,
      },
      locks: { cleanExpired: async () => 0 },
    },
    sessionRows: { refresh() {}, leaveAbsent: async () => {} },
    instanceId: "one",
    log: createLog({ level: "silent" }),
    config: {
      fanout: { antiEntropyMs: 10, canaryMs: 1_000 },
      presence: { frameMs: 50, heartbeatMs: 100, leaseMs: 500 },
      manager: { cleanupIntervalMs: 1_000 },
    },
    random: () => 0.5,
    monotonicMs: () => seen.nowMs,
    onLeaseLost: async () => {
      seen.recorded += 1;
      await onLeaseLost?.();
    },
  } as unknown as AntiEntropyOptions);
  return seen;
}

it("[lease-1] sessions are recorded again when the lease was lost, though the database fails right after it says so", async () => {
  const seen = start([true, false, new Error("away"), new Error("away")]);
  await waitFor(() => seen.heartbeats === 1 && seen.sweeps > 2);
  expect(seen.recorded).toBe(0);
  seen.nowMs = 100;
  await waitFor(() => seen.recorded === 1);
  expect(seen.heartbeats).toBe(5);
  const sweeps = seen.sweeps;
  await waitFor(() => seen.sweeps > sweeps + 3);
  expect(seen).toMatchObject({ recorded: 1, heartbeats: 5 });
});

it("[lease-2] and until all of them are", async () => {
  const failures = [new Error("away"), new Error("away")];
  const seen = start([false], {
    onLeaseLost: async () => {
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
    },
  });
  await waitFor(() => seen.recorded === 3);
  const sweeps = seen.sweeps;
  await waitFor(() => seen.sweeps > sweeps + 3);
  expect(seen.recorded).toBe(3);
});

it("[lease-3] the lease is renewed while what other instances left is waited for", async () => {
  let reaped = (_: string[]) => {};
  let reaps = 0;
  const reap = () => {
    reaps += 1;
    return new Promise<string[]>((resolve) => {
      reaped = resolve;
    });
  };
  const seen = start([], { reap });
  for (let renewed = 1; renewed <= 3; renewed += 1) {
    await waitFor(() => seen.heartbeats === renewed);
    seen.nowMs += 100;
  }
  expect(reaps).toBe(1);
  reaped([]);
  await waitFor(() => seen.heartbeats === 4);
  seen.nowMs += 100;
  await waitFor(() => reaps === 2);
  reaped([]);
});

it("[anti-entropy-1] what was asked about a room says nothing of the one that was opened meanwhile", async () => {
  const [old, young] = [fakeRoom("d"), fakeRoom("d")];
  let open = [old.room];
  let answer: ((heads: object[]) => void) | undefined;
  const heads = () => new Promise<object[]>((resolve) => (answer = resolve));
  start([], { rooms: () => open, heads });
  await waitFor(() => answer !== undefined);
  open = [young.room];
  const first = answer;
  answer = undefined;
  first?.([]);
  await waitFor(() => answer !== undefined);
  expect([old.done, young.done]).toEqual([["missing"], []]);
  open = [];
  (answer as unknown as (heads: object[]) => void)([{ head: { docId: "d", version: 1 }, retainedFrom: 1 }]);
  await waitFor(() => young.done.length > 0);
  expect(young.done).toEqual(["retain", "follow", "sessions"]);
});
