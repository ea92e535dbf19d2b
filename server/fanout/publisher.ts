/**
 * Tells other instances what was committed here, after the commit and never within it: a NOTIFY in the writing
 * transaction serialises every commit of the database. One connection of its own with `synchronous_commit = off`
 * (a notification has nothing to lose), one call in flight; what comes meanwhile is merged by document and goes
 * with the next. What is lost here is found by anti-entropy.
 */
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Logger } from "../observability/log.ts";
import type { News, OperationsNews } from "./news.ts";
import { envelopeHead, headItem, maxPayloadBytes } from "./news.ts";

export interface PublishOptions {
  /**
   * Others commit to the document as well, and hear from the database what was committed before. Then what does not fit a
   * notification is not told at once: for two instances on one hot document that is a fifth of their work.
   */
  readonly mayWait?: boolean;
}

export interface Publisher {
  publish(news: News, options?: PublishOptions): void;
  /** A notification to ourselves. */
  canary(count: number): void;
  close(): Promise<void>;
}

export interface PublisherOptions {
  /** The current connection string: an embedded server may move to another port. */
  readonly url: () => string;
  readonly channel: string;
  readonly instanceId: string;
  readonly log: Logger;
  readonly random: () => number;
  /** Called every few seconds with the share of the notification queue in use (0–1). */
  readonly onQueueUsage?: (usage: number) => void;
}

/** Bounds what waits while the database is away; anti-entropy makes up for what is thrown out. */
const maxWaiting = 10_000;
/** How long a range without its operations waits for the next, where it may. */
const rangeWaitMs = 10;
/** A call is a round trip: on a busy instance that takes some milliseconds, however much it carries. */
const payloadsPerCall = 32;
/** Looking at the queue also frees it: a full one stays full until somebody asks. */
const queueUsageEveryMs = 5_000;
const maxBackoffMs = 2_000;

