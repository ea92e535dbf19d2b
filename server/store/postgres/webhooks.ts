/**
 * Webhooks and their outbox, which the functions and triggers of 0005_webhooks.sql write.
 *
 * The rows of one webhook and document are a lane. Only a lane's first row is ever claimed, so a failing one holds back
 * its lane and nothing else. A claim is a lease: `next_attempt_at` moves beyond the time that a delivery may take, and
 * `attempts` tells the holder's row from one that somebody else claimed after the lease had ended.
 */
import { readCursor, writeCursor } from "../cursor.ts";
import type { Delivery, FailedDelivery, WebhookRecord, WebhookStore } from "../store.ts";
import type { Database } from "./database.ts";

const columns = `w.id, w.owner, w.doc_id AS "docId", w.url, w.secret, w.events, w.created_at AS "createdAt",
  w.disabled_at AS "disabledAt", w.failing_since AS "failingSince", w.last_error AS "lastError"`;

const insert = {
  name: "webhook_insert",
  text: `INSERT INTO webhooks AS w (id, owner, doc_id, url, secret, events)
    SELECT $1, $2::varchar, $3, $4, $5, $6
    WHERE $7 = 0 OR (SELECT count(*) FROM webhooks o WHERE o.owner = $2::varchar) < $7
    RETURNING ${columns}`,
};
const byId = { name: "webhook_get", text: `SELECT ${columns} FROM webhooks w WHERE w.id = $1` };
const byOwner = {
  name: "webhook_list",
  text: `SELECT ${columns}, w.created_at::text AS place FROM webhooks w
    WHERE w.owner = $1 AND ($2::timestamptz IS NULL OR (w.created_at, w.id) > ($2, $3::uuid))
    ORDER BY w.created_at, w.id LIMIT $4`,
};
const update = {
  name: "webhook_update",
  text: `UPDATE webhooks w SET url = coalesce($2, w.url), secret = coalesce($3, w.secret),
      events = coalesce($4::text[], w.events),
      disabled_at = CASE WHEN $5::boolean THEN NULL WHEN NOT $5 THEN coalesce(w.disabled_at, clock_timestamp())
        ELSE w.disabled_at END,
      failing_since = CASE WHEN $5 THEN NULL ELSE w.failing_since END,
      last_error = CASE WHEN $5 THEN NULL ELSE w.last_error END
    WHERE w.id = $1 RETURNING ${columns}`,
};
const disable = {
  name: "webhook_disable",
  text: "UPDATE webhooks SET disabled_at = clock_timestamp() WHERE id = $1 AND disabled_at IS NULL",
};
const remove = { name: "webhook_remove", text: "DELETE FROM webhooks WHERE id = $1" };
/** In parts: each holds only what it deletes, and a commit may wait for one of those rows. */
const discardPart = 1_000;
const discard = {
  name: "outbox_discard",
  text: `DELETE FROM outbox WHERE id = ANY (ARRAY(
    SELECT id FROM outbox WHERE webhook_id = $1 ORDER BY doc_id, seq LIMIT ${discardPart}))`,
};

/**
 * The first rows of all lanes by skipping from one to the next in the index: it costs a probe a lane, however long
 * the lanes are. Rows of no webhook, or of a disabled one, come out without a claim, to be thrown away.
 */
const claim = {
  name: "outbox_claim",
  text: `WITH RECURSIVE heads AS (
      (SELECT o.webhook_id, o.doc_id, o.seq, o.id, o.next_attempt_at FROM outbox o
        ORDER BY o.webhook_id, o.doc_id, o.seq LIMIT 1)
      UNION ALL
      SELECT n.* FROM heads h, LATERAL (
        SELECT o.webhook_id, o.doc_id, o.seq, o.id, o.next_attempt_at FROM outbox o
        WHERE (o.webhook_id, o.doc_id) > (h.webhook_id, h.doc_id) ORDER BY o.webhook_id, o.doc_id, o.seq LIMIT 1
      ) n
    ), due AS MATERIALIZED (
      SELECT x.id FROM (
        SELECT h.id, h.next_attempt_at, row_number() OVER (PARTITION BY h.webhook_id ORDER BY h.next_attempt_at) AS place
        FROM heads h WHERE h.next_attempt_at <= clock_timestamp() AND h.webhook_id <> ALL ($3::uuid[])
      ) x WHERE x.place <= $2 ORDER BY x.next_attempt_at LIMIT $1
    ), held AS MATERIALIZED (
      SELECT o.id FROM outbox o WHERE o.id = ANY (ARRAY(SELECT d.id FROM due d))
        AND o.next_attempt_at <= clock_timestamp()
      FOR UPDATE SKIP LOCKED
    ), leased AS (
      UPDATE outbox o SET attempts = o.attempts + 1,
        next_attempt_at = clock_timestamp() + $4::float8 * interval '1 millisecond'
      WHERE o.id = ANY (ARRAY(SELECT h.id FROM held h))
      RETURNING o.*
    )
    SELECT l.id AS "deliveryId", l.webhook_id AS "webhookId", l.doc_id AS "deliveryDocId", l.event, l.body::json AS body,
      l.from_version AS "fromVersion", l.to_version AS "toVersion", l.ref, l.created_at AS "deliveryCreatedAt",
      greatest(0, extract(epoch FROM clock_timestamp() - l.created_at) * 1000)::float8 AS "ageMs", l.attempts, ${columns}
    FROM leased l LEFT JOIN webhooks w ON w.id = l.webhook_id AND w.disabled_at IS NULL ORDER BY l.seq`,
};
const done = { name: "outbox_done", text: "DELETE FROM outbox WHERE id = $1 AND attempts = $2" };
const recovered = {
  name: "webhook_recovered",
  text: `UPDATE webhooks SET failing_since = NULL, last_error = NULL WHERE id = $1 AND failing_since IS NOT NULL`,
};
const again = {
  name: "outbox_again",
  text: `UPDATE outbox SET next_attempt_at = clock_timestamp() + $3::float8 * interval '1 millisecond'
    WHERE id = $1 AND attempts = $2`,
};
const failing = {
  name: "webhook_failing",
  text: `UPDATE webhooks SET failing_since = coalesce(failing_since, clock_timestamp()), last_error = $2,
      disabled_at = CASE WHEN $3::float8 IS NOT NULL
        AND coalesce(failing_since, clock_timestamp()) <= clock_timestamp() - $3 * interval '1 millisecond'
        THEN clock_timestamp() END
    WHERE id = $1 AND disabled_at IS NULL RETURNING disabled_at IS NOT NULL AS disabled`,
};
const count = { name: "outbox_count", text: "SELECT count(*) AS waiting FROM outbox" };

