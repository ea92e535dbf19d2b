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

interface Answers {
  readonly reap?: () => Promise<string[]>;
  readonly onLeaseLost?: () => Promise<void>;
}

/** `heartbeats`: what the database answers, one after the other; true from then on. */
function start(heartbeats: (boolean | Error)[], { reap = async () => [], onLeaseLost }: Answers = {}) {
  const seen = { heartbeats: 0, recorded: 0, sweeps: 0, nowMs: 0 };
  running = startAntiEntropy({
    registry: { rooms: [][Symbol.iterator](), get: () => undefined, sweep: () => (seen.sweeps += 1) },
    store: {
      sessions: {
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
