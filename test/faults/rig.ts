/**
 * Two instances on one database, each with its own way to it that can fail, and on each a raw writer and a replica of
 * the SDK, all in one document. What must hold whatever fails is checked at the end, by `settle`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { type DocumentReplica, openDocument } from "../../client/index.ts";
import type { Instance } from "../../server/compose.ts";
import type { DatabasePool } from "../../server/database/pool.ts";
import { type Finding, verifyAll } from "../../server/store/verify.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { startWriter, type Writer } from "./writer.ts";

export interface Rig {
  readonly instances: readonly Instance[];
  readonly writers: readonly Writer[];
  readonly replicas: readonly DocumentReplica[];
  readonly docId: string;
  readonly token: string;
  /** Waits until `/readyz` of an instance says 503, and returns the reason. */
  unready(index: number): Promise<string>;
  /** After the fault: everything recovers by itself, and nothing that was told is untrue. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** R10: when faults end, replicas converge within this. */
const recoveryMs = 10_000;
/** Every submit is answered within 10 s; a little is left for the busy machine that runs the test. */
const answerMs = 10_500;

/** `urls`: the database as each instance sees it. `pool`: the database as it is. */
export async function startRig(urls: readonly string[], pool: DatabasePool): Promise<Rig> {
  const instances = await Promise.all(urls.map((url) => startTestInstance(url)));
  const [first] = instances;
  if (first === undefined) throw new RangeError("no instance");
  const token = await devToken(first.url, "ada");
  const { body } = await rest<{ id: string }>(first.url, token, "POST", "/documents", { name: "Shaken" });
  const docId = body.id;
  const writers = await Promise.all(instances.map(({ url }) => startWriter(url, docId, token)));
  const replicas = instances.map(({ url }) => openDocument({ url, documentId: docId, token }));
  await Promise.all(replicas.map((replica) => replica.ready));
  const refused: string[] = [];
  const made = replicas.map(() => new Set<string>());
  const editing = replicas.map((replica, index) => {
    replica.on("reject", ({ code }) => refused.push(code));
    return setInterval(() => {
      const element = `sdk${index}.${made[index]?.size}`;
      made[index]?.add(element);
      replica.transact((transaction) => transaction.create(element, { n: 1 }));
    }, 50);
  });
  // Everybody is at work before anything fails.
  await waitFor(() => writers.every((writer) => writer.acknowledged.size >= 5));

  async function close(): Promise<void> {
    for (const timer of editing) clearInterval(timer);
    await Promise.all(replicas.map((replica) => replica.close()));
    // Where a test failed in the middle, its writers wait for what may never come.
    await Promise.all(writers.map((writer) => writer.client.close()));
    await Promise.all(writers.map((writer) => writer.stop().catch(() => undefined)));
    await Promise.all(instances.map((instance) => instance.close()));
  }

  async function settle(): Promise<void> {
    const endedAt = performance.now();
    const leftMs = () => Math.max(1, recoveryMs - (performance.now() - endedAt));
    const before = writers.map((writer) => writer.sent.size);
    // Submitted after the fault's end, acknowledged, and seen by everybody else.
    const fresh = await Promise.all(
      writers.map((writer, index) =>
        waitFor(() => [...writer.sent].slice(before[index]).find((id) => writer.acknowledged.has(id)), {
          timeoutMs: leftMs(),
          what: `writer ${index} goes on`,
        }),
      ),
    );
    const sees = (version: number) =>
      writers.every(({ client }) => (client.operations.at(-1)?.version ?? 0) >= version) &&
      replicas.every((replica) => replica.version >= version);
    const versions = fresh.map((id, index) => writers[index]?.acknowledged.get(id) ?? 0);
    await waitFor(() => sees(Math.max(...versions)), {
      timeoutMs: leftMs(),
      what: "everybody sees everybody",
    });
    for (const timer of editing) clearInterval(timer);
    await Promise.all([
      ...writers.map((writer) => writer.stop()),
      ...replicas.map((replica) => replica.whenSettled()),
    ]);
    await waitFor(async () => (await Promise.all(instances.map(isReady))).every((reason) => reason === ""), {
      timeoutMs: leftMs(),
      what: "every instance is ready",
    });
    await checkTruth();
    for (const [index, writer] of writers.entries()) {
      expect(writer.longestMs, `the slowest answer to writer ${index}`).toBeLessThan(answerMs);
    }
  }

  /** R1 to R5, from the clients' accounts and the tables. */
  async function checkTruth(): Promise<void> {
    const { rows: log } = await pool.run<{ id: string; version: number; element: string }>({
      text: "SELECT id, version, element FROM operations WHERE doc_id = $1 ORDER BY version",
      values: [docId],
    });
    const last = log.length;
    await waitFor(() => writers.every(({ client }) => client.operations.at(-1)?.version === last));
    await waitFor(() => replicas.every((replica) => replica.version === last));
    const versionOf = new Map(log.map(({ id, version }) => [id, version]));
    const sent = new Set<string>();
    for (const writer of writers) {
      for (const id of writer.sent) sent.add(id);
      for (const [id, version] of writer.acknowledged) expect(versionOf.get(id)).toBe(version);
      expect(writer.acknowledged.size).toBe(writer.sent.size);
      const stream = writer.client.operations.filter(({ version }) => version > 0);
      expect(stream.map(({ id, version }) => [id, version])).toEqual(
        log.slice(last - stream.length).map(({ id, version }) => [id, version]),
      );
      const order = stream.filter(({ id }) => writer.sent.has(id)).map(({ id }) => id);
      expect(order).toEqual([...writer.sent]);
    }
    const elements = new Set(made.flatMap((each) => [...each]));
    const strangers = log.filter(({ id, element }) => !sent.has(id) && !elements.has(element));
    expect(strangers).toEqual([]);
    expect(last).toBe(sent.size + elements.size);
    expect(refused).toEqual([]);
    const [one, ...others] = replicas.map((replica) => Object.fromEntries(replica.confirmedElements));
    expect(Object.keys(one ?? {})).toHaveLength(last);
    for (const other of others) expect(other).toEqual(one);
    const findings: Finding[] = [];
    for await (const finding of verifyAll(pool)) findings.push(finding);
    expect(findings).toEqual([]);
  }

  return {
    instances,
    writers,
    replicas,
    docId,
    token,
    async unready(index) {
      const instance = instances[index];
      if (instance === undefined) throw new RangeError(`no instance ${index}`);
      return await waitFor(() => isReady(instance), { what: `instance ${index} is not ready` });
    },
    settle,
    close,
  };
}

/** Empty when it is; else what `/readyz` says. A prober waits for a second or a few, not longer. */
async function isReady({ url }: Instance): Promise<string> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
  if (response.status === 200) return "";
  expect(response.status).toBe(503);
  return ((await response.json()) as { detail: string }).detail;
}

/** How long a fault lasts. */
export const lasting = (ms: number) => delay(ms);
