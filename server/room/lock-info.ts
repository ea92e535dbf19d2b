import type { LockInfo } from "../../shared/protocol/messages.ts";
import type { LockRecord } from "../store/store.ts";

/** A lock as the wire shows it. `names`: of users whose sessions are known. */
export function lockInfo(lock: LockRecord, names: ReadonlyMap<string, string>): LockInfo {
  const { id, element, session, client, user, acquiredAt, expiresAt, expiresInMs, token, version } = lock;
  const name = names.get(user);
  return {
    id,
    element,
    sessionId: session,
    clientId: client,
    user: { id: user, ...(name === undefined ? {} : { name }) },
    acquiredAt,
    expiresAt,
    expiresInMs,
    token,
    version,
  };
}

/** How a request is refused that this lock stands in the way of. */
export function lockedRefusal(lock: LockInfo) {
  const message = lock.element === null ? "document is already locked" : "element is already locked";
  return { code: "locked" as const, message, details: { lock } };
}
