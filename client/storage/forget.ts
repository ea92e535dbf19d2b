import type { ReplicaStorage, StoredReplica } from "./storage.ts";

/** Under what the replicas of one document and user are stored. */
export function scopeOf(documentId: string, user: string): string {
  // An anonymous user has another id in each session.
  return JSON.stringify([documentId, user.startsWith("anonymous:") ? "anonymous" : user]);
}

/** Whether something in it was never acknowledged. */
export function hasUnsent({ head }: StoredReplica): boolean {
  return head.inFlight !== undefined || head.unsent.length > 0;
}

/** Which replicas are removed. */
export interface RemoveOptions {
  readonly keeps: (stored: StoredReplica) => boolean;
  /** Default: all that are stored. */
  readonly ids?: readonly string[];
  /** Also those that a live replica may have: it stores itself anew with its next change. */
  readonly unclaimed?: boolean;
}

/**
 * Removes the replicas of a scope that no live one has.
 * @returns how many are left.
 */
export async function removeReplicas(
  storage: ReplicaStorage,
  scope: string,
  { keeps, ids, unclaimed = false }: RemoveOptions,
): Promise<number> {
  let left = 0;
  for (const clientId of ids ?? (await storage.list(scope))) {
    const release = await storage.claim(scope, clientId);
    try {
      const mayGo = release !== undefined || unclaimed;
      const stored = mayGo ? await storage.load(scope, clientId) : undefined;
      if (!mayGo || (stored !== undefined && keeps(stored))) left += 1;
      else await storage.remove(scope, clientId);
    } finally {
      release?.();
    }
  }
  return left;
}

/**
 * Removes what a storage has of a document for a user, unsent changes included.
 * @param of `user`: the token's `sub`, or `anonymous`.
 * @returns whether nothing is left. What a live replica has stays (close it before), and so does all of it where nobody
 *   can know that (browsers without Web Locks).
 */
export async function forgetDocument(
  storage: ReplicaStorage,
  of: { readonly documentId: string; readonly user: string },
): Promise<boolean> {
  return (await removeReplicas(storage, scopeOf(of.documentId, of.user), { keeps: () => false })) === 0;
}
