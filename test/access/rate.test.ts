import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createConcurrencyLimit, createRateLimit } from "../../server/access/rate.ts";

describe("a rate", () => {
  test("[limits] exactly the burst passes at once, one more does not, and the answer says when it does", () => {
    let at = 1_000;
    const limit = createRateLimit({ perSecond: 10, burst: 3, now: () => at });
    for (let count = 0; count < 3; count++) expect(limit.take("a")).toEqual({ ok: true });
    expect(limit.take("a")).toEqual({ ok: false, retryAfterMs: 100 });
    expect(limit.take("b")).toEqual({ ok: true });
    at += 99;
    expect(limit.take("a")).toMatchObject({ ok: false });
    at += 1;
    expect(limit.take("a")).toEqual({ ok: true });
    expect(limit.take("a")).toMatchObject({ ok: false });
  });

  test("[limits] 0 switches it off; an amount over the burst passes when full and is paid back", () => {
    let at = 0;
    const off = createRateLimit({ perSecond: 0, now: () => at });
    for (let count = 0; count < 1_000; count++) expect(off.take("a", 1_000)).toEqual({ ok: true });
    const limit = createRateLimit({ perSecond: 10, now: () => at });
    expect(limit.take("a", 25)).toEqual({ ok: true });
    expect(limit.take("a")).toEqual({ ok: false, retryAfterMs: 1_600 });
    at += 1_600;
    expect(limit.take("a")).toEqual({ ok: true });
  });

  test("[limits] never more than burst + refill passes, however it is asked for; full keys are forgotten", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 5 })), { maxLength: 200 }),
        (steps) => {
          let at = 0;
          let passed = 0;
          const limit = createRateLimit({ perSecond: 20, burst: 10, now: () => at });
          for (const [pause, amount] of steps) {
            at += pause;
            if (limit.take("a", amount).ok) passed += amount;
            expect(passed).toBeLessThanOrEqual(10 + (at * 20) / 1_000 + 1e-6);
          }
        },
      ),
    );
    let at = 0;
    const limit = createRateLimit({ perSecond: 10, now: () => at });
    for (let key = 0; key < 5_000; key++) {
      at += 10;
      limit.take(`key ${key}`);
    }
    expect(limit.size).toBeLessThan(1_100);
  });
});

test("[limits] at most so many at once of each key; a place is given back once", () => {
  const limit = createConcurrencyLimit(2);
  const first = limit.enter("a");
  expect(limit.enter("a")).toBeDefined();
  expect(limit.enter("a")).toBeUndefined();
  expect(limit.enter("b")).toBeDefined();
  first?.();
  first?.();
  expect(limit.count("a")).toBe(1);
  expect(limit.enter("a")).toBeDefined();
  expect(limit.enter("a")).toBeUndefined();
  const off = createConcurrencyLimit(0);
  for (let count = 0; count < 100; count++) expect(off.enter("a")).toBeDefined();
});
