/** docs/protocol.schema.json: what the code's schemas give, valid by itself, and true of what is really sent. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, it } from "vitest";
import { protocolJsonSchema } from "../../shared/protocol/json-schema.ts";
import { serverMessages } from "../../shared/protocol/server-schema.ts";
import { join } from "../instances/raw-client.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";

const committed = JSON.parse(
  readFileSync(new URL("../../docs/protocol.schema.json", import.meta.url), "utf8"),
) as Record<string, unknown>;

// Another implementation than the one that wrote it. Formats stand beside patterns that say the same.
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(committed, "protocol");
const validator = (name: string) => {
  const validate = ajv.getSchema(`protocol#/$defs/${name}`);
  if (validate === undefined) throw new Error(`no ${name} in the schema`);
  return (value: unknown) => ({ valid: validate(value) as boolean, errors: validate.errors });
};

it("[schema-1] the committed JSON Schema is the one that the schemas of shared/protocol give", () => {
  const now = JSON.parse(JSON.stringify(protocolJsonSchema())) as unknown;
  expect(
    committed,
    "The wire has changed. If that is meant and old clients understand it (a new optional field, a new message): " +
      "npm run protocol:schema, docs/protocol.md, CHANGELOG.md. If they do not, the subprotocol needs a new name.",
  ).toEqual(now);
});

it("[schema-2] it is a valid JSON Schema of draft 2020-12", () => {
  expect(ajv.validateSchema(committed), JSON.stringify(ajv.errors)).toBe(true);
});

const id = "0190a1b2-0000-7000-8000-000000000001";
const submit = (op: object, more: object = {}) => ({ type: "submit", seq: 1, base: 0, ops: [op], ...more });

it.each([
  ["hello", { type: "hello", clientId: "c" }, true],
  ["a hello of the reserved client id", { type: "hello", clientId: "server" }, false],
  ["a pending id that is no UUID", { type: "hello", clientId: "c", pending: ["x"] }, false],
  ["a create without props", submit({ id, type: "create", element: "e" }), true],
  ["unknown fields", submit({ id, type: "create", element: "e", new: 1 }, { new: 1 }), true],
  ["a create with set", submit({ id, type: "create", element: "e", set: {} }), false],
  ["an operation without id", submit({ type: "create", element: "e" }), false],
  ["an id in upper case", submit({ id: id.toUpperCase(), type: "create", element: "e" }), false],
  ["an element id with a space", submit({ id, type: "delete", element: "a b" }), false],
  ["a name of a prototype", submit({ id, type: "update", element: "e", unset: ["constructor"] }), false],
  [
    "a name of a prototype in set",
    submit({ id, type: "update", element: "e", set: { prototype: 1 } }),
    false,
  ],
  ["a splice", submit({ id, type: "text", element: "e", splice: { t: [[0, 1, "x"]] } }), true],
  ["a splice without text", submit({ id, type: "text", element: "e", splice: { t: [[0, 1]] } }), false],
  ["an append of no array", submit({ id, type: "update", element: "e", append: { t: 1 } }), false],
  ["no operations", { type: "submit", seq: 1, base: 0, ops: [] }, false],
  ["a lease of an hour", { type: "lock", requestId: "r", action: "acquire", ttlMs: 3_600_000 }, false],
  ["a choice", { type: "resolve", requestId: "r", conflictId: id, choose: { unset: ["x"] } }, true],
  ["a choice of none", { type: "resolve", requestId: "r", conflictId: id, choose: "mine" }, false],
  ["an unknown type", { type: "nonsense" }, false],
])("[schema-3] a client's message: %s", (_, message, valid) => {
  const result = validator("ClientMessage")(message);
  expect(result.valid, JSON.stringify(result.errors)).toBe(valid);
});

it("[schema-4] what a server and its clients send fits it, each type of message once at least", async () => {
  const instance = await startTestInstance(undefined, {
    limits: { maxServerMessageBytes: 2_000 },
    manager: { autoResolveConflicts: false },
  });
  const [clientFits, serverFits] = [validator("ClientMessage"), validator("ServerMessage")];
  const [ada, bob] = await Promise.all(["ada", "bob"].map((user) => devToken(instance.url, user)));
  const elements = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => [`e${index}`, { text: "x".repeat(50), index }]),
  );
  const { body } = await rest(instance.url, ada, "POST", "/documents", {
    name: "S",
    editors: ["bob"],
    elements,
  });
  const docId = body.id as string;
  const enter = (token: string | undefined, clientId: string) =>
    join({
      url: instance.url,
      docId,
      hello: { token, clientId, presence: { x: 1 }, profile: { color: "red" }, pending: [id] },
    });
  const [a, b] = [await enter(ada, "a"), await enter(bob, "b")];
  const send = (client: typeof a, message: Record<string, unknown>) => {
    const result = clientFits(message);
    expect(result.valid, `${JSON.stringify(message)} ${JSON.stringify(result.errors)}`).toBe(true);
    client.send(message);
  };
  const update = (value: number) => ({
    id: randomUUID(),
    type: "move",
    element: "e0",
    set: { x: value },
    extra: {},
  });
  const [first, second] = [update(1), update(2)];
  send(a, { type: "submit", seq: 1, base: 60, ops: [first] });
  await b.sequenced(first.id);
  send(b, { type: "submit", seq: 1, base: 60, ops: [second] });
  const { conflict } = await a.next("conflict");
  send(a, { type: "submit", seq: 2, base: 60, ops: [first] });
  await a.next("ack");
  send(a, { type: "submit", seq: 3, base: 60, ops: [{ id: randomUUID(), type: "delete", element: "none" }] });
  await a.next("reject");
  send(a, { type: "lock", requestId: "l", action: "acquire", element: "e1" });
  await b.next("locks");
  send(b, { type: "lock", requestId: "l", action: "acquire", element: null, ttlMs: 1_000 });
  await b.next("result", ({ ok }) => !ok);
  send(a, { type: "resolve", requestId: "r", conflictId: conflict.id, choose: { set: { x: 3 } }, base: 62 });
  await b.next("resolved");
  send(a, { type: "auth", requestId: "t", token: ada ?? "" });
  await a.next("result", ({ requestId }) => requestId === "t");
  send(a, { type: "ping", t: [1] });
  await a.next("pong");
  send(a, { type: "presence", state: null });
  await b.next("presence", ({ states }) => states !== undefined);
  b.send({ type: "nonsense" });
  await b.next("error");
  await rest(instance.url, ada, "PATCH", `/documents/${docId}`, { editors: [], viewers: ["bob"] });
  await b.next("role");
  await instance.close();
  await Promise.all([a.closed, b.closed]);
  const seen = new Set<string>();
  for (const message of [...a.messages, ...b.messages]) {
    const result = serverFits(message);
    expect(result.valid, `${JSON.stringify(message)} ${JSON.stringify(result.errors)}`).toBe(true);
    // Nothing may be sent that it does not name.
    if (message.type !== "pong")
      expect(serverFits({ ...message, surprise: 1 }).valid, message.type).toBe(false);
    seen.add(message.type);
  }
  expect([...seen].sort()).toEqual(Object.keys(serverMessages).sort());
});
