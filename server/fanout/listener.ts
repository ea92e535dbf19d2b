/**
 * Hears what other instances committed. pg-listen is treated as disposable: it gives up for ever after 3 s, never
 * replays, and does not notice a lost LISTEN or a half-open connection. So any error, or a canary notification to
 * ourselves that does not return within three periods, throws the subscriber away; a new one is made with jittered,
 * capped back-off, and `onConnected` lets every open document catch up with what was missed.
 *
 * States: connecting → listening (canaries go out) → (error or silence) → waiting → connecting …; closed from anywhere.
 */
import pgListen, { type Subscriber } from "pg-listen";
import { type Logger, withCause } from "../observability/log.ts";
import type { Envelope } from "./news.ts";
import { envelopeHead, readEnvelope } from "./news.ts";

export interface Listener {
  /** Whether notifications arrive, as far as the last canary tells. */
  readonly listening: boolean;
  close(): Promise<void>;
}

export interface ListenerOptions {
  /** The current connection string: an embedded server may move to another port. */
  readonly url: () => string;
  /** At most 63 bytes: PostgreSQL cuts longer names, and pg-listen would then never match them. */
  readonly channel: string;
  readonly instanceId: string;
  readonly log: Logger;
  readonly random: () => number;
  /** From other instances only. Must not throw and only enqueue. */
  readonly onNews: (envelope: Envelope) => void;
  /** After each (re)connect: what was notified before is lost. */
  readonly onConnected: () => void;
  readonly sendCanary: (count: number) => void;
  readonly canaryEveryMs?: number;
}

const maxBackoffMs = 3_000;
/** Whoever notifies what cannot be read mostly does so many times a second. */
const warnEveryMs = 60_000;
const connectTimeoutMs = 5_000;

export function createListener(options: ListenerOptions): Listener {
  const { channel, instanceId, log, random, canaryEveryMs = 2_000 } = options;
  let current: Subscriber | undefined;
  let listening = false;
  let closed = false;
  let failures = 0;
  let canarySent = 0;
  let canaryHeard = 0;
  let timer: NodeJS.Timeout | undefined;
  let warnedAtMs = Number.NEGATIVE_INFINITY;

  async function connect(): Promise<void> {
    let connectionString: string;
    try {
      connectionString = options.url();
    } catch (error) {
      retry(error);
      return;
    }
    // A CommonJS module: its default export is a property of what Node.js imports.
    const subscriber = pgListen.default(
      {
        connectionString,
        application_name: "aetherflow listen",
        connectionTimeoutMillis: connectTimeoutMs,
        query_timeout: connectTimeoutMs,
        keepAlive: true,
      },
      // Reconnecting is ours; the payload is parsed by us, since a throwing handler replays and blocks later ones.
      { retryInterval: 100, retryTimeout: 1, paranoidChecking: false, parse: (payload: string) => payload },
    );
    current = subscriber;
    subscriber.events.on("error", (error: Error) => discard(subscriber, error));
    // It reconnected by itself: its one attempt (`retryTimeout`) was enough, but what was sent meanwhile is lost.
    subscriber.events.on("connected", () => {
      if (listening && current === subscriber) options.onConnected();
    });
    subscriber.notifications.on(channel, hear);
    try {
      await subscriber.connect();
      await subscriber.listenTo(channel);
    } catch (error) {
      discard(subscriber, error);
      return;
    }
    if (closed || current !== subscriber) {
      dispose(subscriber);
      return;
    }
    if (failures > 0) log.info("listening again");
    failures = 0;
    listening = true;
    canarySent = 0;
    canaryHeard = 0;
    log.debug({ channel }, "listening");
    options.onConnected();
    timer = setInterval(() => watch(subscriber), canaryEveryMs);
  }

  function watch(subscriber: Subscriber): void {
    if (canarySent - canaryHeard >= 3) {
      discard(subscriber, new Error("no canary notification came back in three periods"));
      return;
    }
    canarySent += 1;
    options.sendCanary(canarySent);
  }

  // PostgreSQL tells us our own notifications too; parsing them would double what a commit costs here.
  const ownBeginning = envelopeHead(instanceId);
  const canaryAtEnd = /"canary":(\d+)\}$/;

  function hear(payload: unknown): void {
    if (typeof payload !== "string") return;
    if (payload.startsWith(ownBeginning)) {
      const count = canaryAtEnd.exec(payload.slice(-40))?.[1];
      if (count !== undefined) canaryHeard = Math.min(Number(count), canarySent);
      return;
    }
    const envelope = readEnvelope(payload);
    if (envelope === undefined) {
      if (performance.now() - warnedAtMs < warnEveryMs) return;
      warnedAtMs = performance.now();
      log.warn("a notification that no instance of ours sends was ignored; this is said once a minute");
      return;
    }
    try {
      options.onNews(envelope);
    } catch (error) {
      // Thrown further, it would replay this notification and hold up those behind it. Anti-entropy makes up for it.
      log.error({ err: error }, "a notification was not taken");
    }
  }

  function discard(subscriber: Subscriber, error: unknown): void {
    if (current !== subscriber) return;
    current = undefined;
    listening = false;
    clearInterval(timer);
    dispose(subscriber);
    retry(error);
  }

  function retry(error: unknown): void {
    if (closed) return;
    failures += 1;
    if (failures === 1) log.warn({ reason: reasonOf(error) }, "listener lost, connecting again");
    else log.debug({ err: error, failures }, "listener not connected yet");
    const pause = Math.min(maxBackoffMs, 50 * 2 ** failures) * (0.5 + random());
    timer = setTimeout(() => void connect(), pause);
  }

  void connect();
  return {
    get listening() {
      return listening;
    },
    async close() {
      closed = true;
      listening = false;
      clearTimeout(timer);
      clearInterval(timer);
      const subscriber = current;
      current = undefined;
      if (subscriber !== undefined) await close(subscriber);
    },
  };

  function dispose(subscriber: Subscriber): void {
    void close(subscriber);
  }
}

/** pg-listen tells of its own attempt to connect again, not of what it lost. */
const ownAttempt = "Re-initializing the PostgreSQL notification client";

function reasonOf(error: unknown): string {
  const reason = withCause(error);
  return reason.startsWith(ownAttempt) ? "the connection ended" : reason;
}

async function close(subscriber: Subscriber): Promise<void> {
  // A half-open connection never answers the farewell.
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 1_000);
  });
  await Promise.race([subscriber.close().catch(() => undefined), timeout]);
  clearTimeout(timer);
}
