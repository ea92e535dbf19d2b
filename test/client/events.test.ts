import { expect, test } from "vitest";
import { Emitter } from "../../client/events.ts";

test("[sdk/events] a function that is subscribed twice is called twice, and each subscription has its own end", () => {
  const events = new Emitter<{ readonly change: number }>();
  const heard: number[] = [];
  const listener = (event: number): void => void heard.push(event);
  const [first, second] = [events.on("change", listener), events.on("change", listener)];
  events.emit("change", 1);
  first();
  first();
  events.emit("change", 2);
  second();
  events.emit("change", 3);
  expect(heard).toEqual([1, 1, 2]);
  expect(events.hasListeners("change")).toBe(false);
});
