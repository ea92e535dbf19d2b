/**
 * What instances tell each other about documents, and how it is packed into notifications: a line of JSON, then a line
 * for each operation, as it was made for the sockets. Who knows the operations already, and under load most do, has
 * not parsed them; who does not parses each once and passes its text on.
 */
import { z } from "zod";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";

/** PostgreSQL refuses a payload of 8,000 bytes and more. */
export const maxPayloadBytes = 7_999;

export interface OperationsNews {
  readonly kind: "operations";
  readonly docId: string;
  readonly from: number;
  readonly to: number;
  /** Id of the operation before `from`: tells a reader whether it lives in the same history. Null at version 1. */
  readonly previousId: string | null;
  /** Their JSON, one by one. Absent: too large for a notification, to be read from the log. */
  readonly texts?: readonly string[];
}
/** Metadata, state, locks or conflicts moved: look at the database. */
export interface ChangeNews {
  readonly kind: "change";
  readonly docId: string;
}
export interface PresenceNews {
  readonly kind: "presence";
  readonly docId: string;
  /** `number`: of the state that it shows, as in `states`. */
  readonly joined?: readonly (SessionInfo & { readonly number?: number })[];
  readonly left?: readonly string[];
  /** The numbers of the sender's sessions' states, once a second: whoever has older ones asks. */
  readonly numbers?: { readonly [sessionId: string]: number };
  /** The sender lacks states: announce all of them again. */
  readonly ask?: boolean;
  /** By session: a number that grows with each of its states, and the state. */
  readonly states?: { readonly [sessionId: string]: readonly [number: number, state: PresenceState] };
}
export type News = OperationsNews | ChangeNews | PresenceNews;

/** One notification. */
export interface Envelope {
  readonly instanceId: string;
  readonly news: readonly News[];
}

const version = z.number().int().nonnegative();
const docId = z.string().min(1);

/** `lines`: how many of the lines behind the head are its operations. */
const headSchema = z.object({
  instanceId: z.string(),
  news: z.array(
    z.discriminatedUnion("kind", [
      z.object({
        kind: z.literal("operations"),
        docId,
        from: version,
        to: version,
        previousId: z.string().nullable(),
        lines: version.optional(),
      }),
      z.object({ kind: z.literal("change"), docId }),
      z.object({
        kind: z.literal("presence"),
        docId,
        joined: z.array(z.looseObject({ sessionId: z.string() })).optional(),
        left: z.array(z.string()).optional(),
        numbers: z.record(z.string(), z.number()).optional(),
        ask: z.boolean().optional(),
        states: z
          .record(z.string(), z.tuple([z.number(), z.record(z.string(), z.json()).nullable()]))
          .optional(),
      }),
    ]),
  ),
});

/** Of what another version tells and this one does not know, only about which document: the database says what. */
const foreignSchema = z.object({ instanceId: z.string(), news: z.array(z.object({ docId })) });

/** How each notification of an instance begins. */
export function envelopeHead(instanceId: string): string {
  return JSON.stringify({ instanceId }).slice(0, -1);
}

/** An item's JSON in the head. */
export function headItem(news: News): string {
  if (news.kind !== "operations" || news.texts === undefined) return JSON.stringify(news);
  const { texts, ...range } = news;
  return JSON.stringify({ ...range, lines: texts.length });
}

/** Undefined for what no instance of ours sent. The insides of sessions are trusted: only instances can notify. */
export function readEnvelope(payload: string): Envelope | undefined {
  if (payload.length > maxPayloadBytes) return undefined;
  const [text = "", ...lines] = payload.split("\n");
  try {
    const head = JSON.parse(text) as unknown;
    const parsed = headSchema.safeParse(head);
    if (!parsed.success) return readForeign(head);
    const { instanceId, news } = parsed.data;
    let at = 0;
    const items = news.map((item) => {
      if (item.kind !== "operations" || item.lines === undefined) return item as News;
      const { lines: count, ...range } = item;
      const texts = lines.slice(at, at + count);
      at += count;
      return { ...range, texts };
    });
    return at === lines.length ? { instanceId, news: items } : undefined;
  } catch {
    return undefined;
  }
}

function readForeign(head: unknown): Envelope | undefined {
  const parsed = foreignSchema.safeParse(head);
  if (!parsed.success) return undefined;
  const { instanceId, news } = parsed.data;
  const docIds = new Set(news.map((item) => item.docId));
  return { instanceId, news: [...docIds].map((each) => ({ kind: "change", docId: each })) };
}

/** A notified operation, where it is the one of this version. */
export function readNotified(text: string, version: number): SequencedOperation | undefined {
  try {
    const operation = JSON.parse(text) as SequencedOperation | null;
    const { id, element } = operation ?? {};
    if (operation?.version !== version) return undefined;
    return typeof id === "string" && typeof element === "string" ? operation : undefined;
  } catch {
    return undefined;
  }
}
