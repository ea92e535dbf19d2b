import { expect, it } from "vitest";
import { RecentIds } from "../../server/room/recent-ids.ts";

it("[room/recent-ids] knows the last thousand at least, and not all", () => {
  const recent = new RecentIds();
  expect(recent.has("1")).toBe(false);
  for (let id = 1; id <= 10_000; id += 1) {
    recent.add(String(id));
    expect(recent.has(String(Math.max(1, id - 999)))).toBe(true);
  }
  expect(recent.has("10000")).toBe(true);
  expect(recent.has("7000")).toBe(false);
  expect(recent.hasAny([])).toBe(false);
  expect(recent.hasAny(["9500"])).toBe(true);
  expect(recent.hasAny(["1", "2", "9500"])).toBe(true);
  expect(recent.hasAny(["1", "2", "3"])).toBe(false);
});