export function createPublisher(options: PublisherOptions): Publisher {
  const { instanceId, log, random } = options;
  let waiting: News[] = [];
  let canaryCount: number | undefined;
  let client: pg.Client | undefined;
  let running: Promise<void> | undefined;
  const stop = new AbortController();
  let closed = false;
  let failures = 0;
  let lost = false;

  /** Said once for an outage, in which it is noticed again and again. */
  function tellLost(error: unknown): void {
    if (lost) log.debug({ err: error }, "not notifying yet");
    else log.warn({ err: error }, "notifying connection lost");
    lost = true;
  }

  let later: NodeJS.Timeout | undefined;

  let usageDue = false;
  const queueUsageTimer = setInterval(() => {
    usageDue = true;
    pump();
  }, queueUsageEveryMs);
  queueUsageTimer.unref();

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({
      connectionString: options.url(),
      application_name: "aetherflow notify",
      connectionTimeoutMillis: 5_000,
      query_timeout: 10_000,
      keepAlive: true,
    });
    fresh.on("error", (error) => {
      tellLost(error);
      if (client === fresh) client = undefined;
    });
    try {
      await fresh.connect();
      await fresh.query("SET synchronous_commit = off");
    } catch (error) {
      await fresh.end().catch(() => undefined);
      throw error;
    }
    return fresh;
  }

  function pump(): void {
    if (closed) return;
    // Not at once: what else is told in this callback goes together.
    running ??= Promise.resolve()
      .then(run)
      .finally(() => {
        running = undefined;
        if (isDue()) pump();
      });
  }

  async function run(): Promise<void> {
    while (!closed && isDue()) {
      const news = waiting;
      const canary = canaryCount;
      waiting = [];
      canaryCount = undefined;
      try {
        client ??= await connect();
        const payloads = pack(instanceId, news, canary);
        for (let at = 0; at < payloads.length; at += payloadsPerCall) {
          await client.query(notify(options.channel, payloads.slice(at, at + payloadsPerCall)));
        }
        if (usageDue) await reportQueueUsage(client);
        failures = 0;
        if (lost) log.info("notifying again");
        lost = false;
      } catch (error) {
        // Not repeated: others find it by anti-entropy, and a notification that comes late helps nobody.
        failures += 1;
        tellLost(error);
        await disconnect();
        const pause = Math.min(maxBackoffMs, 50 * 2 ** failures) * (0.5 + random());
        await delay(pause, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  }

  async function disconnect(): Promise<void> {
    const old = client;
    client = undefined;
    await old?.end().catch(() => undefined);
  }

  async function reportQueueUsage(connection: pg.Client): Promise<void> {
    usageDue = false;
    const result = await connection.query<{ usage: number }>(
      "SELECT pg_notification_queue_usage()::float8 AS usage",
    );
    const usage = result.rows[0]?.usage;
    if (usage !== undefined) options.onQueueUsage?.(usage);
  }

  const isDue = () => waiting.length > 0 || canaryCount !== undefined || usageDue;

  return {
    publish(news, { mayWait = false } = {}) {
      if (closed) return;
      if (waiting.length >= maxWaiting) waiting.shift();
      const slimmed = slim(news);
      waiting.push(slimmed);
      if (!mayWait || !isRange(slimmed)) {
        pump();
        return;
      }
      later ??= setTimeout(() => {
        later = undefined;
        pump();
      }, rangeWaitMs);
    },
    canary(count) {
      canaryCount = count;
      pump();
    },
    async close() {
      closed = true;
      stop.abort();
      clearInterval(queueUsageTimer);
      clearTimeout(later);
      // A connection that is being made now would outlive us.
      await running;
      await disconnect();
    },
  };
}

/** A value each: an array of them would be escaped character by character. */
function notify(channel: string, payloads: readonly string[]): pg.QueryConfig {
  const calls = payloads.map((_, index) => `pg_notify($1, $${index + 2})`);
  return {
    name: `notify_${payloads.length}`,
    text: `SELECT ${calls.join(", ")}`,
    values: [channel, ...payloads],
  };
}

/**
 * Packs news into payloads of at most `maxPayloadBytes`, merging what concerns one document. A canary, a notification
 * to ourselves that tells whether we still hear, is the last, and alone. Exported for its test.
 */
export function pack(instanceId: string, news: readonly News[], canary: number | undefined): string[] {
  const head = envelopeHead(instanceId);
  const room = maxPayloadBytes - Buffer.byteLength(head) - 64;
  const payloads: string[] = [];
  let items: string[] = [];
  let lines = "";
  let bytes = 0;
  const flush = () => {
    if (items.length > 0) payloads.push(`${head},"news":[${items.join(",")}]}${lines}`);
    items = [];
    lines = "";
    bytes = 0;
  };
  for (const one of merge(news)) {
    for (const packed of pieces(one, room)) {
      if (bytes + packed.bytes > room) flush();
      items.push(packed.item);
      lines += packed.lines;
      bytes += packed.bytes;
    }
  }
  flush();
  if (canary !== undefined) payloads.push(`${head},"news":[],"canary":${canary}}`);
  return payloads;
}

/** Without texts that could not be notified anyway: megabytes of them must not wait for a slow connection. */
function slim(news: News): News {
  if (news.kind !== "operations" || news.texts === undefined) return news;
  const length = news.texts.reduce((sum, text) => sum + text.length, 0);
  if (length <= maxPayloadBytes) return news;
  const { texts: _, ...pointer } = news;
  return pointer;
}

/** Operations without their texts. */
function isRange(news: News): boolean {
  return news.kind === "operations" && news.texts === undefined;
}

/**
 * Consecutive operations of a document become one item, ranges also where another instance's lie between them; equal
 * `change` items become one.
 */
function merge(news: readonly News[]): News[] {
  const merged: News[] = [];
  const operationsAt = new Map<string, number>();
  const changed = new Set<string>();
  for (const one of news) {
    if (one.kind === "change") {
      if (changed.has(one.docId)) continue;
      changed.add(one.docId);
    }
    if (one.kind === "operations") {
      const at = operationsAt.get(one.docId);
      const before = at === undefined ? undefined : merged[at];
      if (at !== undefined && before?.kind === "operations") {
        if (before.to + 1 === one.from || (isRange(before) && isRange(one) && before.to < one.from)) {
          merged[at] = join(before, one);
          continue;
        }
      }
      operationsAt.set(one.docId, merged.length);
    }
    merged.push(one);
  }
  return merged;
}

function join(first: OperationsNews, second: OperationsNews): OperationsNews {
  const { texts: a, ...range } = first;
  const b = second.texts;
  return a === undefined || b === undefined
    ? { ...range, to: second.to }
    : { ...range, to: second.to, texts: [...a, ...b] };
}

interface Packed {
  /** In the head. */
  readonly item: string;
  /** What lies behind it, each line with the break before it. */
  readonly lines: string;
  readonly bytes: number;
}

function packed(item: string, lines = ""): Packed {
  return { item, lines, bytes: Buffer.byteLength(item) + 1 + Buffer.byteLength(lines) };
}

/** One item: itself, or, where it is too large, the range alone, or presence in pieces. */
function pieces(news: News, room: number): Packed[] {
  if (news.kind === "operations") return [operationsOf(news, room)];
  const whole = packed(JSON.stringify(news));
  if (news.kind === "change" || whole.bytes <= room) return [whole];
  const { kind, docId } = news;
  const parts: News[] = [
    ...(news.ask === true ? [{ kind, docId, ask: true } satisfies News] : []),
    ...(news.joined ?? []).map((session): News => ({ kind, docId, joined: [session] })),
    ...Object.entries(news.states ?? {}).map(
      ([id, state]): News => ({ kind, docId, states: { [id]: state } }),
    ),
  ];
  // A session id takes 39 bytes; two hundred at once are one piece.
  for (let at = 0; at < (news.left?.length ?? 0); at += 150) {
    parts.push({ kind, docId, left: (news.left ?? []).slice(at, at + 150) });
  }
  const numbers = Object.entries(news.numbers ?? {});
  for (let at = 0; at < numbers.length; at += 100)
    parts.push({ kind, docId, numbers: Object.fromEntries(numbers.slice(at, at + 100)) });
  return parts.map((part) => packed(JSON.stringify(part))).filter(({ bytes }) => bytes <= room);
}

function operationsOf(news: OperationsNews, room: number): Packed {
  const { texts, ...pointer } = news;
  if (texts !== undefined) {
    // A UTF-16 unit takes a byte at least: what is too long for certain is not put together.
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    if (length <= room) {
      const whole = packed(headItem(news), texts.map((text) => `\n${text}`).join(""));
      if (whole.bytes <= room) return whole;
    }
  }
  return packed(headItem(pointer));
}
