/** What an instance measures about itself, in a registry of its own, for `GET /metrics`. */
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Bounds around 1 ms for what a database on the same machine takes, up to the 10 s in which a submit is answered. */
const secondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
const sizeBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/**
 * How often the event loop is looked at. What holds it up for longer is seen (but for the first look after a scrape, which
 * starts the clock), what is shorter when it comes again. Each look wakes the process: at 10 ms, the usual value, they are
 * half of what an idle server costs.
 */
const loopLookMs = 100;

/** The metrics of one instance. Names begin with `aetherflow_`. */
export interface Metrics {
  readonly registry: Registry;
  /** Open WebSocket sessions. */
  readonly sessions: Gauge;
  /** Open documents. */
  readonly rooms: Gauge;
  /** Operations that this instance committed. */
  readonly operations: Counter;
  /** Refused submits by error code. */
  readonly rejects: Counter<"code">;
  /** Conflict records made by commits of this instance. */
  readonly conflicts: Counter;
  /** Duration of one call of the batch commit. */
  readonly commitSeconds: Histogram;
  /** Operations in one call of the batch commit. */
  readonly commitBatchSize: Histogram;
  /** From another instance's commit to the hand-over to this one's sessions. */
  readonly fanoutLagSeconds: Histogram;
  /** Used part of PostgreSQL's notification queue, 0–1. */
  readonly notifyQueueUsage: Gauge;
  /** Bytes that wait for slow readers, over all sockets. */
  readonly sendBufferBytes: Gauge;
  /** Sockets closed because their reader was too slow. */
  readonly slowReaders: Counter;
  /** Times that a room read what it had missed from the log. */
  readonly catchUps: Counter;
  /** REST requests by route and status. */
  readonly requestSeconds: Histogram<"method" | "route" | "status">;
  /** Deliveries of webhooks by what became of them. */
  readonly webhookDeliveries: Counter<"outcome">;
  /** Duration of one call of a webhook. */
  readonly webhookSeconds: Histogram;
  /** Events of webhooks that wait, over all instances. */
  readonly webhooksWaiting: Gauge;
  /** Stops what measures in the background. */
  close(): void;
}

/** Makes the metrics of one instance. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name: `aetherflow_${name}`, help, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name: `aetherflow_${name}`, help, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `aetherflow_${name}`, help, buckets, registers });

  const loop = monitorEventLoopDelay({ resolution: loopLookMs });
  loop.enable();
  measureProcess(registry, loop);

  return {
    registry,
    sessions: gauge("sessions", "Open WebSocket sessions."),
    rooms: gauge("rooms", "Open documents."),
    operations: counter("operations_total", "Operations committed by this instance."),
    rejects: new Counter({
      name: "aetherflow_rejects_total",
      help: "Refused submits by error code.",
      labelNames: ["code"],
      registers,
    }),
    conflicts: counter("conflicts_total", "Conflict records made by commits of this instance."),
    commitSeconds: histogram("commit_seconds", "Duration of one call of the batch commit.", secondsBuckets),
    commitBatchSize: histogram(
      "commit_batch_size",
      "Operations in one call of the batch commit.",
      sizeBuckets,
    ),
    fanoutLagSeconds: histogram(
      "fanout_lag_seconds",
      "From another instance's commit to its delivery here.",
      secondsBuckets,
    ),
    notifyQueueUsage: gauge("notify_queue_usage", "Used part of PostgreSQL's notification queue, 0 to 1."),
    sendBufferBytes: gauge("send_buffer_bytes", "Bytes that wait for slow readers, over all sockets."),
    slowReaders: counter("slow_readers_total", "Sockets closed because their reader was too slow."),
    catchUps: counter("catch_ups_total", "Times that a room read what it had missed from the log."),
    requestSeconds: new Histogram({
      name: "aetherflow_request_seconds",
      help: "REST requests by route and status.",
      labelNames: ["method", "route", "status"],
      buckets: secondsBuckets,
      registers,
    }),
    webhookDeliveries: new Counter({
      name: "aetherflow_webhook_deliveries_total",
      help: "Calls of webhooks by outcome: delivered, failed, dropped (its owner may not know), disabled.",
      labelNames: ["outcome"],
      registers,
    }),
    webhookSeconds: histogram("webhook_seconds", "Duration of one call of a webhook.", secondsBuckets),
    webhooksWaiting: gauge("webhooks_waiting", "Events of webhooks that wait, over all instances."),
    close() {
      loop.disable();
    },
  };
}

/** CPU, memory and event loop. prom-client's own defaults leave an observer of garbage collection behind for ever. */
function measureProcess(registry: Registry, loop: IntervalHistogram): void {
  const registers = [registry];
  new Counter({
    name: "aetherflow_process_cpu_seconds_total",
    help: "User and system CPU time.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "aetherflow_process_resident_memory_bytes",
    help: "Resident memory.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "aetherflow_event_loop_delay_seconds",
    help: "Longest delay of the event loop since the last scrape.",
    registers,
    collect() {
      // Counted, in nanoseconds, is the time between two looks; without a sample the maximum is 0.
      this.set(Math.max(0, loop.max / 1e9 - loopLookMs / 1e3));
      loop.reset();
    },
  });
}
