import { randomUUID } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { RoomLocks, type RoomLocksOptions } from "../../server/room/locks.ts";
import type { LockList, LockRecord } from "../../server/store/store.ts";
import type { LocksMessage } from "../../shared/protocol/messages.ts";
import { waitFor } from "../support/wait-for.ts";

let room: RoomLocks | undefined;
afterEach(() => room?.close());

const lock = (expiresInMs: number): LockRecord => ({
  id: randomUUID(),
  docId: randomUUID(),
  element: "e",
  user: "ada",
  client: "tab",
  session: randomUUID(),
  token: 1,
  version: 0,
  acquiredAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + expiresInMs).toISOString(),
  expiresInMs,
});

interface Stub {
  room: RoomLocks;
  frames: LocksMessage[];
  failures: unknown[];
  /** What the database has. */
  stored: LockList;
}

/** The locks of a room over a database that is `stored`. */
function locksOf(
  stored: LockList,
  store: Partial<RoomLocksOptions["store"]>,
  sweep: (stub: Stub) => void,
): Stub {
  const unused = () => Promise.reject(new Error("not asked for"));
  const frames: LocksMessage[] = [];
  const failures: unknown[] = [];
  const options: RoomLocksOptions = {
    docId: randomUUID(),
    store: {
      acquire: unused,
      renew: unused,
      release: unused,
      end: unused,
      list: async () => stub.stored,
      ...store,
    },
    sweep: async () => sweep(stub),
    version: () => 0,
    onBehind: () => {},
    onGrown: async () => {},
    onRead: () => {},
    names: () => new Map(),
    broadcast: (text) => frames.push(JSON.parse(text) as LocksMessage),
    publish: () => {},
    onFailure: (cause) => failures.push(cause),
    monotonicMs: () => performance.now(),
  };
  const stub: Stub = { room: new RoomLocks(stored, options), frames, failures, stored };
  room = stub.room;
  return stub;
}

it("[lock-20] an expiry that is not written yet is not told under a revision that a joiner has with the lock", async () => {
  const held = lock(30);
  let sweeps = 0;
  const { room, frames, failures } = locksOf(
    { revision: 5, version: 0, locks: [held], hasExpired: false },
    {},
    (stub) => {
      sweeps += 1;
      // At first somebody holds the row; what has run out is in no list all the same.
      stub.stored = { revision: sweeps < 2 ? 6 : 7, version: 0, locks: [], hasExpired: sweeps < 2 };
    },
  );
  // A conflict record, which no frame of locks tells.
  room.counted(6, 1);
  expect(room.state()).toMatchObject({ revision: 6, locks: [{ id: held.id }] });
  await waitFor(() => frames.length > 0);
  expect(frames).toEqual([{ type: "locks", revision: 7, locks: [] }]);
  expect(failures).toEqual([]);
});

it("[lock-21] what was granted and ended before it was shown is told as well: its holder hears that it is gone", async () => {
  const [first, second] = [lock(60_000), { ...lock(60_000), element: "f" }];
  let revision = 5;
  const { room, frames } = locksOf(
    { revision, version: 0, locks: [], hasExpired: false },
    {
      acquire: async ({ element }) => ({
        outcome: "granted",
        lock: element === "e" ? first : second,
        revision: ++revision,
        version: 0,
        renewed: false,
      }),
      release: async () => ({ released: true, revision: ++revision, version: 0 }),
    },
    () => {},
  );
  const request = { docId: first.docId, user: "ada", client: "tab", session: first.session, ttlMs: 60_000 };
  const take = (element: string) => room.take({ ...request, element, maxPerAuthor: 0 }, false);
  await take("e");
  await waitFor(() => frames.length === 1);
  await take("f");
  await room.release(second.id);
  await waitFor(() => frames.length === 2);
  expect(frames.map((frame) => [frame.revision, frame.locks.map(({ element }) => element)])).toEqual([
    [6, ["e"]],
    [8, ["e"]],
  ]);
});

it.each([
  ["a list without it was told with another change's revision", [lock(60_000)]],
  ["it never was in a list here", []],
])("[lock-22] a lease that is over and not written yet is written by who read so: %s", async (_, before) => {
  let sweeps = 0;
  const { room, failures, ...stub } = locksOf(
    { revision: 5, version: 0, locks: before, hasExpired: false },
    {
      list: async () => ({ revision: sweeps < 2 ? 6 : 7, version: 0, locks: [], hasExpired: sweeps < 2 }),
    },
    () => {
      sweeps += 1; // At first somebody holds the row.
    },
  );
  await room.reading.start();
  await waitFor(() => sweeps === 2);
  await waitFor(() => room.revision === 7);
  expect(stub.frames.map((frame) => frame.locks)).toEqual(before.length === 0 ? [] : [[]]);
  expect(failures).toEqual([]);
});

it("[lock-22] a room that is opened over a lease that is over has it written", async () => {
  let sweeps = 0;
  const { room } = locksOf({ revision: 5, version: 0, locks: [], hasExpired: true }, {}, (stub) => {
    sweeps += 1;
    stub.stored = { revision: 6, version: 0, locks: [], hasExpired: false };
  });
  await waitFor(() => room.revision === 6);
  expect(sweeps).toBe(1);
});
