/** A client that speaks the wire protocol and nothing else: what a test sends is what goes out. */
import { WebSocket } from "ws";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { type ServerMessage, subprotocol, type Welcome } from "../../shared/protocol/messages.ts";
import { serverMessageSchema } from "../../shared/protocol/server-schema.ts";

export interface RawClient {
  readonly messages: ServerMessage[];
  /** Every operation received, of the welcome too. */
  readonly operations: SequencedOperation[];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly ws: WebSocket;
  send(message: unknown): void;
  /** The first message after `from` that fits; waits for it. */
  next<T extends ServerMessage["type"]>(
    type: T,
    fits?: (message: Extract<ServerMessage, { type: T }>) => boolean,
  ): Promise<Extract<ServerMessage, { type: T }>>;
  /** Waits until an operation with this id was received. */
  sequenced(id: string): Promise<SequencedOperation>;
  close(code?: number): Promise<void>;
}

export interface RawOptions {
  readonly url: string;
  readonly docId: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
}

const patienceMs = 15_000;

/** Connects without saying hello. */
export function connect({ url, docId, protocols = [subprotocol], headers = {} }: RawOptions): RawClient {
  const ws = new WebSocket(`${url.replace("http", "ws")}/v1/documents/${docId}/ws`, protocols, { headers });
  const messages: ServerMessage[] = [];
  const operations: SequencedOperation[] = [];
  const taken = new Set<ServerMessage>();
  const waiting = new Set<() => void>();
  let malformed: Error | undefined;
  let locksRevision = -1;
  ws.on("error", () => undefined);
  ws.on("message", (data) => {
    const message = JSON.parse(String(data)) as ServerMessage;
    const checked = serverMessageSchema.safeParse(message);
    if (!checked.success) {
      malformed ??= new Error(
        `not a message of the protocol: ${JSON.stringify(message).slice(0, 2_000)}\n${checked.error.message}`,
      );
    }
    if (message.type === "locks" && message.revision <= locksRevision)
      malformed ??= new Error(`locks of revision ${message.revision} came after ${locksRevision}`);
    if (message.type === "locks") locksRevision = message.revision;
    if (message.type === "welcome") locksRevision = message.locks.revision;
    messages.push(message);
    if (message.type === "ops" || message.type === "welcome") operations.push(...message.ops);
    for (const look of [...waiting]) look();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
  });

  function until<T>(find: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look);
        const last = JSON.stringify(messages.slice(-3)).slice(0, 2_000);
        reject(new Error(`waited ${patienceMs} ms for ${what}; the last messages were ${last}`));
      }, patienceMs);
      const look = () => {
        const found = find();
        if (found === undefined && malformed === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        if (found === undefined || malformed !== undefined) reject(malformed);
        else resolve(found);
      };
      waiting.add(look);
      look();
    });
  }

  return {
    messages,
    operations,
    closed,
    ws,
    send(message) {
      const text = typeof message === "string" ? message : JSON.stringify(message);
      if (ws.readyState === WebSocket.CONNECTING) ws.once("open", () => ws.send(text));
      else ws.send(text);
    },
    next(type, fits = () => true) {
      return until(() => {
        for (const message of messages) {
          if (message.type !== type || taken.has(message)) continue;
          const typed = message as Extract<ServerMessage, { type: typeof type }>;
          if (!fits(typed)) continue;
          taken.add(message);
          return typed;
        }
        return undefined;
      }, `a message ${type}`);
    },
    sequenced: (id) => until(() => operations.find((operation) => operation.id === id), `operation ${id}`),
    async close(code = 1000) {
      if (ws.readyState === WebSocket.CLOSED) return;
      ws.close(code);
      await closed;
    },
  };
}

/** Connects and says hello. */
export async function join(
  options: RawOptions & { readonly hello: Record<string, unknown> },
): Promise<RawClient & { readonly welcome: Welcome }> {
  const client = connect(options);
  client.send({ type: "hello", ...options.hello });
  const welcome = await Promise.race([
    client.next("welcome"),
    client.closed.then(({ code, reason }) => {
      throw new Error(`closed with ${code} ${reason} instead of a welcome`);
    }),
  ]);
  return Object.assign(client, { welcome });
}
