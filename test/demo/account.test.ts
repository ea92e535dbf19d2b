import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Account } from "../../client-demo/app/account.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe("tokens of development mode", () => {
  let given = 0;
  /** What the server's clock is ahead of this machine's. */
  let aheadMs = 0;
  beforeEach(() => {
    given = 0;
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.parse("2026-01-01T12:00:00Z") });
    vi.stubGlobal("fetch", async () => {
      const iat = Math.floor((Date.now() + aheadMs) / 1_000);
      const exp = iat + dayMs / 1_000;
      const claims = { sub: "ada", iat, exp, number: ++given };
      const token = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
      return Response.json({ token, expiresAt: new Date(exp * 1_000).toISOString() });
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it.each([
    ["right", 0],
    ["two hours late", 2 * hourMs],
    ["two hours early", -2 * hourMs],
  ])("[demo/tokens] one is used for its life and no longer, by a clock that is %s", async (_, ahead) => {
    aheadMs = ahead;
    const account = new Account();
    const first = await account.token();
    vi.advanceTimersByTime(dayMs - 2 * 60_000);
    expect(await account.token()).toBe(first);
    vi.advanceTimersByTime(2 * 60_000);
    expect(await account.token()).not.toBe(first);
    expect(given).toBe(2);
  });

  it("[demo/tokens] a clock that is set right meanwhile makes none live longer", async () => {
    aheadMs = -2 * dayMs;
    const account = new Account();
    const first = await account.token();
    vi.setSystemTime(Date.now() - 2 * dayMs);
    vi.advanceTimersByTime(dayMs);
    expect(await account.token()).not.toBe(first);
  });
});
