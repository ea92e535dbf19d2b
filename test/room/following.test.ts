import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { OperationsNews } from "../../server/fanout/news.ts";
import { createLog } from "../../server/observability/log.ts";
import { Following, type FollowingOptions } from "../../server/room/following.ts";
import type { DocumentRecord, Head } from "../../server/store/store.ts";
import { waitFor } from "../support/wait-for.ts";

const docId = "a";
const idOf = (version: number) => (version === 0 ? null : `id-${version}`);
const text = (version: number) =>
  JSON.stringify({
    version,
    id: idOf(version),
    element: "e",
    type: "update",
    at: "2026-01-31T12:00:00.000Z",
  });
const news = (from: number, to: number): OperationsNews => ({
  kind: "operations",
  docId,
  from,
  to,
  previousId: idOf(from - 1),
  texts: Array.from({ length: to - from + 1 }, (_, index) => text(from + index)),
});
const head = (version: number, operationId = idOf(version)): Head => ({
  docId,
  state: "active",
  version,
  operationId,
  metadataVersion: 1,
  revision: 0,
});

/** Where a room stood that was looked at. */
const stoodAt = (version: number) => head(version);

/** At a version; `told` is what moved it, `reads` how often the log was read. */
function standingAt(version: number) {
  const state = { version, operationId: idOf(version) };
  const seen = {
    told: [] as string[],
    reads: 0,
    proposing: false,
    submitting: false,
    published: [] as object[],
    ended: 0,
    read: 0,
    failing: false,
  };
  const options = {
    docId,
    services: {
      store: {
        operations: {
          after: async () => {
            seen.reads += 1;
            if (seen.failing) throw new Error("away");
            return { outcome: "range", operations: [], complete: true };
          },
        },
      },
      metrics: { catchUps: { inc() {} }, fanoutLagSeconds: { observe() {} } },
      nowMs: () => 0,
    },
    log: createLog({ level: "silent" }),
    state,
    locks: () => ({ revision: 0, version: 0 }),
    proposing: () => seen.proposing,
    submitting: () => seen.submitting,
    advance: (advances: readonly { operation: { version: number; id: string }; text: string }[]) => {
      for (const { operation, text: line } of advances) {
        state.version = operation.version;
        state.operationId = operation.id;
        seen.told.push(line);
      }
    },
    publish: (one: object) => seen.published.push(one),
    end() {
      seen.ended += 1;
    },
    onRead() {
      seen.read += 1;
    },
  };
  const document = head(version) as DocumentRecord;
  return { following: new Following(document, 1, options as unknown as FollowingOptions), state, seen };
}

it("[follow-1] of news that overlap only the rest is taken, with the text that came", () => {
  const { following, seen } = standingAt(3);
  following.hear(news(2, 5));
  following.hear(news(4, 5));
  expect(seen).toMatchObject({ told: [text(4), text(5)], reads: 0 });
});

it("[follow-2] news with a line that is no operation of its version are read from the log", () => {
  const { following, seen } = standingAt(3);
  following.hear({ ...news(4, 5), texts: [text(4), text(6)] });
  following.hear({ ...news(4, 4), texts: ["{"] });
  expect(seen.told).toEqual([]);
  expect(seen.reads).toBeGreaterThan(0);
});

it("[follow-3] what was heard from behind a gap follows what fills it", () => {
  const { following, state, seen } = standingAt(3);
  seen.proposing = true;
  following.hear(news(7, 7));
  following.hear(news(5, 5));
  following.hear(news(5, 6));
  // The answer of the room's own proposal.
  state.version = 4;
  state.operationId = idOf(4);
  following.settled();
  expect(seen).toMatchObject({ told: [5, 6, 7].map(text), reads: 0 });
  following.close();
});

it("[follow-6] two instances that are heard in another order than they committed in cost no read", async () => {
  const { following, seen } = standingAt(3);
  following.hear(news(5, 5));
  following.hear(news(6, 7));
  following.hear(news(4, 4));
  expect(seen.told).toEqual([4, 5, 6, 7].map(text));
  await delay(100);
  expect(seen.reads).toBe(0);
});

it("[follow-7] a gap that nothing fills is read from the log after a moment, not at once, and only once", async () => {
  const { following, seen } = standingAt(3);
  following.hear(news(5, 5));
  following.hear(news(6, 6));
  expect(seen.reads).toBe(0);
  await waitFor(() => seen.reads === 1);
  // What the read brought; what was heard follows on it.
  following.advance([{ operation: JSON.parse(text(4)), text: text(4) }]);
  following.settled();
  expect(seen.told).toEqual([4, 5, 6].map(text));
  await delay(100);
  expect(seen.reads).toBe(1);
});

