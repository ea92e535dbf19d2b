/**
 * A client that writes without pause, one submit after the other, and keeps account of what it was told: what was
 * sent, what was acknowledged and under which version, and how long each answer took.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ServerMessage } from "../../shared/protocol/messages.ts";
import { join, type RawClient } from "../instances/raw-client.ts";

export interface Writer {
  readonly client: RawClient & { readonly welcome: { readonly version: number } };
  /** Ids of everything that was sent. */
  readonly sent: ReadonlySet<string>;
  /** Acknowledged operations with the version that was told. */
  readonly acknowledged: ReadonlyMap<string, number>;
  /** Answers that were no acknowledgement, by code. */
  readonly refusals: ReadonlyMap<string, number>;
  /** The longest time from a submit to its answer. */
  readonly longestMs: number;
  /** Sends nothing new; resolves when the last submit is acknowledged. */
  stop(): Promise<void>;
}

const pauseMs = 20;
const repeatAfterMs = 100;

export async function startWriter(url: string, docId: string, token: string): Promise<Writer> {
  const client = await join({ url, docId, hello: { token, clientId: randomUUID() } });
  const sent = new Set<string>();
  const acknowledged = new Map<string, number>();
  const refusals = new Map<string, number>();
  let longestMs = 0;
  let stopping = false;
  let broken: unknown;
  let answered: (message: ServerMessage) => void = () => undefined;
  client.ws.on("message", (data) => answered(JSON.parse(String(data)) as ServerMessage));
  const closed = client.closed.then(({ code, reason }): never => {
    throw new Error(`closed with ${code} ${reason} while it wrote`);
  });
  closed.catch(() => undefined);

  /** The version under which it was acknowledged, or the code of its refusal. */
  function answerTo(seq: number, id: string): Promise<number | string> {
    return new Promise((resolve) => {
      answered = (message) => {
        if (message.type === "ops") {
          const own = message.ops.find((operation) => operation.id === id);
          if (own !== undefined) resolve(own.version);
        } else if (message.type === "ack" && message.seq === seq) resolve(message.versions[0] ?? 0);
        else if (message.type === "reject" && message.seq === seq) resolve(message.code);
      };
    });
  }

  async function write(seq: number): Promise<void> {
    const id = randomUUID();
    const base = client.operations.at(-1)?.version ?? client.welcome.version;
    const ops = [{ id, type: "create", element: `e${id}`, props: { seq } }];
    sent.add(id);
    for (;;) {
      const startedAt = performance.now();
      const answering = answerTo(seq, id);
      client.send({ type: "submit", seq, base, ops });
      const answer = await Promise.race([answering, closed]);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      if (typeof answer === "number") {
        acknowledged.set(id, answer);
        return;
      }
      refusals.set(answer, (refusals.get(answer) ?? 0) + 1);
      if (answer !== "unavailable") throw new Error(`a submit was refused with ${answer}`);
      await delay(repeatAfterMs);
    }
  }

  const writing = (async () => {
    for (let seq = 1; !stopping; seq += 1) {
      await write(seq);
      await delay(pauseMs);
    }
  })().catch((cause: unknown) => {
    broken = cause;
  });

  return {
    client,
    sent,
    acknowledged,
    refusals,
    get longestMs() {
      return longestMs;
    },
    async stop() {
      stopping = true;
      await writing;
      if (broken !== undefined) throw broken;
    },
  };
}
