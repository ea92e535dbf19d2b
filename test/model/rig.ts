/** Three instances in this process over one database, between them a proxy that loses notifications. */
import type { Instance } from "../../server/compose.ts";
import { devToken, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { noteLockEnds } from "../support/lock-ends.ts";
import { type LossyNotifications, proxyNotifications } from "../support/lossy-notifications.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { cast, instanceCount } from "./steps.ts";

/** Of the notifications, so many are dropped, doubled or delayed. */
const lostShare = 0.2;

export interface Rig {
  readonly database: TestDatabase;
  readonly proxy: LossyNotifications;
  readonly urls: readonly string[];
  url(instance: number): string;
  /** All addresses, that one first. */
  urlsFrom(instance: number): [string, ...string[]];
  token(user: string): string;
  /** Closes everything. Throws when a connection to the database is left. */
  close(): Promise<void>;
}

export async function startRig(seed: number): Promise<Rig> {
  const database = await createTestDatabase();
  await noteLockEnds(database.pool);
  const proxy = await proxyNotifications(database.url, seededRandom(seed), lostShare);
  const limits = { requestsPerSecond: 0, socketsPerUser: 0, socketsPerAddress: 0, unauthenticatedSockets: 0 };
  const instances: Instance[] = await Promise.all(
    Array.from({ length: instanceCount }, () => startTestInstance(proxy.url, { limits })),
  );
  const urls = instances.map((instance) => instance.url);
  const url = (instance: number): string => urls[instance % urls.length] ?? "";
  const users = [...new Set(cast.map(({ user }) => user))];
  const tokens = new Map<string, string>();
  for (const user of users) tokens.set(user, await devToken(url(0), user, user));
  return {
    database,
    proxy,
    urls,
    url,
    urlsFrom: (instance) => [url(instance), url(instance + 1), url(instance + 2)],
    token: (user) => tokens.get(user) ?? "",
    async close() {
      await Promise.all(instances.map((instance) => instance.close()));
      await proxy.close();
      await database.drop();
    },
  };
}
