import { getEventListeners } from "node:events";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { addressProblem, guardedLookup, urlProblem } from "../../server/webhooks/address.ts";
import { post } from "../../server/webhooks/post.ts";
import { waitFor } from "../support/wait-for.ts";
import { startReceiver } from "./receiver.ts";

const strict = { allowPrivate: false, allowLoopback: false };
const development = { allowPrivate: false, allowLoopback: true };

test.each([
  ...[
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
  ],
  ...["224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd12::1", "::ffff:192.168.0.1"],
  ...["64:ff9b::a00:1", "2002:7f00:1::", "ff02::1", "not an address"],
])("[webhook-30] %s is no public address", (address) => {
  expect(addressProblem(address, strict)).toMatch(/\w/);
  expect(addressProblem(address, { ...strict, allowPrivate: true })).toBeUndefined();
});

test("[webhook-30] public addresses are called; loopback alone in development mode", () => {
  for (const address of ["93.184.216.34", "2606:4700::1111"])
    expect(addressProblem(address, strict)).toBeUndefined();
  for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
    expect(addressProblem(address, development)).toBeUndefined();
  expect(addressProblem("10.0.0.1", development)).toBe(
    "its address is private, not public; webhooks.allowPrivateAddresses permits it",
  );
  expect(urlProblem("http://localhost:9000/x", development)).toBeUndefined();
  expect(urlProblem("http://app.localhost/", strict)).toMatch(/loopback.*allowPrivateAddresses/);
});

test("[webhook-31] a name is judged by what it resolves to, in the connection's own look-up", async () => {
  const look = promisify(guardedLookup(strict));
  await expect(look("localhost", {})).rejects.toThrow(/loopback/);
  const receiver = await startReceiver();
  try {
    const port = new URL(receiver.url).port;
    const call = (url: string, rules = strict) =>
      post({ url, headers: {}, body: "{}", timeoutMs: 2_000, rules, signal: new AbortController().signal });
    expect(await call(`http://localhost:${port}/hook`)).toEqual({ error: expect.stringMatching(/loopback/) });
    expect(await call(receiver.url)).toEqual({ error: expect.stringMatching(/loopback/) });
    expect(receiver.calls).toEqual([]);
    expect(await call(receiver.url, development)).toEqual({ status: 204 });
    expect(receiver.calls).toHaveLength(1);
  } finally {
    await receiver.close();
  }
});

test("[webhook-32] a call leaves nothing at the signal that could have ended it, and ends at once with it", async () => {
  const receiver = await startReceiver();
  const ending = new AbortController();
  const { signal } = ending;
  const call = (url: string) =>
    post({ url, headers: {}, body: "{}", timeoutMs: 2_000, rules: development, signal });
  try {
    for (let i = 0; i < 20; i += 1) expect(await call(receiver.url)).toEqual({ status: 204 });
    // Where Node.js keeps what `AbortSignal.any` made of it.
    const kept = Object.getOwnPropertySymbols(signal).find((one) => one.description === "kDependantSignals");
    expect(kept && Reflect.get(signal, kept)?.size).toBeFalsy();
    await waitFor(() => getEventListeners(signal, "abort").length === 0);
    ending.abort();
    expect(await call(receiver.url)).toEqual({ error: "cut off" });
  } finally {
    await receiver.close();
  }
});
