import { expect, test } from "vitest";
import { Others, type PresenceEvent } from "../../client/others.ts";
import type { SessionInfo } from "../../shared/protocol/messages.ts";
import { StillClock } from "./world.ts";

function session(sessionId: string, user: string, presence: SessionInfo["presence"] = null): SessionInfo {
  const joinedAt = `2026-01-31T12:00:0${sessionId.at(-1)}.000Z`;
  return { sessionId, clientId: `client-${user}`, user: { id: user }, role: "editor", presence, joinedAt };
}

function start(): { clock: StillClock; others: Others; events: PresenceEvent[] } {
  const clock = new StillClock();
  const events: PresenceEvent[] = [];
  return { clock, events, others: new Others(clock, (event) => events.push(event)) };
}

test("[sdk/presence] whoever leaves stays in sight for 2 s, and is gone then", () => {
  const { clock, others, events } = start();
  others.replace([session("s1", "ann", { at: 1 })]);
  others.change([], {}, ["s1"]);
  clock.advance(1_999);
  expect([...others.sessions.keys()]).toEqual(["s1"]);
  clock.advance(1);
  expect(others.sessions.size).toBe(0);
  expect(events.slice(1)).toEqual([{ joined: [], left: ["s1"], changed: [] }]);
  expect(clock.size).toBe(0);
});

test("[sdk/presence] whoever comes back meanwhile is replaced in one event, showing what was shown before", () => {
  const { clock, others, events } = start();
  others.replace([session("s1", "ann", { at: 1 }), session("s2", "ben")]);
  others.change([], {}, ["s1"]);
  clock.advance(500);
  others.change([session("s3", "ann")], {}, []);
  expect(events.slice(1)).toEqual([{ joined: ["s3"], left: ["s1"], changed: [] }]);
  expect(others.sessions.get("s3")?.presence).toEqual({ at: 1 });
  others.change([], { s3: { at: 2 } }, []);
  clock.advance(5_000);
  expect(others.sessions.get("s3")?.presence).toEqual({ at: 2 });
  expect([...others.sessions.keys()].sort()).toEqual(["s2", "s3"]);
});

test("[sdk/presence] a state that does not follow is not shown for ever; another author's is never taken", () => {
  const { clock, others } = start();
  others.replace([session("s1", "ann", { at: 1 })]);
  others.change([session("s2", "ann"), session("s3", "ben")], {}, ["s1"]);
  expect(others.sessions.get("s3")?.presence).toBeNull();
  clock.advance(2_000);
  expect(others.sessions.get("s2")?.presence).toBeNull();
  expect(others.sessions.has("s1")).toBe(false);
});

test("[sdk/presence] a new session of one's own: those who reconnect at the same moment stay, the dead one of two goes", () => {
  const { clock, others, events } = start();
  others.replace([session("s1", "ann"), session("s2", "ben")]);
  others.replace([session("s3", "ann"), session("s1", "ann")]);
  expect([...others.sessions.keys()].sort()).toEqual(["s2", "s3"]);
  others.change([session("s4", "ben")], {}, []);
  clock.advance(5_000);
  expect([...others.sessions.keys()].sort()).toEqual(["s3", "s4"]);
  expect(events.every(({ left, joined }) => left.length <= joined.length)).toBe(true);
  others.change([], {}, ["s3"]);
  others.close();
  expect(clock.size).toBe(0);
});

test("[sdk/presence] of two sessions of one replica the later is shown, whichever is told last; the other when it left", () => {
  const { clock, others } = start();
  others.change([session("s2", "ann", { at: 2 })], {}, []);
  others.change([session("s1", "ann", { at: 1 })], {}, []);
  expect([...others.sessions.keys()]).toEqual(["s2"]);
  others.change([], {}, ["s1"]);
  clock.advance(5_000);
  expect([...others.sessions.keys()]).toEqual(["s2"]);
  // By a clock that is behind, the live one looks older.
  others.change([session("s0", "ann")], { s0: { at: 3 } }, []);
  expect([...others.sessions.keys()]).toEqual(["s2"]);
  others.change([], {}, ["s2"]);
  expect([...others.sessions.values()]).toMatchObject([{ sessionId: "s0", presence: { at: 3 } }]);
  clock.advance(5_000);
  expect([...others.sessions.keys()]).toEqual(["s0"]);
  expect(clock.size).toBe(0);
});

test("[sdk/presence] a state that follows with the session told again stays", () => {
  const { clock, others } = start();
  others.replace([session("s1", "ann", { at: 1 })]);
  others.change([session("s2", "ann")], {}, ["s1"]);
  others.change([session("s2", "ann")], {}, []);
  expect(others.sessions.get("s2")?.presence).toEqual({ at: 1 });
  others.change([session("s2", "ann", { at: 2 })], {}, []);
  clock.advance(5_000);
  expect(others.sessions.get("s2")?.presence).toEqual({ at: 2 });
});
