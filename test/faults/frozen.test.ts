/** What one instance does while its database neither answers nor refuses. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { join, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";

const maxInFlight = 4;
let database: TestDatabase;
let proxy: TcpProxy;
let instance: Instance;
let client: RawClient;

beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await startTcpProxy(database.url);
  instance = await startTestInstance(proxy.through(database.url), { limits: { maxInFlight } });
  const token = await devToken(instance.url, "ada");
  const { body } = await rest<{ id: string }>(instance.url, token, "POST", "/documents", { name: "Frozen" });
  client = await join({ url: instance.url, docId: body.id, hello: { token, clientId: "flood" } });
});
afterEach(async () => {
  proxy.thaw();
  await instance.close();
  await proxy.close();
  await database.drop();
});

const rejects = () =>
  client.messages.flatMap((message) => (message.type === "reject" ? [[message.seq, message.code]] : []));

it("[fault-flood] what is sent over maxInFlight is held at once, not kept until the database answers", async () => {
  const ops = Array.from({ length: 200 }, () => {
    const id = randomUUID();
    return { id, type: "create", element: `e${id}`, props: { text: "x".repeat(10_000) } };
  });
  const send = (seq: number) => client.send({ type: "submit", seq, base: 0, ops: [ops[seq - 1]] });
  const judged = maxInFlight + 1;
  proxy.freeze("both");
  for (let seq = 1; seq <= ops.length; seq += 1) send(seq);
  // The first over the limit may be a repeat, which nobody can tell now; those behind it have to come again anyway.
  const held = ops.map((_, index) => index + 1).slice(judged);
  await waitFor(() => rejects().length >= held.length, { timeoutMs: 3_000 });
  expect(rejects()).toEqual(held.map((seq) => [seq, "rate_limited"]));
  // And nobody waits for longer than 10 s.
  await waitFor(() => rejects().length === ops.length, { timeoutMs: 10_000 });
  expect(
    rejects()
      .slice(held.length)
      .map(([, code]) => code),
  ).toEqual(Array(judged).fill("unavailable"));
  proxy.thaw();
  // The same again, in order: each is in the log once.
  for (let seq = 1; seq <= maxInFlight; seq += 1) send(seq);
  const acknowledged = (seq: number) =>
    client.operations.some(({ id }) => id === ops[seq - 1]?.id) ||
    client.messages.some((message) => message.type === "ack" && message.seq === seq);
  await waitFor(() => [1, 2, 3, 4].every(acknowledged));
  const { rows } = await database.pool.query<{ id: string }>("SELECT id FROM operations ORDER BY version");
  expect(rows.map(({ id }) => id)).toEqual(ops.slice(0, maxInFlight).map(({ id }) => id));
  await client.close();
});

it("[fault-close] an instance whose database is frozen stops within 10 s", async () => {
  const id = randomUUID();
  proxy.freeze("both");
  client.send({ type: "submit", seq: 1, base: 0, ops: [{ id, type: "create", element: "e" }] });
  const startedAt = performance.now();
  await instance.close();
  expect(performance.now() - startedAt).toBeLessThan(10_500);
  expect((await client.closed).code).toBe(1001);
});
