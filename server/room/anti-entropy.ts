/**
 * What makes everything else safe to lose: about once a second the open documents are compared with the database in
 * one query (version, metadata, revision) and one more for other instances' sessions, and what is newer is read. The instance's
 * lease is renewed on the same path. Instances whose lease ended lose their sessions, and this one loses those that it has
 * not, beside it: that may wait for rows, and neither this instance's lease nor its documents may wait for that.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/log.ts";
import type { SessionRecord, Store } from "../store/store.ts";
import type { RoomRegistry } from "./registry.ts";
import type { SessionRows } from "./session-rows.ts";

export interface AntiEntropyOptions {
  readonly registry: RoomRegistry;
  readonly store: Store;
  readonly sessionRows: SessionRows;
  readonly instanceId: string;
  readonly log: Logger;
  readonly config: Pick<Config, "fanout" | "presence" | "manager">;
  readonly random: () => number;
  /** A clock that never goes back: with one that is set back by an hour no lease would be renewed for an hour. */
  readonly monotonicMs: () => number;
  /**
   * The lease was lost (this process stood still for longer than it lasts), and the sessions' rows with it: records them
   * again. Where that fails it is asked again.
   */
  readonly onLeaseLost: () => Promise<void>;
}

export interface AntiEntropy {
  /** Compares now; for a listener that was deaf. */
  run(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What is newer in the database is mostly news on its way. Where many documents are written to that is so for nearly
 * all of them at any moment, and to read the log for each cost as much as the commits of that second.
 */
const newsMs = 100;

export function startAntiEntropy(options: AntiEntropyOptions): AntiEntropy {
  const { registry, store, sessionRows, instanceId, log, config, random, monotonicMs } = options;
  const stop = new AbortController();
  let failing = false;
  let untidy = false;
  let leaseAtMs = Number.NEGATIVE_INFINITY;
  let leaseLost = false;
  let sweptAtMs = monotonicMs();
  let tidying: Promise<void> | undefined;

  async function run(): Promise<void> {
    await keepLease();
    const asked = [...registry.rooms].map((room) => ({ room, position: room.position }));
    const docIds = asked.map(({ room }) => room.docId);
    if (docIds.length > 0) {
      const [heads, live] = await Promise.all([
        store.documents.heads(docIds.map((docId) => ({ docId }))),
        // Of this instance's own the rows say nothing new, and a thousand of them take 10 ms to read.
        store.sessions.live(docIds, instanceId),
      ]);
      const byDocument = new Map<string, SessionRecord[]>(docIds.map((docId) => [docId, []]));
      for (const session of live) byDocument.get(session.docId)?.push(session);
      const answers = new Map(heads.map((answer) => [answer.head.docId, answer]));
      if (asked.some(({ room }) => room.version < (answers.get(room.docId)?.head.version ?? 0)))
        await pause(newsMs);
      // A room that has ended meanwhile does nothing with it; one that was opened since was not asked about.
      for (const { room, position } of asked) {
        const answer = answers.get(room.docId);
        if (answer === undefined) room.end("missing");
        else {
          room.retain(answer.retainedFrom);
          room.follow(answer.head, position);
          room.reconcileSessions(byDocument.get(room.docId) ?? []);
        }
      }
    }
    registry.sweep();
  }

  async function keepLease(): Promise<void> {
    const now = monotonicMs();
    if (!leaseLost && now - leaseAtMs < config.presence.heartbeatMs) return;
    if (!(await store.sessions.heartbeat(instanceId))) {
      leaseLost = true;
      // Registered before the sessions are recorded again: rows without an instance are swept away.
      await store.sessions.heartbeat(instanceId);
    }
    leaseAtMs = now;
    if (leaseLost) await recordAgain();
    tidying ??= tidy().finally(() => {
      tidying = undefined;
    });
  }

  async function recordAgain(): Promise<void> {
    try {
      await options.onLeaseLost();
      leaseLost = false;
    } catch (error) {
      log.warn({ err: error }, "sessions not recorded again yet");
    }
  }

  async function tidy(): Promise<void> {
    try {
      await sessionRows.leaveAbsent(instanceId);
      sessionRows.refresh(await store.sessions.reap(config.presence.leaseMs));
      if (untidy) log.info("tidying up again");
      untidy = false;
      if (monotonicMs() - sweptAtMs < config.manager.cleanupIntervalMs) return;
      sweptAtMs = monotonicMs();
      await store.locks.cleanExpired();
    } catch (error) {
      if (!untidy) log.warn({ err: error }, "could not tidy up after sessions and instances that are gone");
      untidy = true;
    }
  }

  async function loop(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await run();
        if (failing) log.info("comparing with the database again");
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: error }, "could not compare with the database");
        failing = true;
      }
      // Spread, so that instances that started together do not ask together.
      await pause(config.fanout.antiEntropyMs * (0.75 + random() / 2));
    }
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: stop.signal }).catch(() => undefined);
  }

  const looping = loop();
  return {
    run,
    async close() {
      stop.abort();
      await looping;
      await tidying;
    },
  };
}
