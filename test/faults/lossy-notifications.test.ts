/** Three instances whose notifications are lost, doubled and late: everything reaches everybody all the same. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DocumentReplica, openDocument } from "../../client/index.ts";
import type { Instance } from "../../server/compose.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { type LossyNotifications, proxyNotifications } from "../support/lossy-notifications.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { waitFor } from "../support/wait-for.ts";

const random = seededRandom();
const rounds = 10;
const withinMs = 5_000;

let database: TestDatabase;
let proxy: LossyNotifications;
let instances: Instance[];
let tokens: string[];
let replicas: DocumentReplica[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await proxyNotifications(database.url, random, 0.2);
  instances = await Promise.all([0, 1, 2].map(() => startTestInstance(proxy.url)));
  tokens = await Promise.all(["ada", "ben", "cas"].map((user) => devToken(instances[0]!.url, user)));
});
afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.close()));
  await Promise.all((instances ?? []).map((instance) => instance.close()));
  await proxy?.close();
  await database?.drop();
});

test(`[R10] presence, locks, roles and edits reach everybody on three instances within 5 s (seed ${random.seed})`, async () => {
  const created = await rest<{ id: string }>(instances[0]!.url, tokens[0], "POST", "/documents", {
    name: "lossy",
    editors: ["ben", "cas"],
  });
  const documentId = created.body.id;
  replicas = instances.map(({ url }, index) => openDocument({ url, documentId, token: tokens[index]! }));
  await Promise.all(replicas.map((replica) => replica.ready));
  const [ada, ben, cas] = replicas as [DocumentReplica, DocumentReplica, DocumentReplica];
  const everybody = (what: string, holds: (replica: DocumentReplica) => boolean) =>
    waitFor(() => replicas.every(holds), { timeoutMs: withinMs, what: `${what} (seed ${random.seed})` });
  ada.transact((tx) => tx.create("a", { n: -1 }));
  await everybody("an element", (replica) => replica.get("a") !== undefined);

  for (let round = 0; round < rounds; round++) {
    const cursor = { round };
    ben.presence.set(cursor);
    ada.transact((tx) => tx.update("a", { n: round }));
    const lock = await cas.locks.acquire("b");
    const role = round % 2 === 0 ? "viewer" : "editor";
    const lists = role === "viewer" ? { editors: ["cas"], viewers: ["ben"] } : { editors: ["ben", "cas"] };
    const changed = await rest(instances[round % 3]!.url, tokens[0], "PATCH", `/documents/${documentId}`, {
      viewers: [],
      ...lists,
    });
    expect(changed.status).toBe(200);
    await Promise.all([
      everybody("an edit", (replica) => replica.confirmedElements.get("a")?.n === round),
      everybody("a lock", (replica) => replica.locks.get("b")?.id === lock.id),
      everybody("a role", (replica) =>
        replica === ben
          ? ben.role === role
          : [...replica.presence.others.values()].some(
              ({ user, role: seen }) => user.id === "ben" && seen === role,
            ),
      ),
      everybody(
        "a cursor",
        (replica) =>
          replica === ben ||
          [...replica.presence.others.values()].some(({ presence }) => presence?.round === round),
      ),
    ]);
    await cas.locks.release("b");
    await everybody("a release", (replica) => replica.locks.list.length === 0);
  }
  const { dropped, doubled, delayed } = proxy.counts;
  expect(Math.min(dropped, doubled, delayed), JSON.stringify(proxy.counts)).toBeGreaterThan(0);
}, 120_000);
