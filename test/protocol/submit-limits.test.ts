/** What a session may have unanswered and show of itself, and how large a document may be: at the limit, one past. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Instance } from "../../server/compose.ts";
import { elementBytes } from "../../shared/document/size.ts";
import { join, type RawClient } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

const maxInFlight = 3;
const maxInFlightBytes = 1_200;
const maxDocumentBytes = 1_000;
const presencePerSecond = 10;

let database: TestDatabase;
let instance: Instance;
let ada: string;

beforeAll(async () => {
  database = await createTestDatabase();
  instance = await startTestInstance(database.url, {
    limits: { maxInFlight, maxInFlightBytes, maxDocumentBytes, presencePerSecond },
    // Faster than the limit, so that what is seen was not coalesced on its way out.
    presence: { frameMs: 10 },
  });
  ada = await devToken(instance.url, "ada");
});
afterAll(async () => {
  await instance?.close();
  await database?.drop();
});

async function newDocument(): Promise<string> {
  const { body } = await rest<{ id: string }>(instance.url, ada, "POST", "/documents", { name: "Limited" });
  return body.id;
}

const enter = (docId: string) =>
  join({ url: instance.url, docId, hello: { token: ada, clientId: randomUUID() } });
const create = (props: Record<string, unknown> = {}) => ({
  id: randomUUID(),
  type: "create",
  element: "e".concat(randomUUID()),
  props,
});
const submit = (client: RawClient, seq: number, op: unknown) =>
  client.send({ type: "submit", seq, base: 0, ops: [op] });
const rejectOf = (client: RawClient, seq: number) => client.next("reject", (message) => message.seq === seq);
const rejects = (client: RawClient) => client.messages.filter(({ type }) => type === "reject");

/** Nothing of a document is committed until the answer is called. */
async function holdRow(docId: string): Promise<() => Promise<void>> {
  const client = await database.pool.connect();
  await client.query("BEGIN");
  await client.query("SELECT FROM documents WHERE id = $1 FOR UPDATE", [docId]);
  return async () => {
    await client.query("ROLLBACK");
    client.release();
  };
}

it("[limit-5] maxInFlight: as many are accepted, the next is refused and holds up those behind it until it comes again", async () => {
  const docId = await newDocument();
  const a = await enter(docId);
  const other = await enter(docId);
  const release = await holdRow(docId);
  const ops = Array.from({ length: 7 }, () => create());
  const send = (seq: number) => submit(a, seq, ops[seq - 1]);
  try {
    // In flight alone, so that all of the others' wait behind it.
    const first = create();
    submit(other, 1, first);
    other.send({ type: "ping", t: 1 });
    await other.next("pong");
    for (let seq = 1; seq <= 6; seq += 1) send(seq);
    expect(await rejectOf(a, 4)).toMatchObject({
      code: "rate_limited",
      details: { limit: "maxInFlight", retryAfterMs: expect.any(Number) },
    });
    for (const seq of [5, 6]) expect(await rejectOf(a, seq)).toMatchObject({ code: "rate_limited" });
    send(5);
    expect(await rejectOf(a, 5)).toMatchObject({ code: "rate_limited" });
    // Again, and the same: nothing was answered meanwhile.
    send(4);
    expect(await rejectOf(a, 4)).toMatchObject({ code: "rate_limited", details: { limit: "maxInFlight" } });
    expect(a.operations).toEqual([]);
    expect(rejects(a)).toHaveLength(5);
  } finally {
    await release();
  }
  await a.sequenced(ops[2]?.id ?? "");
  send(5);
  expect(await rejectOf(a, 5)).toMatchObject({ code: "rate_limited" });
  for (const seq of [4, 5, 6]) send(seq);
  await a.sequenced(ops[5]?.id ?? "");
  send(7);
  await a.sequenced(ops[6]?.id ?? "");
  expect(a.operations.map(({ id }) => id)).toEqual([expect.any(String), ...ops.map(({ id }) => id)]);
  expect(rejects(a)).toHaveLength(6);
  // Those that were held up are counted too.
  const metrics = await (await fetch(`${instance.url}/metrics`)).text();
  expect(metrics).toContain('aetherflow_rejects_total{code="rate_limited"} 6');
  await Promise.all([a.close(), other.close()]);
});

