/** Where a joiner starts: from what it has, or from a snapshot. */
import type { LocksState, PresenceState, SessionInfo } from "../../shared/protocol/messages.ts";
import type { DocumentRecord, KnownOperation } from "../store/store.ts";
import type { EncodedState } from "./encoded-state.ts";
import type { Member } from "./member.ts";
import type { Tail } from "./tail.ts";

export interface JoinRequest {
  readonly member: Member;
  readonly presence: PresenceState;
  readonly since: number | undefined;
  readonly sinceId: string | undefined;
  readonly pending: readonly string[];
}

/** What leads a joiner to the room's version. */
interface Start {
  readonly snapshot: EncodedState | undefined;
  /** The JSON of each operation. */
  readonly operations: readonly string[];
  /** Its `since` is not usable as a base any more. */
  readonly rebase: boolean;
  /** Which of `pending` are in the log, this author's only. */
  readonly committed: { readonly [operationId: string]: number };
}

export interface Joined extends Start {
  readonly document: DocumentRecord;
  readonly version: number;
  readonly sessions: readonly SessionInfo[];
  readonly locks: LocksState;
}

/** The ids that the database has to be asked for before {@link startOf}. */
export function idsToAsk({ since, sinceId, pending }: JoinRequest): readonly string[] {
  return since !== undefined && since > 0 && sinceId !== undefined ? [...pending, sinceId] : pending;
}

/** Decides by what the database knows of the request's ids. */
export function startOf(
  { member, since, sinceId, pending }: JoinRequest,
  from: {
    readonly known: readonly KnownOperation[];
    readonly version: number;
    /** The lowest version in the log. */
    readonly retainedFrom: number;
    readonly tail: Tail;
    readonly encoded: () => EncodedState;
  },
): Start {
  const { known, version, tail } = from;
  const retained = since !== undefined && since <= version && since >= from.retainedFrom - 1;
  const usable =
    retained && (since === 0 || known.some((each) => each.id === sinceId && each.version === since));
  let operations = usable ? tail.after(since, version) : undefined;
  let snapshot: EncodedState | undefined;
  if (operations === undefined) {
    snapshot = from.encoded();
    operations = tail.after(snapshot.version, version) ?? [];
  }
  const { user, client } = member.author;
  const asked = new Set(pending);
  const own = known.filter((each) => each.user === user && each.client === client && asked.has(each.id));
  return {
    snapshot,
    operations,
    rebase: since !== undefined && !usable && (sinceId !== undefined || !retained),
    committed: Object.fromEntries(own.map((each) => [each.id, each.version])),
  };
}
