/** Runs one load plan: connect all, create the elements, warm up, measure, wait until all has arrived everywhere. */
import { setTimeout as delay } from "node:timers/promises";
import { LoadClient } from "./client.ts";
import { dialects } from "./dialect.ts";
import { Histogram, percentiles } from "./histogram.ts";
import { createText, operationId, operationText, startIds } from "./operations.ts";
import type { LoadMessage, LoadPlan, LoadResult } from "./plan.ts";
import { LoadRoom } from "./room.ts";

interface Writer {
  readonly client: LoadClient;
  readonly room: LoadRoom;
  readonly elements: readonly string[];
  sent: number;
  unanswered: number;
}

/** How long the last operations may take to arrive everywhere. */
const drainMs = 10_000;

export async function runLoad(plan: LoadPlan, tell: (message: LoadMessage) => void): Promise<LoadResult> {
  startIds(plan.seed);
  const ack = new Histogram();
  const everybody = new Histogram();
  const same = new Histogram();
  const cross = new Histogram();
  const byInstance = plan.urls.map(() => 0);
  const violations: string[] = [];
  const writers = new Map<number, Writer>();
  let phase: "setup" | "creating" | "running" | "draining" = "setup";
  let measuring = false;
  let operations = 0;
  let deliveries = 0;

  const instanceOf = (client: number): number => client % plan.urls.length;
  const violated = (message: string): void => {
    if (violations.length < 20) violations.push(message);
  };

  const next = (writer: Writer): void => {
    const number = writer.sent;
    writer.sent += 1;
    writer.unanswered += 1;
    const element = writer.elements[number % writer.elements.length] as string;
    const text = number < writer.elements.length ? createText : operationText;
    writer.client.submit(
      operationId(writer.client.index, number),
      text(writer.client.index, number, element),
    );
  };

  const clients: LoadClient[] = [];
  const opening: (() => Promise<void>)[] = [];
  let index = 0;
  for (const document of plan.documents) {
    const room = new LoadRoom(plan.clientsPerDocument);
    for (let member = 0; member < plan.clientsPerDocument; member++) {
      const number = index++;
      const isWriter = member < plan.writersPerDocument;
      opening.push(async () => {
        const client = await LoadClient.open({
          dialect: dialects[plan.target],
          url: plan.urls[instanceOf(number)] as string,
          document,
          token: plan.tokens[member] ?? "",
          room,
          index: number,
          delivered(receiver, one, last) {
            if (!measuring) return;
            deliveries += 1;
            const took = performance.now() - one.sentAt;
            if (one.author === receiver.index) {
              operations += 1;
              byInstance[instanceOf(receiver.index)] = (byInstance[instanceOf(receiver.index)] ?? 0) + 1;
              ack.add(took);
            } else if (plan.urls.length === 1) same.add(took);
            else (instanceOf(one.author) === instanceOf(receiver.index) ? same : cross).add(took);
            if (last) everybody.add(took);
          },
          handled(receiver, acknowledged) {
            const writer = writers.get(receiver.index);
            if (writer === undefined) return;
            writer.unanswered -= acknowledged;
            if (phase !== "running" || plan.opsPerSecond !== undefined) return;
            while (writer.unanswered < plan.inFlight) next(writer);
          },
          violated,
        });
        clients.push(client);
        if (!isWriter) return;
        const elements = Array.from(
          { length: plan.elementsPerWriter },
          (_, element) => `e${number}-${element}`,
        );
        writers.set(number, { client, room, elements, sent: 0, unanswered: 0 });
      });
    }
  }
  for (let from = 0; from < opening.length; from += 50)
    await Promise.all(opening.slice(from, from + 50).map((open) => open()));
  tell({ type: "ready" });

  phase = "creating";
  for (const writer of writers.values()) while (writer.sent < plan.elementsPerWriter) next(writer);
  const all = [...writers.values()];
  const settle = async (limitMs: number): Promise<void> => {
    const until = performance.now() + limitMs;
    const rooms = new Set(all.map(({ room }) => room));
    while (violations.length === 0 && [...rooms].some((room) => room.unseen > 0 || room.underway > 0)) {
      if (performance.now() > until) {
        let missing = 0;
        for (const room of rooms) missing += room.unseen + room.underway;
        violated(`${missing} operations had not reached everybody after ${limitMs} ms`);
        return;
      }
      await delay(5);
    }
  };
  await settle(drainMs);

  phase = "running";
  const timers: NodeJS.Timeout[] = [];
  for (const writer of all) {
    if (plan.opsPerSecond === undefined) {
      while (writer.unanswered < plan.inFlight) next(writer);
      continue;
    }
    const periodMs = 1000 / plan.opsPerSecond;
    // Phases spread evenly and off the millisecond, so that writers do not beat together.
    let due = performance.now() + (periodMs * (writer.client.index + 0.37)) / all.length;
    const tick = (): void => {
      if (phase !== "running") return;
      next(writer);
      due += periodMs;
      timers[writer.client.index] = setTimeout(tick, Math.max(0, due - performance.now()));
    };
    timers[writer.client.index] = setTimeout(tick, due - performance.now());
  }
  await delay(plan.warmupMs);
  tell({ type: "measuring" });
  measuring = true;
  const started = performance.now();
  while (performance.now() - started < plan.measureMs && violations.length === 0) {
    await delay(Math.min(100, plan.measureMs - (performance.now() - started)));
    tell({ type: "progress", share: (performance.now() - started) / plan.measureMs });
  }
  measuring = false;
  const seconds = (performance.now() - started) / 1000;
  tell({ type: "measured" });
  phase = "draining";
  for (const timer of timers) clearTimeout(timer);
  await settle(drainMs);
  for (const client of clients) client.close();
  return {
    seconds,
    operations,
    deliveries,
    ack: percentiles(ack),
    everybody: percentiles(everybody),
    same: percentiles(same),
    cross: percentiles(cross),
    byInstance,
    violations,
  };
}