it("[limit-6] maxInFlight: a repeat over the limit is acknowledged, since repeats are judged first", async () => {
  const docId = await newDocument();
  const a = await enter(docId);
  const ops = Array.from({ length: 6 }, () => create());
  submit(a, 1, ops[0]);
  await a.sequenced(ops[0]?.id ?? "");
  const release = await holdRow(docId);
  try {
    for (const seq of [2, 3, 4]) submit(a, seq, ops[seq - 1]);
    submit(a, 5, ops[0]);
    submit(a, 6, ops[5]);
    expect(await rejectOf(a, 6)).toMatchObject({ code: "rate_limited" });
  } finally {
    await release();
  }
  expect(await a.next("ack")).toMatchObject({ seq: 5, versions: [1], duplicate: true });
  submit(a, 6, ops[5]);
  expect(await a.sequenced(ops[5]?.id ?? "")).toMatchObject({ version: 5 });
  expect(rejects(a)).toHaveLength(1);
  await a.close();
});

it("[limit-12] maxInFlightBytes: so much may be unanswered, one byte more is refused until something is answered; a single one may be larger", async () => {
  const docId = await newDocument();
  const a = await enter(docId);
  const other = await enter(docId);
  const release = await holdRow(docId);
  const ops = Array.from({ length: 4 }, () => create());
  /** A message of exactly so many bytes. */
  const send = (seq: number, bytes: number) => {
    const message = { type: "submit", seq, base: 0, ops: [ops[seq - 1]], ignored: "" };
    a.send({ ...message, ignored: "x".repeat(bytes - JSON.stringify(message).length) });
  };
  try {
    submit(other, 1, create());
    other.send({ type: "ping", t: 1 });
    await other.next("pong");
    send(1, 700);
    send(2, maxInFlightBytes - 700);
    send(3, 300);
    expect(await rejectOf(a, 3)).toMatchObject({
      code: "rate_limited",
      details: { limit: "maxInFlightBytes", retryAfterMs: expect.any(Number) },
    });
  } finally {
    await release();
  }
  await a.sequenced(ops[1]?.id ?? "");
  send(3, 300);
  await a.sequenced(ops[2]?.id ?? "");
  send(4, maxInFlightBytes * 10);
  await a.sequenced(ops[3]?.id ?? "");
  expect(rejects(a)).toHaveLength(1);
  await Promise.all([a.close(), other.close()]);
});

it("[limit-7] presencePerSecond: more are coalesced, not refused, and the newest always arrives", async () => {
  const docId = await newDocument();
  const [a, b] = await Promise.all([enter(docId), enter(docId)]);
  const seen = () =>
    b.messages.flatMap((message) =>
      message.type === "presence" && message.states?.[a.welcome.sessionId] !== undefined
        ? [message.states[a.welcome.sessionId]?.x]
        : [],
    );
  const startedAt = performance.now();
  let x = 0;
  const sending = setInterval(() => {
    for (let burst = 0; burst < 5; burst += 1) a.send({ type: "presence", state: { x: x++ } });
  }, 10);
  try {
    await waitFor(() => seen().length >= 8);
  } finally {
    clearInterval(sending);
  }
  a.send({ type: "presence", state: { x: "last" } });
  await waitFor(() => seen().at(-1) === "last");
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(x).toBeGreaterThan(100);
  // One at once, then one a period.
  expect(seen().length).toBeLessThanOrEqual(1 + seconds * presencePerSecond);
  expect(a.messages.filter(({ type }) => type === "error")).toEqual([]);
  await Promise.all([a.close(), b.close()]);
});

it("[limit-8] maxDocumentBytes: at the limit accepted, one byte past refused; what makes it smaller goes on", async () => {
  const docId = await newDocument();
  const a = await enter(docId);
  const element = "text";
  const fits = { t: "x".repeat(maxDocumentBytes - elementBytes(element, { t: "" })) };
  const write = (seq: number, type: string, fields: object) => {
    const id = randomUUID();
    a.send({ type: "submit", seq, base: a.operations.length, ops: [{ id, type, element, ...fields }] });
    return id;
  };
  const over = { code: "too_large", details: { limit: "maxDocumentBytes" } };
  write(1, "create", { props: { t: `${fits.t}x` } });
  expect(await rejectOf(a, 1)).toMatchObject(over);
  await a.sequenced(write(2, "create", { props: fits }));
  write(3, "update", { splice: { t: [[0, 0, "y"]] } });
  expect(await rejectOf(a, 3)).toMatchObject(over);
  await a.sequenced(write(4, "update", { splice: { t: [[0, 1, ""]] } }));
  await a.sequenced(write(5, "update", { splice: { t: [[0, 0, "y"]] } }));
  // Edits by REST are edits; a limit of the document holds for them too.
  const edit = (text: string) =>
    rest(instance.url, ada, "POST", `/documents/${docId}/operations`, {
      ops: [{ id: randomUUID(), type: "update", element, set: { t: text } }],
    });
  expect(await edit(`${fits.t}x`)).toMatchObject({ status: 413, body: over });
  expect((await edit(fits.t)).status).toBe(200);
  await a.close();
});
