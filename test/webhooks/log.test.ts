import { afterAll, beforeAll, expect, test } from "vitest";
import { createLog } from "../../server/observability/log.ts";
import { createMetrics } from "../../server/observability/metrics.ts";
import { createMemoryStore } from "../../server/store/memory/store.ts";
import type { Delivery, WebhookStore } from "../../server/store/store.ts";
import { startWebhookWorker } from "../../server/webhooks/worker.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

/** One event after the other for one webhook, whose failures are remembered as the database does. */
function oneWebhook(): Pick<WebhookStore, "claim" | "settle" | "fail" | "waiting"> {
  let failingSince: string | null = null;
  let attempts = 0;
  let leased = false;
  const webhook = { id: "w", owner: "ada", docId: "d", url: receiver.url, secret: "s", events: [] } as const;
  return {
    async claim() {
      if (leased) return [];
      leased = true;
      attempts += 1;
      const state = { createdAt: "", disabledAt: null, failingSince, lastError: null };
      const event = { docId: "d", event: "documents", body: { change: "deleted" }, createdAt: "" } as const;
      const rest = { fromVersion: null, toVersion: null, ref: null, ageMs: 0 };
      return [{ id: `e${attempts}`, webhook: { ...webhook, ...state }, ...event, ...rest, attempts }];
    },
    async settle(_delivery: Delivery, arrived) {
      if (arrived) failingSince = null;
      leased = false;
      return true;
    },
    async fail() {
      failingSince ??= "2026-01-31T12:00:00.000Z";
      leased = false;
      return false;
    },
    waiting: async () => 0,
  };
}

test("[webhook-41] of a row of failures the first and the end are logged, not every attempt", async () => {
  const lines: { level: string; msg: string }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const store = createMemoryStore({ nowMs: Date.now, newId: () => crypto.randomUUID() });
  const metrics = createMetrics();
  receiver.answer((_call, count) => (count % 5 === 0 ? 204 : 500));
  const worker = startWebhookWorker({
    webhooks: oneWebhook() as WebhookStore,
    store,
    encodeOperation: () => "",
    config: {
      webhooks: {
        allowPrivateAddresses: false,
        concurrency: 1,
        pollMs: 5,
        timeoutMs: 1_000,
        firstRetryMs: 1,
        retryForMs: 60_000,
      },
    },
    rules: { allowPrivate: false, allowLoopback: true },
    metrics,
    log: createLog({ level: "info", destination: { write } }),
    random: Math.random,
    nowMs: Date.now,
  });
  try {
    await receiver.until(2);
    await waitFor(() => lines.length >= 4);
  } finally {
    await worker.close();
    metrics.close();
  }
  const failed = { level: "info", webhookId: "w", msg: "webhook not delivered, to be tried until it is" };
  const back = { level: "info", webhookId: "w", msg: "webhook delivered again" };
  expect(lines.slice(0, 4)).toMatchObject([failed, back, failed, back]);
});
