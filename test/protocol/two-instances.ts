/** Two instances on one database, two people, and what the tests of the protocol say with them. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect } from "vitest";
import type { Instance } from "../../server/compose.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { Reject } from "../../shared/protocol/messages.ts";
import { join, type RawClient } from "../instances/raw-client.ts";
import { type ConfigChange, devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

export interface Two {
  readonly database: TestDatabase;
  readonly one: Instance;
  readonly two: Instance;
  /** Tokens: ada owns what `createDocument` makes, bob is its editor. */
  readonly ada: string;
  readonly bob: string;
  createDocument(fields?: Record<string, unknown>): Promise<string>;
  content(docId: string): Promise<Record<string, Record<string, unknown>>>;
}

/** For the tests of a file. */
export function useTwoInstances(change: ConfigChange = {}): () => Two {
  let running: Two | undefined;
  beforeAll(async () => {
    const database = await createTestDatabase();
    const [one, two] = await Promise.all([
      startTestInstance(database.url, change),
      startTestInstance(database.url, change),
    ]);
    const [ada, bob] = await Promise.all([devToken(one.url, "ada", "Ada"), devToken(two.url, "bob")]);
    running = {
      database,
      one,
      two,
      ada,
      bob,
      async createDocument(fields = {}) {
        const body = { name: "A board", editors: ["bob"], ...fields };
        const created = await rest(one.url, ada, "POST", "/documents", body);
        expect(created.status).toBe(201);
        return created.body.id as string;
      },
      async content(docId) {
        const { body } = await rest(two.url, ada, "GET", `/documents/${docId}/content`);
        return body.elements as Record<string, Record<string, unknown>>;
      },
    };
  });
  afterAll(async () => {
    await Promise.all([running?.one.close(), running?.two.close()]);
    await running?.database.drop();
  });
  return () => {
    if (running === undefined) throw new Error("not started");
    return running;
  };
}

export const enter = (
  { url }: Instance,
  docId: string,
  token: string | undefined,
  clientId: string = randomUUID(),
  more: Record<string, unknown> = {},
) => join({ url, docId, hello: { ...(token === undefined ? {} : { token }), clientId, ...more } });

export interface TestOperation {
  readonly id: string;
  readonly [field: string]: unknown;
}
/** An operation of its own id; an `update` where `fields` names no type. */
export const op = (element: string, fields: Record<string, unknown> = {}): TestOperation => ({
  id: randomUUID(),
  type: "update",
  element,
  ...fields,
});

const sequences = new WeakMap<RawClient, number>();
/** Sends a submit under the next `seq`; resolves to its operations as sequenced, or to the reject. */
export async function submit(
  client: RawClient,
  base: unknown,
  ops: readonly TestOperation[],
  more: Record<string, unknown> = {},
): Promise<SequencedOperation[] | Reject> {
  const seq = (sequences.get(client) ?? 0) + 1;
  sequences.set(client, seq);
  client.send({ type: "submit", seq, base, ops, ...more });
  return Promise.race([
    client.next("reject", (message) => message.seq === seq),
    Promise.all(ops.map(({ id }) => client.sequenced(id))),
  ]);
}

/** Submits what must be accepted. */
export async function accepted(
  client: RawClient,
  base: number,
  ...ops: TestOperation[]
): Promise<SequencedOperation[]> {
  const answer = await submit(client, base, ops);
  if (!Array.isArray(answer)) throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer;
}
