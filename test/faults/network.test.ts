/** The network between the instances and PostgreSQL fails under live sessions. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { lasting, type Rig, startRig } from "./rig.ts";

let database: TestDatabase;
let proxies: TcpProxy[];
let rig: Rig;

beforeEach(async () => {
  database = await createTestDatabase();
  proxies = await Promise.all([startTcpProxy(database.url), startTcpProxy(database.url)]);
  rig = await startRig(
    proxies.map((proxy) => proxy.through(database.url)),
    database.pool,
  );
});
afterEach(async () => {
  for (const proxy of proxies) proxy.thaw();
  await Promise.all(proxies.map((proxy) => proxy.restore()));
  await rig?.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await database.drop();
});

const away = "the database does not answer";
const acknowledged = () => rig.writers.map((writer) => writer.acknowledged.size);

describe("the network to the database", () => {
  it("[fault-cut] cut for 10 s: submits are unavailable, readyz says why, and all recovers by itself", async () => {
    await Promise.all(proxies.map((proxy) => proxy.cut()));
    expect(await Promise.all([rig.unready(0), rig.unready(1)])).toEqual([away, away]);
    const before = acknowledged();
    // A submit may wait for one in flight first, and each is tried for four seconds.
    await lasting(10_000);
    expect(acknowledged()).toEqual(before);
    expect(rig.writers.every((writer) => (writer.refusals.get("unavailable") ?? 0) > 0)).toBe(true);
    await Promise.all(proxies.map((proxy) => proxy.restore()));
    await rig.settle();
  });

  it.each(["both", "to-server", "to-client"] as const)(
    "[fault-freeze] frozen (%s) for 12 s: no false acknowledgement, every submit is answered, recovery",
    async (direction) => {
      for (const proxy of proxies) proxy.freeze(direction);
      const ended = lasting(12_000);
      expect(await Promise.all([rig.unready(0), rig.unready(1)])).toEqual([away, away]);
      const before = acknowledged();
      await ended;
      expect(acknowledged()).toEqual(before);
      for (const proxy of proxies) proxy.thaw();
      await rig.settle();
      expect(rig.writers.every((writer) => (writer.refusals.get("unavailable") ?? 0) > 0)).toBe(true);
    },
  );

  it("[fault-freeze-one] frozen for one instance: the other goes on, and the first catches up", async () => {
    const [first] = proxies;
    first?.freeze("both");
    const ended = lasting(8_000);
    expect(await rig.unready(0)).toBe(away);
    const before = rig.writers[1]?.acknowledged.size ?? 0;
    await ended;
    expect(rig.writers[1]?.acknowledged.size ?? 0).toBeGreaterThan(before + 20);
    expect(rig.writers[1]?.refusals.size).toBe(0);
    first?.thaw();
    await rig.settle();
  });

  it("[fault-abandoned] connections that silently carry nothing any more are given up", async () => {
    for (const proxy of proxies) proxy.abandon();
    await rig.settle();
  });

  it("[fault-slow] slow by 200 ms each way: nothing is unavailable", async () => {
    for (const proxy of proxies) proxy.delay(200);
    const before = acknowledged();
    await lasting(5_000);
    for (const [index, count] of acknowledged().entries()) expect(count).toBeGreaterThan(before[index] ?? 0);
    await rig.settle();
    expect(rig.writers.map((writer) => writer.refusals.size)).toEqual([0, 0]);
  });
});