type ClaimRow = Omit<WebhookRecord, "id"> & {
  readonly id: string | null;
  readonly deliveryId: string;
  readonly webhookId: string;
  readonly deliveryDocId: string;
  readonly deliveryCreatedAt: string;
} & Pick<Delivery, "event" | "body" | "fromVersion" | "toVersion" | "ref" | "ageMs" | "attempts">;

export function createWebhooks(database: Database): WebhookStore {
  async function throwAway(webhookId: string): Promise<void> {
    while ((await database.count(discard, [webhookId])) === discardPart);
  }

  return {
    async create({ id, owner, docId, url, secret, events, maxPerOwner }) {
      const values = [id, owner, docId, url, secret, events, maxPerOwner];
      const [webhook] = await database.rows<WebhookRecord>(insert, values);
      return webhook === undefined ? { outcome: "too_many" } : { outcome: "created", webhook };
    },
    async get(id) {
      return (await database.rows<WebhookRecord>(byId, [id]))[0];
    },
    async list(owner, { limit, cursor }) {
      const after = cursor === undefined ? [null, null] : readCursor(cursor, "time", "uuid");
      const rows = await database.rows<WebhookRecord & { place: string }>(byOwner, [
        owner,
        ...after,
        limit + 1,
      ]);
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(({ place: _, ...webhook }) => webhook),
        nextCursor: rows.length > limit && last !== undefined ? writeCursor(last.place, last.id) : null,
      };
    },
    async update(id, { url, secret, events, active }) {
      const values = [id, url ?? null, secret ?? null, events ?? null, active ?? null];
      const [webhook] = await database.rows<WebhookRecord>(update, values);
      if (active === false && webhook !== undefined) await throwAway(id);
      return webhook;
    },
    async remove(id) {
      // First nothing more is written for it.
      await database.count(disable, [id]);
      await throwAway(id);
      return (await database.count(remove, [id])) > 0;
    },

    async claim({ limit, perWebhook, except, leaseMs }) {
      const rows = await database.rows<ClaimRow>(claim, [limit, perWebhook, except, leaseMs]);
      const deliveries: Delivery[] = [];
      const orphans = new Set<string>();
      for (const row of rows) {
        if (row.id === null) orphans.add(row.webhookId);
        else deliveries.push(deliveryOf(row, row.id));
      }
      for (const webhookId of orphans) await throwAway(webhookId);
      return deliveries;
    },
    async settle({ id, attempts, webhook }, arrived) {
      const settled = (await database.count(done, [id, attempts])) > 0;
      if (arrived && webhook.failingSince !== null) await database.count(recovered, [webhook.id]);
      return settled;
    },
    async fail({ id, attempts, webhook }, failed: FailedDelivery) {
      const disableAfterMs =
        failed.next === "retry" ? null : failed.next === "disable" ? 0 : failed.disableAfterMs;
      const values = [webhook.id, failed.error, disableAfterMs];
      const [row] = await database.rows<{ disabled: boolean }>(failing, values);
      const disabled = row?.disabled === true;
      if (row === undefined || disabled) await throwAway(webhook.id);
      else if (failed.next === "retry") await database.count(again, [id, attempts, failed.inMs]);
      else await database.count(done, [id, attempts]);
      return disabled;
    },
    async waiting() {
      return (await database.rows<{ waiting: number }>(count))[0]?.waiting ?? 0;
    },
  };
}

function deliveryOf(row: ClaimRow, webhookId: string): Delivery {
  const { owner, docId, url, secret, events, createdAt, disabledAt, failingSince, lastError } = row;
  const { event, body, fromVersion, toVersion, ref, ageMs, attempts } = row;
  return {
    id: row.deliveryId,
    webhook: {
      id: webhookId,
      owner,
      docId,
      url,
      secret,
      events,
      createdAt,
      disabledAt,
      failingSince,
      lastError,
    },
    docId: row.deliveryDocId,
    createdAt: row.deliveryCreatedAt,
    ...{ event, body, fromVersion, toVersion, ref, ageMs, attempts },
  };
}