it("[follow-8] while a proposal is in flight a gap waits for its answer", async () => {
  const { following, seen } = standingAt(3);
  seen.proposing = true;
  following.hear(news(5, 5));
  await delay(150);
  expect(seen.reads).toBe(0);
  seen.proposing = false;
  await waitFor(() => seen.reads === 1);
  following.close();
});

/** As it is notified where it is too large. */
const range = ({ texts: _, ...rest }: OperationsNews): OperationsNews => rest;

it("[follow-15] a range without its operations waits for what a proposal's answer brings; where nobody submits it is read", () => {
  const { following, state, seen } = standingAt(3);
  seen.submitting = true;
  seen.proposing = true;
  following.hear(range(news(4, 6)));
  following.settled();
  state.version = 5;
  state.operationId = idOf(5);
  following.settled();
  expect(seen.reads).toBe(0);
  // The answer brought the rest. Another range is left when the last submit was answered.
  state.version = 6;
  state.operationId = idOf(6);
  following.hear(range(news(7, 8)));
  following.settled();
  expect(seen.reads).toBe(0);
  seen.submitting = false;
  seen.proposing = false;
  following.settled();
  expect(seen.reads).toBe(1);
  following.close();
});

it("[follow-16] a range is read after a moment where the submits lead to no proposal", async () => {
  const { following, seen } = standingAt(3);
  seen.submitting = true;
  following.hear(range(news(4, 6)));
  expect(seen.reads).toBe(0);
  await waitFor(() => seen.reads === 1);
  following.close();
});

it("[follow-11] what the room stored does not wait for the answer of its next proposal", async () => {
  const { following, seen } = standingAt(3);
  seen.proposing = true;
  following.stored({ ...news(5, 5), previousId: null });
  await waitFor(() => seen.reads === 1);
  following.close();
});

it("[follow-9] more news than are kept are read from the log", () => {
  const { following, seen } = standingAt(3);
  for (let version = 5; version < 5 + 32; version++) following.hear(news(version, version));
  expect(seen.reads).toBe(0);
  following.hear(news(37, 37));
  expect(seen.reads).toBe(1);
  following.close();
});

it("[follow-10] what the room stored behind a gap follows what fills it, and then others are told what it follows on", () => {
  const { following, seen } = standingAt(3);
  const own = { ...news(6, 7), previousId: null };
  following.stored(own);
  expect(seen).toMatchObject({ told: [], published: [] });
  following.hear(news(4, 5));
  expect(seen.told).toEqual([4, 5, 6, 7].map(text));
  expect(seen.published).toEqual([{ ...own, previousId: idOf(5) }]);
  // What the log has brought already: what it follows on is not known any more.
  following.stored(news(6, 7));
  expect(seen.published.slice(1)).toEqual([{ kind: "change", docId }]);
  following.close();
});

it("[follow-4] a head read while the room moved is no other history", () => {
  const { following, seen } = standingAt(9);
  const asked = stoodAt(5);
  for (const version of [5, 7, 9]) following.follow(head(version), asked);
  expect(seen.reads).toBe(0);
});

it.each([
  ["behind where the room stood", head(4)],
  ["with another operation where it stood", head(5, "other")],
  ["with another operation where it stands", head(9, "other")],
  ["ahead", head(10)],
])("[follow-5] a head %s makes it read the log", (_, seenHead) => {
  const { following, seen } = standingAt(9);
  following.follow(seenHead, stoodAt(5));
  expect(seen.reads).toBe(1);
});

it.each(["metadataVersion", "revision"] as const)(
  "[follow-12] a head whose %s went back is another history",
  (name) => {
    const { following, seen } = standingAt(9);
    following.follow(head(9), stoodAt(9));
    expect(seen.ended).toBe(0);
    following.follow(head(9), { ...stoodAt(9), [name]: 2 });
    expect(seen).toMatchObject({ ended: 1, reads: 0 });
  },
);

it("[follow-13] news of another history that overlap are not taken: the log says what is right", async () => {
  const { following, seen } = standingAt(3);
  following.hear(news(5, 8));
  // What was lost in a failover is filled with other operations.
  const other = news(4, 6);
  following.hear({ ...other, texts: other.texts?.map((line) => line.replace('"id-', '"other-')) ?? [] });
  expect(seen.told).toHaveLength(3);
  await waitFor(() => seen.reads > 0);
  expect(seen.told).toHaveLength(3);
  following.close();
});

it("[follow-14] what waits for a read that failed does not start the next one at once", async () => {
  const { following, seen } = standingAt(3);
  seen.failing = true;
  following.catchUp();
  await delay(50);
  expect(seen).toMatchObject({ reads: 1, read: 0 });
  await waitFor(() => seen.read === 1);
  seen.failing = false;
  following.catchUp();
  await waitFor(() => seen.read === 2);
});
