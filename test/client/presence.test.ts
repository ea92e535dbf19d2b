import { expect, test } from "vitest";
import { ChangeError, openDocument, type PresenceState } from "../../client/index.ts";
import { Presence } from "../../client/presence.ts";
import type { SessionLimits } from "../../shared/protocol/messages.ts";
import { readClientMessage } from "../../shared/protocol/read.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ModelServer } from "./model-server.ts";
import { StillClock, World } from "./world.ts";

const self = { user: { id: "ann" }, clientId: "c" };
const limits = (maxPresenceBytes: number): SessionLimits =>
  ({ presencePerSecond: 0, maxPresenceBytes }) as SessionLimits;

function start(initial: PresenceState = null): {
  clock: StillClock;
  presence: Presence;
  sent: string[];
  errors: Error[];
} {
  const clock = new StillClock();
  const sent: string[] = [];
  const errors: Error[] = [];
  const presence = new Presence({
    initial,
    send: (text) => sent.push(text) > 0,
    timers: clock,
    onChange: () => {},
    onError: (error) => errors.push(error),
  });
  return { clock, presence, sent, errors };
}

/** 120 UUIDs: 4.7 KB. */
const manySelected = { selection: Array.from({ length: 120 }, () => "0197a3c2-7c1e-7a00-8000-000000000001") };
const circular: { [key: string]: unknown } = {};
circular.self = circular;
const refused: Readonly<Record<string, readonly [state: unknown, code: string, path: string]>> = {
  "too large": [manySelected, "too_large", "presence"],
  "half an emoji": [{ name: "\ud83d" }, "invalid", "presence.name"],
  "a zero byte": [{ "a\u0000": 1 }, "invalid", "presence"],
  "a circle": [circular, "invalid", "presence"],
  "no object": ["cursor", "invalid", "presence"],
  "an array": [[1], "invalid", "presence"],
  nothing: [undefined, "invalid", "presence"],
  "a big integer": [{ at: 1n }, "invalid", "presence"],
};

test("[sdk/presence] what a server would refuse is refused when it is set, and `hello` carries what was before", async () => {
  const random = seededRandom(1);
  const server = new ModelServer(random, "lww", { unavailable: 0, rateLimited: 0, snapshot: 0 });
  const world = new World(server, random);
  const hellos: { readonly [field: string]: unknown }[] = [];
  const receive = server.receive.bind(server);
  server.receive = (session, text) => {
    const message = JSON.parse(text) as { readonly type: string };
    if (message.type === "hello") hellos.push({ ...message });
    receive(session, text);
  };
  const { document } = world.join("ann");
  for (const live of [false, true]) {
    document.presence.set({ at: live });
    for (const [name, [state, code, path]] of Object.entries(refused)) {
      const set = (): void => document.presence.set(state as PresenceState);
      expect(set, name).toThrow(ChangeError);
      expect(set, name).toThrow(expect.objectContaining({ code, path }));
      expect(document.presence.state).toEqual({ at: live });
    }
    world.cutAll();
    await world.drain();
    const hello = hellos.at(-1) ?? {};
    expect(hello).toMatchObject({ type: "hello", presence: { at: live } });
    expect(readClientMessage(hello)).toMatchObject({ ok: true });
  }
});

test("[sdk/presence] a state that was set is a copy: changing the object afterwards does not reach `hello`", () => {
  const { presence } = start();
  const state = { selection: ["a"], hover: undefined as unknown as null };
  presence.set(state);
  state.selection.push(...manySelected.selection);
  expect(presence.greeting()).toEqual({ presence: { selection: ["a"] } });
});

test("[sdk/presence] the server's limit holds once it is known: a state of before that is too large for it is dropped, and told", () => {
  const { clock, presence, sent, errors } = start({ text: "x".repeat(100) });
  presence.greeting();
  presence.begin(self, [], limits(50));
  expect(errors).toMatchObject([{ code: "too_large" }]);
  expect(sent).toEqual(['{"type":"presence","state":null}']);
  expect(presence.greeting()).toEqual({});
  expect(() => presence.set({ text: "x".repeat(100) })).toThrow("expected at most 50 bytes of JSON, got 111");
  presence.begin(self, [], limits(0));
  presence.set(manySelected);
  expect(presence.greeting()).toEqual({ presence: manySelected });
  presence.close();
  expect(clock.size).toBe(0);
});

test("[sdk/presence] the option `presence` is checked as what is set", () => {
  const open = () => openDocument({ url: "http://model", documentId: "d", presence: manySelected });
  expect(open).toThrow(expect.objectContaining({ code: "too_large" }));
});

test("[sdk/presence] a state set between `hello` and `welcome` is sent", () => {
  const { clock, presence, sent } = start({ at: 1 });
  expect(presence.greeting()).toEqual({ presence: { at: 1 } });
  presence.set({ at: 2 });
  presence.begin(self, [], limits(4096));
  expect(sent).toEqual(['{"type":"presence","state":{"at":2}}']);
  presence.pause();
  presence.greeting();
  presence.begin(self, [], limits(4096));
  clock.advance(5_000);
  expect(sent.length).toBe(1);
  presence.close();
});
