import type { LockInfo } from "../../shared/protocol/messages.ts";
import type { LockRecord } from "../store/store.ts";

/** A lock as the wire shows it. */
export function lockInfo(lock: LockRecord): LockInfo {
  const { id, element, session, client, user, acquiredAt, expiresAt, expiresInMs, token, version } = lock;
  return {
    id,
    element,
    sessionId: session,
    clientId: client,
    user: { id: user },
    acquiredAt,
    expiresAt,
    expiresInMs,
    token,
    version,
  };
}
