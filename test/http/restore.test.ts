/** Restores that meet: with each other, and with edits on another instance. */
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { thin } from "../../server/room/snapshots.ts";
import { join } from "../instances/raw-client.ts";
import { startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { caller, jwtAuth, token } from "./setup.ts";

let database: TestDatabase;
const instances: Instance[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const limits = { requestsPerSecond: 0, opsPerSecond: 0 };
  for (const _ of [1, 2]) instances.push(await startTestInstance(database.url, { ...jwtAuth, limits }));
});
afterAll(async () => {
  for (const instance of instances) await instance.close();
  await database.drop();
});

const on = (which: number, user: string) =>
  caller(() => ({ url: instances[which]!.url, instance: instances[which]! }), user);
const set = (element: string, props: object) => ({ id: uuidv7(), type: "update", element, set: props });
const make = (element: string) => ({ id: uuidv7(), type: "create", element });
const create = async (): Promise<string> => {
  const document = { name: "x", editors: ["bob"], elements: { a: { x: 1 }, b: { x: 1 } } };
  const { body } = await on(0, "ada")("POST", "/documents", document);
  await on(0, "ada")("POST", `/documents/${body.id}/operations`, { ops: [set("a", { x: 2 }), make("c")] });
  return body.id;
};
const contentAt = async (docId: string, version: number) =>
  (await on(0, "ada")("GET", `/documents/${docId}/content?version=${version}`)).body.elements;

test("[history-3] several at once: each leaves exactly its content, whatever came before it", async () => {
  const docId = await create();
  for (let round = 0; round < 4; round++) {
    const wanted = [2, 4, 3, 2, 4, 0];
    const answers = await Promise.all(
      wanted.map((version, at) =>
        on(round % 2, at % 2 === 0 ? "ada" : "bob")("POST", `/documents/${docId}/restore`, { version }),
      ),
    );
    for (const [at, { status, body }] of answers.entries()) {
      expect(status, JSON.stringify(body)).toBe(200);
      expect(await contentAt(docId, body.version)).toEqual(await contentAt(docId, wanted[at]!));
    }
  }
});

test("[history-3] beside edits on another instance: no edit comes between the state and the batch", async () => {
  const docId = await create();
  const client = await join({
    url: instances[1]!.url,
    docId,
    hello: { token: await token("bob"), clientId: "bob", since: 0 },
  });
  let busy = true;
  const editing = (async () => {
    for (let seq = 1; busy; seq++) {
      const op = make(`n${seq}`);
      client.send({ type: "submit", seq, base: client.operations.at(-1)?.version ?? 4, ops: [op] });
      await client.sequenced(op.id);
    }
  })();
  await waitFor(() => client.operations.length > 20);
  for (let round = 0; round < 25; round++) {
    const version = round % 2 === 0 ? 2 : 4;
    const { status, body } = await on(0, "ada")("POST", `/documents/${docId}/restore`, { version });
    expect(status, JSON.stringify(body)).toBe(200);
    expect(await contentAt(docId, body.version)).toEqual(await contentAt(docId, version));
  }
  busy = false;
  await editing;
  await client.close();
});

test("[history-2] thinning spares the snapshots of named versions and the oldest", () => {
  const versions = Array.from({ length: 12 }, (_, at) => at * 10);
  const given = thin(versions, 6, new Set());
  expect(versions.length - given.length).toBeLessThanOrEqual(6);
  expect(given).not.toContain(0);
  expect(given).toContain(10);
  expect(thin(versions, 6, new Set([10, 30]))).not.toContain(10);
  expect(thin(versions, 2, new Set(versions))).toEqual([]);
  expect(thin(versions, 12, new Set())).toEqual([]);
});
