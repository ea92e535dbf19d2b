/** The queue by itself: its room and its commits are the test's, and so is the clock. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { CommitOutcome } from "../../server/commit/group-commit.ts";
import { createLog } from "../../server/observability/log.ts";
import { encodeForCommit } from "../../server/room/commit-encoding.ts";
import { SubmitQueue, type SubmitQueueOptions } from "../../server/room/submit.ts";
import { Turn } from "../../server/room/turn.ts";
import type { DocumentBatch, StoredOperation } from "../../server/store/store.ts";
import { commitDraft, Draft, decide } from "../../shared/document/decide.ts";
import type { Operation } from "../../shared/document/operation.ts";
import { createState } from "../../shared/document/state.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const at = "2026-01-31T12:00:00.000Z";
const idOf = (number: number) => `0197a3c2-7c1e-7a00-8000-${String(number).padStart(12, "0")}`;

type WithoutId = Operation extends infer Each ? Omit<Each, "id"> : never;

function createQueue() {
  const state = createState();
  const flights: { readonly batch: DocumentBatch; answer(outcome: CommitOutcome): void }[] = [];
  const answers: string[] = [];
  let nowMs = 0;
  let operations = 0;
  const head = () => ({
    docId: "d",
    state: "active" as const,
    version: state.version,
    operationId: state.operationId,
    metadataVersion: 1,
    revision: 0,
  });
  const room = {
    docId: "d",
    document: { metadataVersion: 1 },
    get version() {
      return state.version;
    },
    get operationId() {
      return state.operationId;
    },
    state,
    locks: { revision: 0, version: 0, inTheWay: () => undefined },
    ready: true,
    draft: () => new Draft(state),
    decide: (draft: Draft, { ops, base, origin }: Parameters<SubmitQueueOptions["room"]["decide"]>[1]) =>
      decide(draft, {
        ops,
        base: base ?? state.version,
        author: origin,
        policy: "lww",
        retainedFrom: 1,
        limits: { maxElements: 0, maxDocumentBytes: 0 },
      } as Parameters<typeof decide>[1]),
    records: () => ({ writes: [], byOperation: new Map() }),
    hasRecent: () => false,
    committed: (
      ...[{ draft }, { firstVersion }, told]: Parameters<SubmitQueueOptions["room"]["committed"]>
    ) => {
      commitDraft(draft, { firstVersion, at });
      told(firstVersion);
    },
    tellNow() {},
    missed() {},
    settled() {},
    follow() {},
    reach: async () => ({ head: head(), known: [], retainedFrom: 1 }),
  } as unknown as SubmitQueueOptions["room"];
  const queue = new SubmitQueue({
    room,
    turn: new Turn(),
    log: createLog({ level: "silent" }),
    maxBatchOperations: 1_000,
    maxBatchBytes: 1_000_000,
    encode: encodeForCommit,
    monotonicMs: () => nowMs,
    onRefuse() {},
    groupCommit: {
      commit: (batch) => new Promise((answer) => flights.push({ batch, answer })),
      close: async () => {},
    } as SubmitQueueOptions["groupCommit"],
  });
  return {
    flights,
    answers,
    /** Time passes, and what follows from it happens. */
    async at(ms: number) {
      const passedMs = ms - nowMs;
      nowMs = ms;
      vi.advanceTimersByTime(passedMs);
      for (let turns = 0; turns < 5; turns += 1) await turn();
    },
    stale: () =>
      ({
        outcome: "stale",
        head: head(),
        missed: { operations: [], complete: true },
      }) as CommitOutcome,
    /** `others`: how many operations of others the answer brings. */
    committed: (firstVersion: number, { others = 0, eachMs = 1 } = {}): CommitOutcome => ({
      outcome: "committed",
      firstVersion,
      at,
      revision: 0,
      missed: { operations: Array.from({ length: others }, () => ({}) as StoredOperation), complete: true },
      eachMs,
    }),
    /** `name`: of the user, and what tells the submit from their others. */
    submit(name: string, channel: object, operation: WithoutId, length = 100) {
      operations += 1;
      queue.add({
        ops: [{ id: idOf(operations), ...operation }],
        length,
        base: 0,
        origin: { user: name.replace(/ .*/, ""), client: "c", session: idOf(0) },
        channel,
        authorise: () => undefined,
        answer: (answer) => {
          answers.push(`${name}: ${answer.outcome === "refused" ? answer.refusal.code : answer.outcome}`);
        },
      });
    },
    close: () => queue.close(),
  };
}

