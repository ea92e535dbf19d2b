/** The SDK with real instances on a real database. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DocumentReplica, openDocument } from "../../client/index.ts";
import type { Instance } from "../../server/compose.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let instances: Instance[];
let token: string;
const opened: DocumentReplica[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  instances = [await startTestInstance(database.url), await startTestInstance(database.url)];
  token = await devToken(urlOf(0), "ada", "Ada");
});

afterAll(async () => {
  await Promise.all(opened.map((document) => document.close()));
  await Promise.all(instances.map((instance) => instance.close()));
  await database.drop();
});

function urlOf(index: number): string {
  const instance = instances[index];
  if (instance === undefined) throw new RangeError(`no instance ${index}`);
  return instance.url;
}

async function newDocument(): Promise<string> {
  const { body } = await rest<{ id: string }>(urlOf(0), token, "POST", "/documents", {
    name: "board",
  });
  return body.id;
}

async function open(documentId: string, ...order: number[]): Promise<DocumentReplica> {
  const [first = "", ...others] = order.map((index) => urlOf(index));
  const document = openDocument({
    url: [first, ...others],
    documentId,
    token,
    backoff: { baseMs: 20, maxMs: 200 },
  });
  opened.push(document);
  await document.ready;
  return document;
}

describe("on two instances of one database", () => {
  test("[sdk/live] a change is seen on the other instance, typing merges, presence is seen", async () => {
    const documentId = await newDocument();
    const [ann, ben] = [await open(documentId, 0), await open(documentId, 1)];
    expect(ann.instanceId).not.toBe(ben.instanceId);
    expect(ann.role).toBe("owner");
    ann.transact((tx) => tx.create("a", { text: "one two", points: [] }));
    await waitFor(() => ben.get("a"));
    ann.transact((tx) => tx.splice("a", "text", 0, 3, "ONE"));
    ben.transact((tx) => tx.edit("a", "text", "one two three"));
    for (let index = 0; index < 50; index++) ann.transact((tx) => tx.append("a", "points", [index]));
    await Promise.all([ann.whenSettled(), ben.whenSettled()]);
    await waitFor(() => ann.version === ben.version);
    expect(ann.get("a")).toEqual(ben.get("a"));
    expect(ben.get("a")).toEqual({
      text: "ONE two three",
      points: Array.from({ length: 50 }, (_, index) => index),
    });
    ann.presence.set({ cursor: [1, 2] });
    await waitFor(() => [...ben.presence.others.values()].some(({ presence }) => presence !== null));
    const content = await rest<{ elements: unknown }>(
      urlOf(1),
      token,
      "GET",
      `/documents/${documentId}/content`,
    );
    expect(content.body.elements).toEqual(Object.fromEntries(ben.elements));
  });

  test("[sdk/move] an instance that closes loses nobody's changes: its clients go on at the other", async () => {
    const documentId = await newDocument();
    const extra = await startTestInstance(database.url);
    instances.push(extra);
    const ann = await open(documentId, 2, 0);
    const ben = await open(documentId, 1);
    ann.transact((tx) => tx.create("list", { items: [] }));
    let made = 0;
    const add = (): void => ann.transact((tx) => tx.append("list", "items", [made++]));
    for (let index = 0; index < 20; index++) {
      add();
      if (index % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const closing = extra.close();
    for (let index = 0; index < 20; index++) {
      add();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closing;
    instances.pop();
    await ann.whenSettled();
    await waitFor(() => ben.version === ann.version);
    expect(ben.get("list")).toEqual({ items: Array.from({ length: made }, (_, index) => index) });
    expect(ann.connection).toMatchObject({ state: "live" });
  });

  test("[sdk/closed] no access and a bad token end it, with the close code", async () => {
    const url = urlOf(0);
    const documentId = await newDocument();
    const other = await devToken(url, "eve");
    const denied = openDocument({ url, documentId, token: other });
    await expect(denied.ready).rejects.toMatchObject({ code: 4404 });
    const forged = openDocument({ url, documentId, token: "x.y.z" });
    await expect(forged.ready).rejects.toMatchObject({ code: 4401 });
  });
});
