import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createListener, type Listener } from "../../server/fanout/listener.ts";
import type { News } from "../../server/fanout/news.ts";
import { createPublisher, type Publisher } from "../../server/fanout/publisher.ts";
import { createLog } from "../../server/observability/log.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
const log = createLog({ level: "silent" });
/** A log that keeps what it is told. */
function keptLog() {
  const lines: { level: string; msg: string; reason?: string; err?: object }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, log: createLog({ level: "info", destination: { write } }) };
}
const opened: (Listener | Publisher)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});
afterAll(() => database?.drop());

function publisher(instanceId: string): Publisher {
  const made = createPublisher({
    url: () => database.url,
    channel: "test",
    instanceId,
    log,
    random: Math.random,
  });
  opened.push(made);
  return made;
}

function listener(options: { sendCanary?: (count: number) => void; instanceId?: string } = {}) {
  const heard: News[] = [];
  const state = { connected: 0 };
  const made = createListener({
    url: () => database.url,
    channel: "test",
    instanceId: options.instanceId ?? "reader",
    log,
    random: Math.random,
    canaryEveryMs: 100,
    onNews: ({ news }) => heard.push(...news),
    onConnected: () => {
      state.connected += 1;
    },
    sendCanary: options.sendCanary ?? (() => undefined),
  });
  opened.push(made);
  return { made, heard, state };
}

const backends =
  "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aetherflow listen'";

describe("the listener", () => {
  it("[listen-1] hears other instances, not itself", async () => {
    const own = publisher("reader");
    const { made, heard } = listener({ sendCanary: (count) => own.canary(count) });
    await waitFor(() => made.listening);
    own.publish({ kind: "change", docId: "mine" });
    publisher("writer").publish({ kind: "change", docId: "theirs" });
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual([{ kind: "change", docId: "theirs" }]);
  });

  it("[listen-7] an outage is said once, in words of its own, and so is its end", async () => {
    const kept = keptLog();
    let url = database.url;
    let asked = 0;
    const connecting = () => {
      asked += 1;
      return url;
    };
    const parts = { url: connecting, channel: "test", log: kept.log, random: Math.random };
    const own = createPublisher({ ...parts, url: () => url, instanceId: "told" });
    const made = createListener({
      ...parts,
      instanceId: "told",
      canaryEveryMs: 100,
      onNews: () => undefined,
      onConnected: () => undefined,
      sendCanary: (count) => own.canary(count),
    });
    opened.push(own, made);
    await waitFor(() => made.listening);
    url = "postgres://nobody@127.0.0.1:1/nothing";
    const before = asked;
    await database.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'aetherflow %'",
    );
    await waitFor(() => !made.listening && asked >= before + 3);
    url = database.url;
    await waitFor(() => made.listening && kept.lines.some(({ msg }) => msg === "notifying again"));
    const of = (word: string) => kept.lines.filter(({ msg }) => msg.includes(word));
    expect(of("listen").map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
      "warn: listener lost, connecting again",
      "info: listening again",
    ]);
    expect(of("notifying").map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
      "warn: notifying connection lost",
      "info: notifying again",
    ]);
    expect(JSON.stringify(kept.lines)).not.toMatch(/"stack"|Re-initializing|retryTimeout/);
  });

  it("[listen-2] a lost connection is made anew, and what was missed is told to be read", async () => {
    const own = publisher("reader");
    const { made, heard, state } = listener({ sendCanary: (count) => own.canary(count) });
    await waitFor(() => made.listening);
    await database.pool.query(`SELECT pg_terminate_backend(pid) ${backends}`);
    await waitFor(() => made.listening && state.connected >= 2);
    // On a busy machine a canary may be late, and the listener made anew once more: what was told meanwhile is lost.
    const writer = publisher("writer");
    await waitFor(() => {
      writer.publish({ kind: "change", docId: "after" });
      return heard.length > 0;
    });
  });

  it("[listen-6] a range that may wait is told soon, with those that come meanwhile; anything else takes it along", async () => {
    const { made, heard } = listener();
    await waitFor(() => made.listening);
    const large = (from: number, to: number): News => ({
      kind: "operations",
      docId: "hot",
      from,
      to,
      previousId: null,
      texts: Array.from({ length: to - from + 1 }, () => "x".repeat(4_000)),
    });
    const writer = publisher("writer");
    writer.publish(large(1, 3), { mayWait: true });
    writer.publish(large(7, 9), { mayWait: true });
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual([{ kind: "operations", docId: "hot", from: 1, to: 9, previousId: null }]);
    writer.publish(large(13, 15), { mayWait: true });
    writer.publish({ kind: "change", docId: "other" });
    await waitFor(() => heard.length > 1);
    expect(heard.slice(1)).toMatchObject([{ from: 13, to: 15 }, { docId: "other" }]);
  });

  it("[listen-3] one that hears nothing, not even itself, is thrown away", async () => {
    // The canaries go nowhere: as if LISTEN had been lost behind a pooling proxy.
    const { state } = listener();
    await waitFor(() => state.connected >= 2);
  });

  it("[listen-4] a payload that no instance sends is ignored", async () => {
    const own = publisher("reader");
    const { made, heard, state } = listener({ sendCanary: (count) => own.canary(count) });
    await waitFor(() => made.listening);
    for (const payload of [
      "",
      "{",
      "[]",
      '{"instanceId":1}',
      '{"instanceId":"x","news":[{"kind":"nonsense"}]}',
    ]) {
      await database.pool.query("SELECT pg_notify('test', $1)", [payload]);
    }
    publisher("writer").publish({ kind: "change", docId: "good" });
    await waitFor(() => heard.length > 0);
    expect(heard).toEqual([{ kind: "change", docId: "good" }]);
    expect(state.connected).toBe(1);
  });

  it("[listen-5] closing leaves no connection, also while it connects", async () => {
    const { made } = listener();
    await made.close();
    await waitFor(async () => (await database.pool.query(`SELECT 1 ${backends}`)).rowCount === 0);
  });
});
