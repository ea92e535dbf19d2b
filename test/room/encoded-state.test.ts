import { expect, test } from "vitest";
import { encodeState } from "../../server/room/encoded-state.ts";

/** The payload of a frame that a server sends. */
function payload(frame: Buffer): string {
  const header = frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2;
  return frame.subarray(header).toString();
}

test("[room/snapshot] all joiners get the same frames, which bring every element once and say which is the last", async () => {
  const elements = new Map(
    Array.from({ length: 40 }, (_, number) => [`e${number}`, { text: `ä${"#".repeat(50)}`, number }]),
  );
  const encoded = encodeState({ elements, version: 7, operationId: null }, 1_500);
  const frames = await encoded.frames();
  expect(frames.length).toBeGreaterThan(2);
  const messages = frames.map((frame) => JSON.parse(payload(frame)));
  expect(messages.map(({ more }) => more)).toEqual(frames.map((_, index) => index < frames.length - 1));
  expect(messages.flatMap((message) => Object.entries(message.elements))).toEqual([...elements]);
  const again = await encoded.frames();
  expect(again.every((frame, index) => frame === frames[index])).toBe(true);
});
