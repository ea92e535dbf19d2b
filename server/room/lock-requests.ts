/**
 * What people ask of locks: take, renew, release; and how locks end that nobody released.
 *
 * A lease is granted under the metadata by which its taker was authorised (compared in the grant itself), a refusal is
 * told under the database's present lists. Answers come when the room has sent the operations up to what they show.
 */
import type { LockInfo } from "../../shared/protocol/messages.ts";
import type { DocumentRecord, Origin, Store } from "../store/store.ts";
import { lockedRefusal } from "./lock-info.ts";
import type { RoomLocks } from "./locks.ts";
import type { Refusal } from "./submission.ts";

/** What is needed of a room. */
export interface LockRoom {
  readonly docId: string;
  readonly document: DocumentRecord;
  readonly locks: RoomLocks;
  /** Goes where the database stands now; false: the room has ended. */
  current(): Promise<boolean>;
  /** It has ended because its document is not there any more. */
  readonly isMissing: boolean;
  /** Resolves when the operations up to a version are sent. */
  reached(version: number): Promise<void>;
}

/** Who asks, and what they may do under the document's lists. */
export interface LockCaller {
  readonly origin: Origin;
  /** Why they may not lock. */
  readonly authorise: (document: DocumentRecord) => Refusal | undefined;
  /** Owners may release what others hold. */
  readonly isOwner: (document: DocumentRecord) => boolean;
}

export interface TakeRequest extends LockCaller {
  /** Null: the whole document. */
  readonly element: string | null;
  readonly ttlMs: number;
  /** Only what is held still. */
  readonly renewOnly: boolean;
  /** 0: no limit. */
  readonly maxPerAuthor: number;
}

export interface ReleaseRequest extends LockCaller {
  readonly which: { readonly element: string | null } | { readonly lockId: string };
}

export type LockAnswer = { readonly ok: true; readonly lock?: LockInfo } | ({ readonly ok: false } & Refusal);

/** How often a request is judged anew because the metadata moves beneath it. */
const maxAttempts = 5;

const gone: LockAnswer = { ok: false, code: "not_found", message: "there is no such document" };
const endedAnswer = ({ isMissing }: LockRoom): LockAnswer =>
  isMissing ? gone : { ok: false, code: "unavailable", message: "the document is read anew; try again" };
const restless: LockAnswer = {
  ok: false,
  code: "unavailable",
  message: "the document is being changed by many",
};

/** Takes or renews. Rejects with `StoreUnavailable`: it may be granted. */
export async function takeLock(room: LockRoom, request: TakeRequest): Promise<LockAnswer> {
  const { element, ttlMs, renewOnly, maxPerAuthor, authorise } = request;
  const { user, client, lockClient = client, session } = request.origin;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (authorise(room.document) !== undefined) {
      if (!(await room.current())) return endedAnswer(room);
      const refusal = authorise(room.document);
      if (refusal !== undefined) return { ok: false, ...refusal };
    }
    const { metadataVersion } = room.document;
    const author = { user, client: lockClient, session };
    const result = await room.locks.take(
      { docId: room.docId, element, ...author, ttlMs, maxPerAuthor, metadataVersion },
      renewOnly,
    );
    switch (result.outcome) {
      case "granted":
        await room.reached(result.version);
        return { ok: true, lock: room.locks.shown(result.lock) };
      case "held":
        await room.reached(result.lock.version);
        return { ok: false, ...lockedRefusal(room.locks.shown(result.lock)) };
      case "not_held":
        return notHeld;
      case "too_many":
        return {
          ok: false,
          code: "too_many",
          message: `at most ${maxPerAuthor} locks may be held in a document at once`,
          details: { limit: "locksPerAuthor" },
        };
      case "not_active":
        return { ok: false, code: "not_active", message: "the document is not active" };
      case "missing":
      case "changed":
        if (!(await room.current())) return endedAnswer(room);
    }
  }
  return restless;
}

const notHeld: LockAnswer = { ok: false, code: "not_held", message: "the lock is not held" };

/** Releases one's own lock, that of the same user from elsewhere, or, as an owner, anybody's. Rejects with `StoreUnavailable`. */
export async function releaseLock(room: LockRoom, request: ReleaseRequest): Promise<LockAnswer> {
  const { which, authorise, isOwner, origin } = request;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (!(await room.current())) return endedAnswer(room);
    const { document } = room;
    const refusal = authorise(document);
    if (refusal !== undefined) return { ok: false, ...refusal };
    const lock = room.locks.all.find((held) =>
      "lockId" in which ? held.id === which.lockId : held.element === which.element,
    );
    if (lock === undefined) return notHeld;
    if (lock.user === origin.user) {
      const released = await room.locks.release(lock.id);
      await room.reached(room.locks.version);
      return released ? { ok: true } : notHeld;
    }
    if (!isOwner(document)) {
      await room.reached(lock.version);
      const details = { lock: room.locks.shown(lock) };
      return { ok: false, code: "forbidden", message: "somebody else holds this lock", details };
    }
    const { metadataVersion } = document;
    const ended = await room.locks.end({ lockId: lock.id }, { metadataVersion });
    if (ended !== undefined) {
      await room.reached(room.locks.version);
      return ended > 0 ? { ok: true } : notHeld;
    }
  }
  return restless;
}

/** The client ended its session by itself: its author's locks end, unless another session of that author is open. */
export async function releaseOfClosed(room: LockRoom, { user, client, session }: Origin): Promise<void> {
  if (!(await room.current())) return;
  if (!room.locks.all.some((lock) => lock.user === user && lock.client === client)) return;
  await room.locks.end({ author: { user, client } }, { unlessOpen: { user, client, butSession: session } });
}

/**
 * Whose locks a change of metadata ends: everybody's when the document is not active any more, else those of users whom
 * the lists let edit before and not now. Undefined: nobody's.
 */
function lostBy(before: DocumentRecord, after: DocumentRecord) {
  if (before.state === "active" && after.state !== "active") return "all" as const;
  const users = [before.owner, ...before.editors].filter(
    (user) => user !== after.owner && !after.editors.includes(user),
  );
  return users.length === 0 ? undefined : { users };
}

/**
 * Ends them in the database; how many. Under the very metadata that took the right, so that one that was given again is
 * not lost; where it has moved on, what is lost is judged by the newest.
 */
export async function endLostLocks(
  store: Pick<Store, "documents" | "locks">,
  before: DocumentRecord,
  after: DocumentRecord,
): Promise<number> {
  let now: DocumentRecord | undefined = after;
  for (let attempt = 0; attempt < maxAttempts && now !== undefined; attempt++) {
    const which = lostBy(before, now);
    if (which === undefined) return 0;
    const { docId, metadataVersion } = now;
    const ended = await store.locks.end(docId, which, { metadataVersion });
    if (ended !== undefined) return ended;
    now = await store.documents.get(docId);
  }
  return 0;
}
