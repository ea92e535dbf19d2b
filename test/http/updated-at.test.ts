/** `updatedAt` follows edits within a minute (protocol section 7), while people are in the document too. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let instance: Instance;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url);
});
afterAll(async () => {
  await instance?.close();
  await database?.drop();
});

it("[rest] a document that somebody has open moves to the front of the list when it is edited", async () => {
  const { url } = instance;
  const [ann, bob] = await Promise.all([devToken(url, "ann"), devToken(url, "bob")]);
  const create = async (name: string) =>
    (await rest(url, ann, "POST", "/documents", { name, editors: ["bob"], elements: { e: {} } })).body;
  const old = await create("old");
  const newer = await create("newer");
  const list = async () => (await rest(url, ann, "GET", "/documents")).body.items as { id: string }[];
  expect((await list()).map(({ id }) => id)).toEqual([newer.id, old.id]);

  const client = await join({ url, docId: old.id as string, hello: { token: bob, clientId: "tab" } });
  const id = randomUUID();
  const base = client.welcome.version;
  client.send({ type: "submit", seq: 1, base, ops: [{ id, type: "update", element: "e", set: { x: 1 } }] });
  const { at } = await client.sequenced(id);
  const moved = await waitFor(
    async () => {
      const { body } = await rest(url, ann, "GET", `/documents/${old.id}`);
      return body.updatedBy === "bob" ? body : undefined;
    },
    { timeoutMs: 50_000, intervalMs: 500 },
  );
  expect(moved).toMatchObject({ updatedAt: at, metadataVersion: old.metadataVersion });
  expect((await list()).map(({ id }) => id)).toEqual([old.id, newer.id]);
  client.close();
});
