/** What instances tell each other about documents, and how it is packed into notifications. */
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
  /** Absent: too large for a notification, to be read from the log. */
  readonly operations?: readonly SequencedOperation[];
}
/** The same on its way out: with the operations' JSON as it was made for the sockets. */
export interface OutgoingOperationsNews extends Omit<OperationsNews, "operations"> {
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
export type OutgoingNews = OutgoingOperationsNews | ChangeNews | PresenceNews;

/** One notification. */
export interface Envelope {
  readonly instanceId: string;
  readonly news: readonly News[];
}

const version = z.number().int().nonnegative();
const docId = z.string().min(1);
/** As much as tells it apart; taken over as it is, not copied. */
function isOperation(value: unknown): boolean {
  const { version, id, element } = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(version) && typeof id === "string" && typeof element === "string";
}

const envelopeSchema = z.object({
  instanceId: z.string(),
  news: z.array(
    z.discriminatedUnion("kind", [
      z.object({
        kind: z.literal("operations"),
        docId,
        from: version,
        to: version,
        previousId: z.string().nullable(),
        operations: z.array(z.custom<SequencedOperation>(isOperation)).optional(),
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

/** How each notification of an instance begins. */
export function envelopeHead(instanceId: string): string {
  return JSON.stringify({ instanceId }).slice(0, -1);
}

/** Undefined for what no instance of ours sent. The insides of operations and sessions are trusted: only instances can notify. */
export function readEnvelope(payload: string): Envelope | undefined {
  if (payload.length > maxPayloadBytes) return undefined;
  try {
    const parsed = envelopeSchema.safeParse(JSON.parse(payload));
    return parsed.success ? (parsed.data as unknown as Envelope) : undefined;
  } catch {
    return undefined;
  }
}
