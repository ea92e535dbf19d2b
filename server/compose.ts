/** Builds one instance of the server from its parts; the only file that sees them all. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { nanoid } from "nanoid";
import { uuidv7 } from "uuidv7";
import { createConcurrencyLimit, createRateLimit } from "./access/rate.ts";
import { createTokens } from "./access/tokens.ts";
import { packageVersion } from "./commands/package-root.ts";
import { createGroupCommit } from "./commit/group-commit.ts";
import type { Config } from "./config.ts";
import { pendingMigrations } from "./database/migrate.ts";
import { createPool, type DatabasePool } from "./database/pool.ts";
import { createListener, type Listener } from "./fanout/listener.ts";
import { createPublisher, type Publisher } from "./fanout/publisher.ts";
import { createHttp } from "./http/app.ts";
import { watchRequests } from "./http/hanging.ts";
import type { Logger } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { startAntiEntropy } from "./room/anti-entropy.ts";
import { createDocumentEdits } from "./room/document-edits.ts";
import { createEditTimes } from "./room/edit-times.ts";
import { createHeadReader } from "./room/head-reader.ts";
import { createHistoryEdits } from "./room/history-edits.ts";
import { createLockSweep } from "./room/lock-sweep.ts";
import { RoomRegistry } from "./room/registry.ts";
import type { RoomServices } from "./room/services.ts";
import { createSessionRows } from "./room/session-rows.ts";
import { Turn } from "./room/turn.ts";
import { encodeSequenced } from "./room/wire.ts";
import { createSessionHost, type SessionHost } from "./session/host.ts";
import { createReleases } from "./session/releases.ts";
import { createMemoryStore } from "./store/memory/store.ts";
import { createPostgresStore } from "./store/postgres/store.ts";
import { urlProblem } from "./webhooks/address.ts";
import { startWebhookWorker } from "./webhooks/worker.ts";

export interface InstanceParts {
  /** The database's connection string, asked for each connection; undefined with `store.type: memory`. */
  readonly databaseUrl: (() => string) | undefined;
  readonly log: Logger;
  /** The built demo page; absent: nothing at `/`. */
  readonly demoDir?: string;
}

export interface Instance {
  /** Where it listens, such as `http://127.0.0.1:9002`. */
  readonly url: string;
  readonly instanceId: string;
  /** Stops accepting, says `bye`, finishes what is in flight; at most three quarters of `server.drainMs`. */
  close(): Promise<void>;
}

/** Notifications of all instances of one database. */
const channel = "aetherflow_v1";
/** A submit is answered within 10 s; what fails is repeated for this long before nobody knows. */
const commitRetryMs = 4_000;
/** Probers give up after a few seconds, and then nobody reads the reason. */
const readinessWithinMs = 2_000;
const databaseAway = "the database does not answer";

