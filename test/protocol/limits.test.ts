import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { connect, join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let instance: Instance;
let ada: string;
let docId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url, {
    limits: {
      maxOpsPerSubmit: 3,
      maxPresenceBytes: 20,
      maxElements: 4,
      socketsPerUser: 2,
      maxMessageBytes: 2_000,
      opsPerSecond: 1,
    },
  });
  ada = await devToken(instance.url, "ada");
  const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "Limited" });
  docId = body.id as string;
});
afterAll(async () => {
  await instance?.close();
  await database?.drop();
});

const create = () => ({ id: randomUUID(), type: "create", element: randomUUID() });
const enter = () => join({ url: instance.url, docId, hello: { token: ada, clientId: randomUUID() } });

it("[limit-1] maxOpsPerSubmit, maxElements: at the limit accepted, one past refused; opsPerSecond holds the next up", async () => {
  const a = await enter();
  a.send({ type: "submit", seq: 1, base: 0, ops: [create(), create(), create(), create()] });
  expect(await a.next("reject")).toMatchObject({ code: "too_large", details: { limit: "maxOpsPerSubmit" } });
  const three = [create(), create(), create()];
  a.send({ type: "submit", seq: 2, base: 0, ops: three });
  const fourth = create();
  a.send({ type: "submit", seq: 3, base: 0, ops: [fourth] });
  await a.sequenced(three[2]?.id ?? "");
  expect(await a.next("reject")).toMatchObject({
    seq: 3,
    code: "rate_limited",
    details: { limit: "opsPerSecond" },
  });
  await a.close();
  const b = await enter();
  b.send({ type: "submit", seq: 1, base: 0, ops: [fourth] });
  await b.sequenced(fourth.id);
  b.send({ type: "submit", seq: 2, base: 0, ops: [create()] });
  expect(await b.next("reject")).toMatchObject({
    seq: 2,
    code: "too_large",
    details: { limit: "maxElements" },
  });
  await b.close();
});

it("[limit-2] maxPresenceBytes: at the limit shown, one past an error", async () => {
  const [a, b] = await Promise.all([enter(), enter()]);
  const at = { text: "123456789" };
  expect(JSON.stringify(at)).toHaveLength(20);
  a.send({ type: "presence", state: { text: "1234567890" } });
  expect(await a.next("error")).toMatchObject({ code: "too_large" });
  a.send({ type: "presence", state: at });
  await b.next("presence", ({ states }) => states?.[a.welcome.sessionId]?.text === at.text);
  await Promise.all([a.close(), b.close()]);
});

it("[limit-3] socketsPerUser: the third is closed with 4429; a place given back is free", async () => {
  const [a, b] = await Promise.all([enter(), enter()]);
  const third = connect({ url: instance.url, docId });
  third.send({ type: "hello", token: ada, clientId: "third" });
  expect((await third.closed).code).toBe(4429);
  await a.close();
  const again = await enter();
  await Promise.all([b.close(), again.close()]);
});

it("[limit-4] maxMessageBytes: at the limit read, one past closed with 1009", async () => {
  const a = await enter();
  const ping = (bytes: number) => JSON.stringify({ type: "ping", t: "x".repeat(bytes - 22) });
  expect(ping(2_000)).toHaveLength(2_000);
  a.send(ping(2_000));
  await a.next("pong");
  a.send(ping(2_001));
  expect((await a.closed).code).toBe(1009);
});
