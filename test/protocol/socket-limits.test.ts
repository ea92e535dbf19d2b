/** How many may be connected: at the limit, one past, and a place that is given back. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { connect, join, type RawClient } from "../instances/raw-client.ts";
import { type ConfigChange, devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let instance: Instance | undefined;
let docId: string;
let ada: string;
let clients: RawClient[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  clients = [];
  await instance?.close();
  instance = undefined;
  await database.drop();
});

async function start(change: ConfigChange): Promise<void> {
  instance = await startTestInstance(database.url, change);
  ada = await devToken(instance.url, "ada");
  const { body } = await rest(instance.url, ada, "POST", "/documents", { name: "Open", public: true });
  docId = body.id as string;
}

/** Connected, and nothing said. */
function silent(headers: Record<string, string> = {}): RawClient {
  const client = connect({ url: instance?.url ?? "", docId, headers });
  clients.push(client);
  return client;
}

const greet = async (client: RawClient, token?: string) => {
  client.send({ type: "hello", clientId: randomUUID(), ...(token === undefined ? {} : { token }) });
  await client.next("welcome");
};

/** A pong only comes to who may stay; a socket over the limit is closed instead. */
const stays = (client: RawClient) =>
  Promise.race([
    new Promise<boolean>((resolve) => {
      client.ws.once("pong", () => resolve(true));
      if (client.ws.readyState === client.ws.OPEN) client.ws.ping();
      else client.ws.once("open", () => client.ws.ping());
    }),
    client.closed.then(() => false),
  ]);

it("[limit-9] socketsPerAddress: one past is closed with 4429, whoever it is; a place given back is free", async () => {
  await start({ limits: { socketsPerAddress: 2 } });
  const a = await join({ url: instance?.url ?? "", docId, hello: { token: ada, clientId: "a" } });
  clients.push(a);
  const b = silent();
  expect(await stays(b)).toBe(true);
  expect((await silent().closed).code).toBe(4429);
  await a.close();
  const again = silent();
  expect(await stays(again)).toBe(true);
  await greet(again, ada);
  expect((await silent().closed).code).toBe(4429);
});

it("[limit-10] socketsPerAddress: behind a proxy it is the address that the proxy names, and without one nobody's header counts", async () => {
  await start({ limits: { socketsPerAddress: 1 }, server: { trustedProxies: 1 } });
  const from = (address: string) => silent({ "x-forwarded-for": address });
  expect(await stays(from("192.0.2.1"))).toBe(true);
  expect((await from("192.0.2.1").closed).code).toBe(4429);
  // What a client writes itself stands before what the proxy adds.
  expect((await from("198.51.100.7, 192.0.2.1").closed).code).toBe(4429);
  expect(await stays(from("192.0.2.2"))).toBe(true);
  await Promise.all(clients.map((client) => client.close()));
  await instance?.close();
  await start({ limits: { socketsPerAddress: 1 } });
  expect(await stays(from("192.0.2.1"))).toBe(true);
  expect((await from("192.0.2.2").closed).code).toBe(4429);
});

it("[limit-11] unauthenticatedSockets: one past is closed with 4429; a token frees the place, an anonymous reader keeps it", async () => {
  await start({ limits: { unauthenticatedSockets: 2 } });
  const [a, b] = [silent(), silent()];
  expect(await Promise.all([stays(a), stays(b)])).toEqual([true, true]);
  expect((await silent().closed).code).toBe(4429);
  await greet(a, ada);
  const reader = silent();
  await greet(reader);
  expect((await silent().closed).code).toBe(4429);
  await reader.close();
  expect(await stays(silent())).toBe(true);
  expect((await silent().closed).code).toBe(4429);
  // A bad token is no token.
  b.send({ type: "hello", clientId: "b", token: "x.y.z" });
  expect((await b.closed).code).toBe(4401);
  expect(await stays(silent())).toBe(true);
});
