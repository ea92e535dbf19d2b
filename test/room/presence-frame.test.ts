import fc from "fast-check";
import { expect, it } from "vitest";
import { PresenceFrames } from "../../server/room/presence-frame.ts";
import type { PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";

const ids = ["a", "b", "c", "d", "e"];
const session = (sessionId: string, name: string): SessionInfo => ({
  sessionId,
  clientId: "tab",
  user: { id: sessionId, name },
  role: "editor",
  presence: null,
  joinedAt: "2026-01-01T00:00:00.000Z",
});

/** The JSON of an unmasked server frame of less than 64 KiB. */
function payload(frame: Buffer): unknown {
  const length = (frame[1] ?? 0) === 126 ? frame.readUInt16BE(2) : (frame[1] ?? 0);
  const text = frame.subarray(frame.length - length).toString("utf8");
  return JSON.parse(text);
}

it("[presence-2] each session is told of everybody but itself, in one frame of its own", () => {
  const some = fc.uniqueArray(fc.constantFrom(...ids));
  const text = fc.string({ unit: "grapheme", maxLength: 8 });
  fc.assert(
    fc.property(some, some, some, text, (joined, left, moved, name) => {
      const news = {
        joined: new Map(joined.map((id) => [id, session(id, name)])),
        left: new Set(left),
        states: new Map<string, PresenceState>(moved.map((id) => [id, { note: name, from: id }])),
      };
      const frames = new PresenceFrames(news);
      for (const id of [...ids, "nobody"]) {
        const others = joined.filter((each) => each !== id).map((each) => news.joined.get(each));
        const states = moved.filter((each) => each !== id).map((each) => [each, news.states.get(each)]);
        const frame = frames.for(id);
        if (others.length + left.length + states.length === 0) {
          expect(frame).toBeUndefined();
          continue;
        }
        expect(payload(frame as Buffer)).toEqual({
          type: "presence",
          ...(others.length === 0 ? {} : { joined: others }),
          ...(left.length === 0 ? {} : { left }),
          ...(states.length === 0 ? {} : { states: Object.fromEntries(states) }),
        });
      }
      if (joined.length + left.length + moved.length > 0)
        expect(frames.for("nobody")).toBe(frames.for("nobody else"));
    }),
  );
});