test("[submit/order] a submit that is given up in flight takes those behind it in its channel along, in flight too", async () => {
  const queue = createQueue();
  const channel = {};
  queue.submit("bob", {}, { type: "create", element: "other", props: {} });
  await queue.at(400);
  queue.submit("ann first", channel, { type: "create", element: "x", props: {} });
  await queue.at(600);
  queue.submit("ann second", channel, { type: "update", element: "x", set: { a: 1 } });
  await queue.at(4_700);
  queue.flights[0]?.answer(queue.committed(1));
  await queue.at(4_800);
  expect(queue.flights[1]?.batch.operations.length).toBe(2);
  await queue.at(9_500);
  expect(queue.answers).toEqual(["bob: sequenced", "ann first: unavailable", "ann second: unavailable"]);
  // Nothing of it was stored, and none of the two is proposed without the other.
  queue.flights[1]?.answer(queue.stale());
  await queue.at(9_700);
  expect(queue.flights.length).toBe(2);
  queue.close();
});

test("[submit/rest] after an answer that brought others' operations nothing is proposed for half as long as the call took", async () => {
  const queue = createQueue();
  const create = (element: string): WithoutId => ({ type: "create", element, props: {} });
  const sizes = () => queue.flights.map(({ batch }) => batch.operations.length);
  queue.submit("ann", {}, create("a"));
  await queue.at(0);
  await queue.at(8);
  queue.submit("bob", {}, create("b"));
  queue.flights[0]?.answer(queue.committed(1, { others: 2, eachMs: 8 }));
  await queue.at(8);
  queue.submit("cid", {}, create("c"));
  await queue.at(11);
  expect(sizes()).toEqual([1]);
  await queue.at(12);
  expect(sizes()).toEqual([1, 2]);
  // However long it took, at most 10 ms; and not at all where nobody else writes.
  await queue.at(1_012);
  queue.flights[1]?.answer(queue.committed(2, { others: 1, eachMs: 1_000 }));
  await queue.at(1_012);
  queue.submit("ann", {}, create("d"));
  await queue.at(1_021);
  expect(sizes()).toEqual([1, 2]);
  await queue.at(1_022);
  expect(sizes()).toEqual([1, 2, 1]);
  queue.submit("ann", {}, create("e"));
  queue.flights[2]?.answer(queue.committed(4));
  await queue.at(1_030);
  expect(sizes()).toEqual([1, 2, 1, 1]);
  expect(queue.answers).toHaveLength(4);
  queue.close();
});

test("[submit/bytes] a proposal has maxBatchBytes at most, and at least one submit", async () => {
  const queue = createQueue();
  const create = (element: string) => ({ type: "create" as const, element, props: {} });
  for (const [user, length] of [
    ["ann", 600_000],
    ["bob", 400_000],
    ["cyd", 1],
    ["dan", 2_000_000],
    ["eve", 1],
  ] as const)
    queue.submit(user, {}, create(user), length);
  const proposed: string[][] = [];
  for (let flight = 0, version = 1; flight < 3; flight += 1) {
    await queue.at(flight + 1);
    const { batch, answer } = queue.flights[flight] ?? {};
    const users = batch?.operations.map(({ origin }) => origin.user) ?? [];
    proposed.push(users);
    answer?.(queue.committed(version));
    version += users.length;
  }
  await queue.at(10);
  expect(proposed).toEqual([["ann", "bob"], ["cyd", "eve"], ["dan"]]);
  expect(queue.answers).toHaveLength(5);
  queue.close();
});
