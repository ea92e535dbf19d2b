import { expect, it } from "vitest";
import { RecentIds } from "../../server/room/recent-ids.ts";
import { seededRandom } from "../support/seeded-random.ts";

const idOf = (number: number) => `01900000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

it("[room/recent-ids] knows the last thousand at least, and not all", () => {
  const recent = new RecentIds();
  expect(recent.has(idOf(1))).toBe(false);
  for (let number = 1; number <= 10_000; number += 1) {
    recent.add(idOf(number));
    expect(recent.has(idOf(Math.max(1, number - 999)))).toBe(true);
  }
  const ids = (...numbers: number[]) => numbers.map(idOf);
  expect(recent.has(idOf(10_000))).toBe(true);
  expect(recent.has(idOf(7_000))).toBe(false);
  expect(recent.hasAny([])).toBe(false);
  expect(recent.hasAny(ids(9_500))).toBe(true);
  expect(recent.hasAny(ids(1, 2, 9_500))).toBe(true);
  expect(recent.hasAny(ids(1, 2, 3))).toBe(false);
  expect(recent.hasAny(ids(1, 2, 3, 4, 5, 9_500))).toBe(true);
  expect(recent.hasAny(ids(1, 2, 3, 4, 5, 6))).toBe(false);
});

it("[room/recent-ids] takes no id for another, however alike", () => {
  const random = seededRandom();
  const why = `seed ${random.seed}`;
  const digit = () => random.pick([..."0123456789abcdef"]);
  const id = () => "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx".replaceAll("x", digit);
  for (let round = 0; round < 200; round += 1) {
    const recent = new RecentIds();
    const known = Array.from({ length: random.between(1, 20) }, id);
    for (const each of known) recent.add(each);
    const others = known.map((each) => {
      // One digit is another, or two words have changed their places.
      const at = random.pick([...each].flatMap((sign, place) => (sign === "-" ? [] : [place])));
      const other = random.pick([..."0123456789abcdef"].filter((sign) => sign !== each[at]));
      const changed = `${each.slice(0, at)}${other}${each.slice(at + 1)}`;
      const swapped = `${each.slice(28)}${each.slice(8, 28)}${each.slice(0, 8)}`;
      return random.pick([changed, swapped].filter((one) => !known.includes(one)));
    });
    for (const each of known) expect(recent.has(each), why).toBe(true);
    for (const each of others) expect(recent.has(each), why).toBe(false);
    expect(recent.hasAny(others), why).toBe(false);
    expect(recent.hasAny([...others, random.pick(known)]), why).toBe(true);
  }
});
