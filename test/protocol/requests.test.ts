/** What a session's requests do to the server, on a verifier of the test's own. */
import { expect, it } from "vitest";
import { createRateLimit } from "../../server/access/rate.ts";
import type { Verified } from "../../server/access/tokens.ts";
import { createLog } from "../../server/observability/log.ts";
import { Requests } from "../../server/session/requests.ts";
import type { Result } from "../../shared/protocol/messages.ts";
import { waitFor } from "../support/wait-for.ts";

function requestsOf(verify: (token: string) => Promise<Verified>) {
  const results: Result[] = [];
  const identified: string[] = [];
  const identity = { userId: "ann", expiresAt: 0 };
  const requests = new Requests({
    session: {
      identity,
      identified: ({ name = "" }: { name?: string }) => identified.push(name),
    } as unknown as ConstructorParameters<typeof Requests>[0]["session"],
    room: () => undefined,
    submitsAnswered: async () => {},
    tokens: { verify, sign: () => Promise.reject(new Error("not here")) },
    rate: createRateLimit({ perSecond: 3, now: () => 0 }),
    limits: { locksPerAuthor: 0 },
    lockTimeoutMs: 1_000,
    log: createLog({ level: "silent" }),
    send: (message) => results.push(message),
  });
  return { requests, results, identified };
}

it("[rights-13] tokens count against opsPerSecond, and are verified one at a time, in their order", async () => {
  const verifying: { token: string; answer: (verified: Verified) => void }[] = [];
  const { requests, results, identified } = requestsOf(
    (token) => new Promise((answer) => verifying.push({ token, answer })),
  );
  for (const token of ["first", "second", "third", "fourth", "fifth"])
    requests.receive({ type: "auth", requestId: token, token });
  await waitFor(() => results.length === 2 && verifying.length > 0);
  expect(results).toMatchObject(
    ["fourth", "fifth"].map((requestId) => ({
      requestId,
      ok: false,
      code: "rate_limited",
      details: { limit: "opsPerSecond", retryAfterMs: expect.any(Number) },
    })),
  );
  for (const [at, name] of ["first", "second", "third"].entries()) {
    await waitFor(() => verifying.length > at);
    expect(verifying.map(({ token }) => token).slice(at)).toEqual([name]);
    verifying[at]?.answer({ ok: true, identity: { userId: "ann", expiresAt: 0, name } as never });
    await waitFor(() => identified.length === at + 1);
  }
  expect(identified).toEqual(["first", "second", "third"]);
  await waitFor(() => requests.unanswered === 0);
  expect(results.slice(2).map(({ requestId, ok }) => [requestId, ok])).toEqual(
    ["first", "second", "third"].map((token) => [token, true]),
  );
});

it("[rights-13] a token that cannot be verified does not stop those behind it", async () => {
  const { requests, results } = requestsOf(async (token) => {
    if (token === "away") throw new Error("the keys are away");
    return { ok: true, identity: { userId: "ann", expiresAt: 0 } as never };
  });
  for (const token of ["away", "good"]) requests.receive({ type: "auth", requestId: token, token });
  await waitFor(() => results.length === 2);
  expect(results).toMatchObject([
    { requestId: "away", ok: false, code: "unavailable" },
    { requestId: "good", ok: true },
  ]);
});
