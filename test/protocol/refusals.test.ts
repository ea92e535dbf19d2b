/** What a socket is told that did something wrong: the field, and what was expected in it. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { startInstance } from "../../server/compose.ts";
import { loadConfig } from "../../server/config.ts";
import { createLog } from "../../server/observability/log.ts";
import { closeText } from "../../server/session/close-text.ts";
import { readClientMessage } from "../../shared/protocol/read.ts";
import { connect } from "../instances/raw-client.ts";
import { rest } from "../instances/start.ts";
import { accepted, enter, op, useTwoInstances } from "./two-instances.ts";

const running = useTwoInstances();
const name = "1–128 of A-Za-z0-9_.:-, and not __proto__, constructor or prototype";
const requestId = "r";
const conflictId = randomUUID();

describe("messages of the wrong shape", () => {
  it.each([
    [{ type: "resolve", choose: "later" }, 'choose: expected "current", "incoming" or {set?, unset?}'],
    [{ type: "resolve" }, 'choose: expected "current", "incoming" or {set?, unset?}'],
    [{ type: "resolve", choose: { unset: [1] } }, `choose.unset.0: expected a property's name: ${name}`],
    [{ type: "resolve", choose: { set: { "a b": 1 } } }, `choose.set: expected a property's name: ${name}`],
    [{ type: "resolve", choose: "current", base: null }, "base: expected a whole number of at least 0"],
    [{ type: "resolve", choose: "current", conflictId: "x" }, "conflictId: expected a lower-case UUID"],
    [{ type: "lock" }, 'action: expected "acquire" or "renew" or "release"'],
    [
      { type: "lock", action: "acquire", element: "a b" },
      `element: expected an element id: ${name}; or null, the document`,
    ],
    [{ type: "lock", action: "acquire", ttlMs: 999 }, "ttlMs: expected a whole number from 1000 to 300000"],
    [{ type: "auth" }, "token: is missing, expected a string"],
    [{ type: "auth", token: 1 }, "token: expected a string"],
  ])("[refuse-1] a request %j is answered: %s", (message, expected) => {
    expect(readClientMessage({ requestId, conflictId, ...message })).toEqual({
      ok: false,
      message: expected,
      isKnown: true,
      requestId,
    });
  });

  it.each([
    [{ type: "presence" }, "state: expected an object or null"],
    [{ type: "presence", state: [] }, "state: expected an object or null"],
    [{ type: "presence", state: { a: { prototype: 1 } } }, "state: forbidden key"],
    [{ type: "ping", t: { a: { prototype: 1 } } }, "t.a.prototype: forbidden key"],
    [{ type: "ping" }, "t: is missing, expected any JSON"],
    [{ type: "lock", requestId: "", action: "renew" }, "requestId: expected 1 to 64 characters"],
    [{ type: "submit", seq: "1" }, "seq: expected a whole number"],
    [{ type: "nonsense" }, "type: expected one of hello, presence, ping, auth, lock, resolve, submit"],
  ])("[refuse-2] a message %j is answered: %s", (message, expected) => {
    const isKnown = message.type !== "nonsense";
    expect(readClientMessage(message)).toEqual({ ok: false, message: expected, isKnown });
  });

  it("[refuse-3] a choice made beyond the current version names base", async () => {
    const { one, two, ada, bob, createDocument } = running();
    const docId = await createDocument({ conflictPolicy: "manual" });
    const [a, b] = [await enter(one, docId, ada, "a"), await enter(two, docId, bob, "b")];
    await accepted(a, 0, op("e", { type: "create", props: { x: 0 } }));
    await accepted(a, 1, op("e", { set: { x: 1 } }));
    await accepted(b, 1, op("e", { set: { x: 2 } }));
    const { conflict } = await b.next("conflict");
    b.send({ type: "resolve", requestId, conflictId: conflict.id, choose: "current", base: 4 });
    expect(await b.next("result")).toEqual({
      type: "result",
      requestId,
      ok: false,
      code: "invalid",
      message: "base: expected at most 3, the current version",
      details: { path: "base" },
    });
    await Promise.all([a.close(), b.close()]);
  });
});

describe("a refused socket", () => {
  const closing = async (hello: unknown) => {
    const { one, createDocument } = running();
    const client = connect({ url: one.url, docId: await createDocument() });
    client.send(hello);
    return client.closed;
  };

  it.each([
    ["nonsense", "expected a JSON object"],
    ["[]", "expected a JSON object"],
    [{ type: "ping", t: 1 }, 'type: expected "hello" first'],
    [{}, 'type: expected "hello" first'],
    [{ type: "hello" }, "clientId: is missing, expected a string"],
    [{ type: "hello", clientId: "" }, "clientId: expected 1 to 255 characters"],
    [{ type: "hello", clientId: "server" }, "clientId: is reserved"],
    [{ type: "hello", clientId: "c", since: 1.5 }, "since: expected a whole number of at least 0"],
    [{ type: "hello", clientId: "c", pending: ["x"] }, "pending.0: expected a lower-case UUID"],
    [
      { type: "hello", clientId: "c", presence: { t: "x".repeat(4_089) } },
      "presence: expected at most 4096 bytes of JSON",
    ],
    [{ type: "hello", clientId: "c", token: { secret: 1 } }, "token: expected a string"],
  ])("[refuse-4] a hello %j is closed with 4400 and the reason: %s", async (hello, detail) => {
    expect(await closing(hello)).toEqual({ code: 4400, reason: `protocolViolation: ${detail}` });
  });

  it("[refuse-5] a live one is told of a second hello, a binary frame and what is no JSON", async () => {
    const { one, ada, createDocument } = running();
    const docId = await createDocument();
    for (const [frame, detail] of [
      ['{"type":"hello","clientId":"c"}', "type: hello comes once"],
      [Buffer.from("{}"), "expected text frames"],
      ["{", "expected a JSON object"],
    ] as const) {
      const client = await enter(one, docId, ada);
      client.ws.send(frame);
      expect(await client.closed).toEqual({ code: 4400, reason: `protocolViolation: ${detail}` });
    }
  });

  it("[refuse-6] a token that is refused: 4401 and the rule that it broke, nothing of the token", async () => {
    const { ada } = running();
    const [head = "", , signature = ""] = ada.split(".");
    const forged = `${head}.${Buffer.from('{"sub":"mallory","exp":4102444800}').toString("base64url")}.${signature}`;
    for (const [token, detail] of [
      ["not.a.token", "the token cannot be read"],
      [forged, "the token's signature is wrong"],
      [undefined, "a token is needed"],
    ] as const) {
      const { code, reason } = await closing({ type: "hello", clientId: "c", token });
      expect({ code, reason }).toEqual({ code: 4401, reason: `unauthenticated: ${detail}` });
    }
  });

  it("[refuse-8] what was wrong is logged at debug, and nothing of the token", async () => {
    const lines: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const config = loadConfig({ flags: { port: "0", store: "memory" }, env: {} });
    const log = createLog({ level: "debug", destination });
    const instance = await startInstance(config, { databaseUrl: undefined, log });
    const docId = randomUUID();
    try {
      for (const hello of [{ clientId: "" }, { clientId: "c", token: "a.secret.token" }]) {
        const client = connect({ url: instance.url, docId });
        client.send({ type: "hello", ...hello });
        await client.closed;
      }
    } finally {
      await instance.close();
    }
    expect(lines.filter(({ msg }) => msg === "session refused")).toMatchObject([
      { level: "debug", docId, code: 4400, detail: "clientId: expected 1 to 255 characters" },
      { level: "debug", docId, code: 4401, detail: "the token cannot be read" },
    ]);
    expect(JSON.stringify(lines)).not.toContain("secret.token");
  });

  it("[refuse-9] a document that is not there, or not any more for this user, is told in words", async () => {
    const { one, ada, bob, createDocument } = running();
    const told = async (docId: string) => {
      const client = connect({ url: one.url, docId });
      client.send({ type: "hello", clientId: "c", token: bob });
      return client.closed;
    };
    const refused = { code: 4404, reason: "notFound: there is no such document, or you may not read it" };
    const docId = await createDocument();
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: [] });
    expect(await told(docId)).toMatchObject(refused);
    expect(await told(randomUUID())).toMatchObject(refused);
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: ["bob"] });
    const client = await enter(one, docId, bob);
    await rest(one.url, ada, "PATCH", `/documents/${docId}`, { editors: [] });
    expect(await client.closed).toMatchObject({
      code: 4403,
      reason: "lostAccess: you may not read this document any more",
    });
  });

  it("[refuse-7] a reason has at most 123 bytes, and ends with a whole character", () => {
    expect(closeText("deleted")).toBe("deleted");
    const room = 123 - "internal: ".length;
    expect(closeText("internal", "x".repeat(room))).toBe(`internal: ${"x".repeat(room)}`);
    expect(closeText("internal", "x".repeat(room + 1))).toBe(`internal: ${"x".repeat(room)}`);
    for (const character of ["é", "–", "😀"]) {
      for (let before = 0; before <= 4; before += 1) {
        const text = closeText("internal", "x".repeat(room - before) + character.repeat(9));
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(123);
        const fits = Math.floor(before / Buffer.byteLength(character));
        expect(text).toBe(`internal: ${"x".repeat(room - before)}${character.repeat(fits)}`);
      }
    }
  });
});
