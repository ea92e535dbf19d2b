/**
 * Authors on two instances lock, edit, release and run out of leases at random. Afterwards R6 is read from the tables:
 * no operation of another author on what is locked between a lock's grant and its end.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import type { LockInfo } from "../../shared/protocol/messages.ts";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { noteLockEnds } from "../support/lock-ends.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";

let database: TestDatabase;
let instances: readonly Instance[];

beforeAll(async () => {
  database = await createTestDatabase();
  await noteLockEnds(database.pool);
  instances = await Promise.all([startTestInstance(database.url), startTestInstance(database.url)]);
});
afterAll(async () => {
  await Promise.all((instances ?? []).map((instance) => instance.close()));
  await database?.drop();
});

const runMs = 6_000;
/** A loaded machine needs longer until enough has happened. */
const atMostMs = 40_000;
const elements = ["a", "b", "c"];

interface Author {
  readonly user: string;
  readonly client: Awaited<ReturnType<typeof join>>;
  readonly grants: LockInfo[];
  readonly rejects: string[];
  accepted: number;
}

/** Whether it was a race at all: much was granted, ended and refused. */
function isEnough(authors: readonly Author[]): boolean {
  const locks = new Set(authors.flatMap(({ grants }) => grants.map(({ id }) => id)));
  const count = (of: (author: Author) => number) => authors.reduce((sum, author) => sum + of(author), 0);
  return (
    locks.size > 20 &&
    count(({ accepted }) => accepted) > 100 &&
    count(({ rejects }) => rejects.length) > 20 &&
    authors.every(({ grants }) => grants.length > 0)
  );
}

async function act(author: Author, random: SeededRandom, goesOn: () => boolean): Promise<void> {
  const { client } = author;
  let seq = 0;
  while (goesOn()) {
    const element = random.pick(elements);
    const dice = random.next();
    if (dice < 0.55) {
      const id = randomUUID();
      seq += 1;
      client.send({
        type: "submit",
        seq,
        base: client.operations.at(-1)?.version ?? 3,
        ops: [{ id, type: "update", element, set: { x: random.between(0, 1_000) } }],
      });
      const mine = seq;
      const answer = await Promise.race([
        client.sequenced(id),
        client.next("reject", (reject) => reject.seq === mine),
      ]);
      if ("code" in answer) author.rejects.push(answer.code);
      else author.accepted += 1;
    } else {
      const requestId = randomUUID();
      const action = dice < 0.8 ? "acquire" : dice < 0.85 ? "renew" : "release";
      client.send({
        type: "lock",
        requestId,
        action,
        // The document's lock is given back more often than it is taken: else one author holds it all the time.
        element: (dice > 0.78 && dice < 0.8) || dice > 0.95 ? null : element,
        ...(action === "release" ? {} : { ttlMs: random.between(1_000, 1_300) }),
      });
      const result = await client.next("result", (each) => each.requestId === requestId);
      if (result.ok && result.lock !== undefined) author.grants.push(result.lock);
    }
    await delay(random.between(0, 15));
  }
}

it("[lock-19] authors on two instances lock and edit the same elements at random", async () => {
  const random = seededRandom();
  const users: readonly string[] = ["u0", "u1", "u2", "u3"];
  const tokens = await Promise.all(users.map((user) => devToken(instances[0]?.url ?? "", user)));
  const { body } = await rest(instances[0]?.url ?? "", tokens[0], "POST", "/documents", {
    name: "Race",
    editors: users,
    elements: { a: {}, b: {}, c: {} },
  });
  const docId = body.id as string;
  const authors = await Promise.all(
    users.map(async (user, index): Promise<Author> => {
      const url = instances[index % 2]?.url ?? "";
      const hello = { token: tokens[index], clientId: `${user}-tab` };
      return { user, client: await join({ url, docId, hello }), grants: [], rejects: [], accepted: 0 };
    }),
  );
  const started = performance.now();
  const goesOn = () => {
    const ms = performance.now() - started;
    return ms < runMs || (ms < atMostMs && !isEnough(authors));
  };
  await Promise.all(authors.map((author) => act(author, seededRandom(random.between(1, 2 ** 30)), goesOn)));

  const why = `seed ${random.seed}`;
  interface LockRow extends Pick<LockInfo, "id" | "element" | "token" | "version"> {
    readonly user: string;
    /** The document's version when it was ended; null: it still stands. */
    readonly endedAt: number | null;
  }
  const { rows: locks } = await database.pool.query<LockRow>(
    `SELECT l.id, l.element, l.user_id AS "user", l.token, l.version, e.version AS "endedAt"
     FROM locks l LEFT JOIN lock_ends e ON e.lock_id = l.id WHERE l.doc_id = $1 ORDER BY l.token`,
    [docId],
  );
  const { rows: log } = await database.pool.query<{ version: number; element: string; user: string }>(
    `SELECT version, element, user_id AS "user" FROM operations WHERE doc_id = $1 ORDER BY version`,
    [docId],
  );
  const trespasses = locks.flatMap((lock) =>
    log
      .filter(
        ({ version, element, user }) =>
          user !== lock.user &&
          (lock.element === null || lock.element === element) &&
          version > lock.version &&
          version <= (lock.endedAt ?? Number.POSITIVE_INFINITY),
      )
      .map((operation) => ({ lock, operation })),
  );
  expect(trespasses, why).toEqual([]);

  // It was a race at all, and nothing was refused for another reason.
  expect(locks.length, why).toBeGreaterThan(20);
  expect(log.length, why).toBeGreaterThan(100);
  expect(new Set(locks.map(({ user }) => user)).size, why).toBe(users.length);
  const rejects = authors.flatMap((author) => author.rejects);
  expect(rejects.length, why).toBeGreaterThan(20);
  expect(new Set(rejects), why).toEqual(new Set(["locked"]));

  // What clients were told is what the tables say; fencing tokens only grow.
  expect(locks.map(({ token }) => token)).toEqual(locks.map((_, index) => index + 1));
  const byId = new Map(locks.map((lock) => [lock.id, lock]));
  for (const { user, grants } of authors) {
    for (const { id, element, token, version } of grants)
      expect(byId.get(id), why).toMatchObject({ user, element, token, version });
  }
  for (const { client } of authors) {
    let [at, revision] = [client.welcome.version, client.welcome.locks.revision];
    for (const message of client.messages) {
      if (message.type === "ops") at = message.ops.at(-1)?.version ?? at;
      if (message.type !== "locks") continue;
      expect(message.revision, why).toBeGreaterThan(revision);
      revision = message.revision;
      for (const lock of message.locks) expect(lock.version, why).toBeLessThanOrEqual(at);
    }
  }
  await Promise.all(authors.map(({ client }) => client.close()));
});
