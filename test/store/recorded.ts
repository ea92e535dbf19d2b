/**
 * A store whose every commit is as a room's mostly is: of sessions that are recorded, and waiting for its rows. A single
 * document's ordinary batch then goes through `commit_one_v1`, which must say of everything what `commit_batch_v1` says.
 */
import type { DocumentBatch, Origin, Store } from "../../server/store/store.ts";

const instanceId = "recorded";

export function ofRecordedSessions(store: Store): Store {
  return {
    ...store,
    async commit(batches) {
      await recordSessions(store, batches);
      return store.commit(batches, { wait: true });
    },
  };
}

/** Joins the sessions of a call; what is told of absent documents is told of them nevertheless. */
export async function recordSessions(store: Store, batches: readonly DocumentBatch[]): Promise<void> {
  await store.sessions.heartbeat(instanceId);
  const origins = new Map<Origin, string>();
  for (const { docId, operations } of batches)
    for (const { origin } of operations) origins.set(origin, docId);
  await store.sessions.join(
    [...origins].map(([{ session, user, client }, docId]) => ({
      id: session,
      docId,
      instanceId,
      user: { id: user },
      client,
      role: "editor",
      version: 0,
    })),
  );
}
