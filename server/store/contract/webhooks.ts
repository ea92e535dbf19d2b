/** Webhooks and what is to be delivered. */
import type { Json } from "../../../shared/document/json.ts";
import type { Page, Paged } from "./page.ts";

export const webhookEvents = ["operations", "conflicts", "locks", "documents"] as const;
export type WebhookEvent = (typeof webhookEvents)[number];

export interface WebhookRecord {
  readonly id: string;
  /** Whose rights decide what is delivered. */
  readonly owner: string;
  /** Null: every document on which the owner has a role by its lists. */
  readonly docId: string | null;
  readonly url: string;
  readonly secret: string;
  readonly events: readonly WebhookEvent[];
  readonly createdAt: string;
  /** Nothing is written or delivered for it while this is set. */
  readonly disabledAt: string | null;
  readonly failingSince: string | null;
  readonly lastError: string | null;
}

export interface NewWebhook
  extends Pick<WebhookRecord, "id" | "owner" | "docId" | "url" | "secret" | "events"> {
  /** 0: no limit. */
  readonly maxPerOwner: number;
}

export interface WebhookChange {
  readonly url?: string;
  readonly secret?: string;
  readonly events?: readonly WebhookEvent[];
  /** False drops what waits for it; true forgets its failures. */
  readonly active?: boolean;
}

/** An event that is to be delivered, leased to whoever claimed it. */
export interface Delivery {
  /** The event's id, the same in every attempt. */
  readonly id: string;
  readonly webhook: WebhookRecord;
  readonly docId: string;
  readonly event: WebhookEvent;
  /** What is not read at the delivery. */
  readonly body: { readonly [key: string]: Json };
  /** Of an `operations` event. */
  readonly fromVersion: number | null;
  readonly toVersion: number | null;
  /** The conflict record of a `conflicts` event. */
  readonly ref: string | null;
  readonly createdAt: string;
  /** By the database's clock at the claim. */
  readonly ageMs: number;
  /** This one included; also what tells whether the lease is still ours. */
  readonly attempts: number;
}

export interface ClaimRequest {
  readonly limit: number;
  /** Of one webhook, beside what is in flight already. */
  readonly perWebhook: number;
  /** Webhooks of which nothing is to be claimed. */
  readonly except: readonly string[];
  readonly leaseMs: number;
}

export type FailedDelivery = {
  readonly error: string;
} & (
  | { readonly next: "retry"; readonly inMs: number }
  /** Give up this event, or, when nothing arrived for `disableAfterMs`, the webhook. */
  | { readonly next: "give up"; readonly disableAfterMs: number }
  | { readonly next: "disable" }
);

/**
 * Webhooks and their outbox. The database itself writes the outbox, in the transaction of what it tells. Events of
 * one webhook and document are claimed one after the other, in their order.
 */
export interface WebhookStore {
  create(
    webhook: NewWebhook,
  ): Promise<{ outcome: "created"; webhook: WebhookRecord } | { outcome: "too_many" }>;
  get(id: string): Promise<WebhookRecord | undefined>;
  /** Oldest first. */
  list(owner: string, page: Page): Promise<Paged<WebhookRecord>>;
  update(id: string, change: WebhookChange): Promise<WebhookRecord | undefined>;
  remove(id: string): Promise<boolean>;
  /** Leases what is due. A lease that ends (its holder died) is claimed again. */
  claim(request: ClaimRequest): Promise<Delivery[]>;
  /** It arrived, or is not to be told (any more). False: the lease was lost, somebody else delivers it. */
  settle(delivery: Delivery, arrived: boolean): Promise<boolean>;
  /** It did not arrive. True: the webhook is disabled now. */
  fail(delivery: Delivery, failed: FailedDelivery): Promise<boolean>;
  /** Events that wait, over all webhooks. */
  waiting(): Promise<number>;
}
