/**
 * Delivers what waits in the outbox. Every instance runs one; a lease in the database keeps two of them from
 * delivering the same event, and a claimed event whose instance died is claimed again when its lease ends: at least
 * once, in order for each webhook and document.
 *
 * An answer of 2xx means that it arrived. Anything else, redirects too, is tried again later and later, up to
 * `retryForMs`; then the event is given up, and the webhook is disabled when nothing of it arrived for as long. 410
 * disables it at once: the receiver says that it is gone.
 *
 * Nothing of this stands in the way of an edit: the calls are made apart from all else, at most `concurrency` at once
 * and few of them for one webhook, so that a receiver that hangs keeps neither edits nor other receivers waiting.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Delivery, WebhookStore } from "../store/store.ts";
import type { AddressRules } from "./address.ts";
import { type PayloadServices, payloadOf } from "./payload.ts";
import { post, signatureOf } from "./post.ts";

export interface WebhookWorkerOptions extends PayloadServices {
  readonly webhooks: WebhookStore;
  readonly config: Pick<Config, "webhooks">;
  readonly rules: AddressRules;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly random: () => number;
  readonly nowMs: () => number;
}

export interface WebhookWorker {
  /** Claims nothing more; what is under way gets a little time, and is claimed by others after its lease. */
  close(): Promise<void>;
}

const perWebhook = 4;
/** Beyond the call itself: reading what it tells, writing what became of it. */
const leaseMarginMs = 20_000;
const maxRetryMs = 60 * 60 * 1_000;
const closingMs = 2_000;
const countEveryMs = 15_000;

export function startWebhookWorker(options: WebhookWorkerOptions): WebhookWorker {
  const { webhooks, config, rules, metrics, log, random, nowMs } = options;
  const { concurrency, pollMs, timeoutMs, firstRetryMs, retryForMs } = config.webhooks;
  let stopping = false;
  const cut = new AbortController();
  const underWay = new Map<Promise<void>, string>();
  let wake: (() => void) | undefined;
  let countedAtMs = Number.NEGATIVE_INFINITY;
  let failing = false;

  async function claim(): Promise<number> {
    if (nowMs() - countedAtMs >= countEveryMs) {
      countedAtMs = nowMs();
      metrics.webhooksWaiting.set(await webhooks.waiting());
    }
    const limit = concurrency - underWay.size;
    if (limit <= 0) return 0;
    const counts = new Map<string, number>();
    for (const id of underWay.values()) counts.set(id, (counts.get(id) ?? 0) + 1);
    const except = [...counts].filter(([, count]) => count >= perWebhook).map(([id]) => id);
    const leaseMs = timeoutMs + leaseMarginMs;
    const claimed = await webhooks.claim({ limit, perWebhook, except, leaseMs });
    for (const delivery of claimed) {
      const delivering = deliver(delivery)
        // The database is away; the event is claimed again when its lease has ended.
        .catch((cause: unknown) => log.warn({ err: cause, event: delivery.id }, "webhook not settled"))
        .finally(() => {
          underWay.delete(delivering);
          wake?.();
        });
      underWay.set(delivering, delivery.webhook.id);
    }
    return claimed.length;
  }

  async function deliver(delivery: Delivery): Promise<void> {
    const { webhook, attempts } = delivery;
    const body = await payloadOf(delivery, options);
    if (body === undefined) {
      await webhooks.settle(delivery, false);
      metrics.webhookDeliveries.inc({ outcome: "dropped" });
      return;
    }
    const startedAt = performance.now();
    const result = await post({
      url: webhook.url,
      headers: {
        "content-type": "application/json",
        "user-agent": "AetherFlow-Webhooks/1",
        "aetherflow-event-id": delivery.id,
        "aetherflow-event": delivery.event,
        "aetherflow-signature": signatureOf(webhook.secret, body, Math.floor(nowMs() / 1_000)),
      },
      body,
      timeoutMs,
      rules,
      signal: cut.signal,
    });
    if (cut.signal.aborted && "error" in result) return;
    metrics.webhookSeconds.observe((performance.now() - startedAt) / 1_000);
    // As it was when the event was claimed: the first failure of a row of them and its end are told, by any instance.
    const { failingSince } = webhook;
    if ("status" in result && result.status >= 200 && result.status < 300) {
      await webhooks.settle(delivery, true);
      if (failingSince !== null) log.info({ webhookId: webhook.id, failingSince }, "webhook delivered again");
      metrics.webhookDeliveries.inc({ outcome: "delivered" });
      return;
    }
    const error = "error" in result ? result.error.slice(0, 500) : `answered ${result.status}`;
    const fields = { webhookId: webhook.id, event: delivery.id, attempts, reason: error };
    const gone = "status" in result && result.status === 410;
    const tooOld = delivery.ageMs >= retryForMs;
    const disabled = await webhooks.fail(delivery, {
      error,
      ...(gone
        ? { next: "disable" }
        : tooOld
          ? { next: "give up", disableAfterMs: retryForMs }
          : { next: "retry", inMs: retryDelayMs(attempts) }),
    });
    metrics.webhookDeliveries.inc({ outcome: "failed" });
    if (disabled) {
      metrics.webhookDeliveries.inc({ outcome: "disabled" });
      log.warn(fields, "webhook disabled");
    } else if (tooOld) log.warn(fields, "webhook event given up");
    else if (failingSince === null) log.info(fields, "webhook not delivered, to be tried until it is");
    else log.debug(fields, "webhook still not delivered");
  }

  /** Doubles from attempt to attempt, spread over its upper half. */
  const retryDelayMs = (attempts: number) =>
    Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(attempts - 1, 30)) * (0.5 + random() / 2);

  async function loop(): Promise<void> {
    while (!stopping) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      let claimed = 0;
      try {
        claimed = await claim();
        if (failing) log.info("delivering webhooks again");
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: error }, "could not look for webhooks to deliver");
        failing = true;
      }
      if (claimed > 0) continue;
      const pause = new AbortController();
      const waited = delay(pollMs * (0.75 + random() / 2), undefined, { signal: pause.signal }).catch(
        () => undefined,
      );
      await Promise.race([waited, woken]);
      pause.abort();
    }
  }

  const looping = loop();
  return {
    async close() {
      stopping = true;
      wake?.();
      await looping;
      const patience = new AbortController();
      await Promise.race([
        Promise.all(underWay.keys()),
        delay(closingMs, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      cut.abort();
      await Promise.all(underWay.keys());
    },
  };
}
