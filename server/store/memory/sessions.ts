import type { SessionRecord, SessionStore } from "../store.ts";
import { type MemoryState, timeOf } from "./state.ts";

/** Sessions in memory: live ones only, since the log is searched whole here. */
export function createSessions(state: MemoryState): SessionStore {
  const { sessions, instances } = state;
  /** Instances that registered and have not been told that their lease was lost. */
  const registered = new Set<string>();
  const end = (which: (session: SessionRecord) => boolean): Set<string> => {
    const docIds = new Set<string>();
    for (const [id, session] of sessions) {
      if (!which(session)) continue;
      sessions.delete(id);
      docIds.add(session.docId);
    }
    return docIds;
  };
  return {
    async heartbeat(instanceId) {
      if (registered.has(instanceId) && !instances.has(instanceId)) {
        registered.delete(instanceId);
        return false;
      }
      registered.add(instanceId);
      instances.set(instanceId, state.nowMs());
      return true;
    },
    async reap(olderThanMs) {
      const limit = state.nowMs() - olderThanMs;
      for (const [id, heartbeatMs] of instances) if (heartbeatMs < limit) instances.delete(id);
      return [
        ...end(
          ({ instanceId, joinedAt }) =>
            instanceId !== null &&
            !instances.has(instanceId) &&
            (registered.has(instanceId) || Date.parse(joinedAt) < limit),
        ),
      ];
    },
    async stop(instanceId) {
      registered.delete(instanceId);
      instances.delete(instanceId);
      end((session) => session.instanceId === instanceId);
    },
    async join(joining) {
      for (const { id, docId, instanceId, user, client, role } of joining) {
        if (instanceId === null || !state.documents.has(docId)) continue;
        const joinedAt = sessions.get(id)?.joinedAt ?? timeOf(state.nowMs());
        sessions.set(id, { id, docId, instanceId, user, client, role, joinedAt });
      }
      return [];
    },
    async leave(sessionIds) {
      for (const id of sessionIds) sessions.delete(id);
      return [];
    },
    async leaveAbsent(instanceId, present) {
      const limit = (instances.get(instanceId) ?? Number.NEGATIVE_INFINITY) - 3_000;
      const here = new Set(present);
      const isAbsent = ({ id, joinedAt }: SessionRecord) => !here.has(id) && Date.parse(joinedAt) < limit;
      return [...end((session) => session.instanceId === instanceId && isAbsent(session))];
    },
    async live(docIds, except) {
      const asked = new Set(docIds);
      return [...sessions.values()]
        .filter(({ docId, instanceId }) => asked.has(docId) && instanceId !== except)
        .sort((a, b) =>
          a.joinedAt !== b.joinedAt ? (a.joinedAt < b.joinedAt ? -1 : 1) : a.id < b.id ? -1 : 1,
        );
    },
    async refreshActiveUsers(docIds) {
      return [...new Set(docIds)].filter((docId) => {
        const document = state.documents.get(docId);
        if (document === undefined) return false;
        const here = [...sessions.values()].filter((session) => session.docId === docId);
        const users = [...new Set(here.map((session) => session.user.id))].sort();
        if (users.join("\n") === document.record.activeUsers.join("\n")) return false;
        document.record.activeUsers = users;
        return true;
      });
    },
  };
}