export async function startInstance(config: Config, parts: InstanceParts): Promise<Instance> {
  const { databaseUrl } = parts;
  const instanceId = nanoid(12);
  const log = parts.log.child({ instanceId });
  const metrics = createMetrics();
  const random = Math.random;
  const nowMs = Date.now;
  const monotonicMs = () => performance.now();

  const pool = databaseUrl === undefined ? undefined : openPool(config, databaseUrl, log);
  const store =
    pool === undefined
      ? createMemoryStore({ nowMs, newId: uuidv7 })
      : createPostgresStore({ pool, newId: uuidv7 });

  const groupCommit = createGroupCommit({
    store,
    flights: config.commit.flights,
    maxBatchOperations: config.commit.maxBatchOperations,
    maxBatchBytes: config.commit.maxBatchBytes,
    retryForMs: commitRetryMs,
    random,
    onCommit({ seconds, operations }) {
      metrics.commitSeconds.observe(seconds);
      metrics.commitBatchSize.observe(operations);
    },
  });
  const turn = new Turn();
  const sessionRows = createSessionRows({ store, log });
  const editTimes = createEditTimes({ store, log });

  let publisher: Publisher | undefined;
  const publish: RoomServices["publish"] = (news, options) => publisher?.publish(news, options);
  const roomServices: RoomServices = {
    instanceId,
    store,
    heads: createHeadReader(store),
    groupCommit,
    turn,
    lockSweep: createLockSweep({ store, publish }),
    sessionRows,
    editTimes,
    publish,
    metrics,
    log,
    config,
    newId: uuidv7,
    nowMs,
  };
  const registry = new RoomRegistry(roomServices);
  const edits = createDocumentEdits(registry, roomServices);
  const history = createHistoryEdits(registry, roomServices);
  const tokens = createTokens({
    auth: config.auth,
    store,
    makeSecret: () => randomBytes(32).toString("base64url"),
    now: nowMs,
  });

  let sessions: SessionHost | undefined;
  const antiEntropy = startAntiEntropy({
    registry,
    store,
    sessionRows,
    instanceId,
    log,
    config,
    random,
    monotonicMs,
    async onLeaseLost() {
      log.warn("this instance's lease was lost; its sessions are recorded again");
      await sessions?.renewRows();
    },
  });

  let listener: Listener | undefined;
  let comparing: Promise<void> | undefined;
  if (databaseUrl !== undefined) {
    publisher = createPublisher({
      url: databaseUrl,
      channel,
      instanceId,
      log,
      random,
      onQueueUsage: (usage) => metrics.notifyQueueUsage.set(usage),
    });
    listener = createListener({
      url: databaseUrl,
      channel,
      instanceId,
      log,
      random,
      canaryEveryMs: config.fanout.canaryMs,
      onNews: (envelope) => registry.hear(envelope),
      onConnected() {
        comparing = antiEntropy.run().catch(() => undefined);
      },
      sendCanary: (count) => publisher?.canary(count),
    });
  }

  const webhookAddresses = {
    allowPrivate: config.webhooks.allowPrivateAddresses,
    allowLoopback: config.auth.mode === "dev",
  };
  const webhooks =
    store.webhooks === undefined
      ? undefined
      : startWebhookWorker({
          webhooks: store.webhooks,
          store,
          encodeOperation: encodeSequenced,
          rules: webhookAddresses,
          config,
          metrics,
          log,
          random,
          nowMs,
        });

  const http = await createHttp({
    config,
    store,
    edits,
    history,
    tokens,
    metrics,
    log,
    readiness: inTime(() => notReady(pool, store, listener)),
    newId: uuidv7,
    nowMs,
    version: packageVersion(),
    webhookUrlProblem: (url) => urlProblem(url, webhookAddresses),
    makeSecret: () => `whsec_${randomBytes(32).toString("base64url")}`,
    ...(parts.demoDir === undefined ? {} : { demoDir: parts.demoDir }),
  });
  const cutHanging = watchRequests(http.server);
  sessions = createSessionHost({
    server: http.server,
    turn,
    config,
    addresses: createConcurrencyLimit(config.limits.socketsPerAddress),
    newId: uuidv7,
    services: {
      instanceId,
      registry,
      sessionRows,
      releases: createReleases(log),
      tokens,
      config,
      metrics,
      log,
      places: {
        user: createConcurrencyLimit(config.limits.socketsPerUser),
        unauthenticated: createConcurrencyLimit(config.limits.unauthenticatedSockets),
      },
      createRate: ({ perSecond, burst }) =>
        createRateLimit({ perSecond, burst, now: () => performance.now() }),
      random,
      nowMs,
      newShortId: () => nanoid(8),
    },
  });
  const host = sessions;
  const measuring = setInterval(() => metrics.sendBufferBytes.set(host.waitingBytes()), 1_000);

  let closed: Promise<void> | undefined;
  function close(): Promise<void> {
    closed ??= closeInTime();
    return closed;
  }

  /** What still waits for a frozen database then ends by its own timeouts. The rest is for the embedded database's stop. */
  async function closeInTime(): Promise<void> {
    const stop = new AbortController();
    const late = delay(0.75 * config.server.drainMs, undefined, { signal: stop.signal }).then(
      () => log.warn("the database did not let everything end in time"),
      () => undefined,
    );
    await Promise.race([end(), late]).finally(() => stop.abort());
  }

  async function closeHttp(): Promise<void> {
    const { drainMs } = config.server;
    const ended = new AbortController();
    const cutting = cutHanging({ sendingMs: drainMs / 10, answeringMs: drainMs / 2 }, ended.signal);
    await http.close().finally(() => ended.abort());
    await cutting;
  }

  async function end(): Promise<void> {
    // In the order of the flow: nothing new comes in, what is in flight is answered, then what it used goes.
    clearInterval(measuring);
    await Promise.all([host.close(config.server.drainMs / 2), closeHttp()]);
    await webhooks?.close();
    await listener?.close();
    await comparing;
    await antiEntropy.close();
    await registry.close();
    await groupCommit.close();
    await sessionRows.close();
    await editTimes.close();
    await store.sessions
      .stop(instanceId)
      .catch((cause: unknown) => log.warn({ err: cause }, "lease not released"));
    await publisher?.close();
    await store.close();
    await pool?.close();
    metrics.close();
  }

  try {
    await http.listen({ host: config.server.host, port: config.server.port });
  } catch (cause) {
    await close();
    throw cause;
  }
  const { port } = http.server.address() as AddressInfo;
  const shownHost = config.server.host.includes(":") ? `[${config.server.host}]` : config.server.host;
  return { url: `http://${shownHost}:${port}`, instanceId, close };
}

function openPool(config: Config, url: () => string, log: Logger): DatabasePool {
  const { maxOpenConns, maxIdleConns } = config.store.postgres;
  return createPool({ url, max: maxOpenConns, minIdle: maxIdleConns, log });
}

/**
 * One check at a time, answered in time: while the network is frozen, probers ask again and again, and each question
 * would take a connection of its own.
 */
function inTime(check: () => Promise<string | undefined>): () => Promise<string | undefined> {
  let running: Promise<string | undefined> | undefined;
  return async () => {
    running ??= check().finally(() => {
      running = undefined;
    });
    const stop = new AbortController();
    const late = delay(readinessWithinMs, databaseAway, { signal: stop.signal }).catch(() => undefined);
    return await Promise.race([running, late]).finally(() => stop.abort());
  };
}

/** Why this instance cannot serve; undefined when it can. */
async function notReady(
  pool: DatabasePool | undefined,
  store: { ping(): Promise<unknown> },
  listener: Listener | undefined,
): Promise<string | undefined> {
  try {
    await store.ping();
    if (pool !== undefined) {
      const pending = await pendingMigrations(pool);
      if (pending.length > 0)
        return `the database's schema is not up to date (pending: ${pending.join(", ")}); run npx aetherflow migrate up`;
    }
  } catch {
    return databaseAway;
  }
  if (listener !== undefined && !listener.listening) return "not listening to other instances";
  return undefined;
}
