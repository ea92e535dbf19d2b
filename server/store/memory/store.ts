/**
 * The store in memory: unit tests and throw-away runs. Loses everything when the process ends and is shared with
 * nobody. Same outcomes as PostgreSQL's, `busy` excepted.
 */
import type { Store } from "../store.ts";
import { createAssets } from "./assets.ts";
import { commit } from "./commit.ts";
import { createConflicts } from "./conflicts.ts";
import { createDocuments } from "./documents.ts";
import { createLocks } from "./locks.ts";
import { createOperations } from "./operations.ts";
import { createSessions } from "./sessions.ts";
import { createSnapshots } from "./snapshots.ts";
import { emptyState, type MemoryDocument, standingLocks, timeOf } from "./state.ts";
import { createVersions } from "./versions.ts";

export interface MemoryStoreOptions {
  /** Wall clock; everything that PostgreSQL decides by its own clock is decided by this one. */
  readonly nowMs: () => number;
  /** Ids of locks. */
  readonly newId: () => string;
}

/** A store of its own, empty. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  const state = emptyState(options);
  const unresolved = (document: MemoryDocument) =>
    [...document.conflicts.values()].filter((conflict) => conflict.resolvedAt === null).length;
  return {
    kind: "memory",
    documents: createDocuments(state),
    operations: createOperations(state),
    conflicts: createConflicts(state),
    locks: createLocks(state),
    snapshots: createSnapshots(state),
    assets: createAssets(state),
    webhooks: undefined,
    versions: createVersions(state),
    sessions: createSessions(state),
    commit: async (batches) => commit(state, batches),

    async secret(name, make) {
      const known = state.secrets.get(name) ?? make();
      state.secrets.set(name, known);
      return known;
    },

    async stats() {
      const documents = [...state.documents.values()];
      const sum = (count: (document: MemoryDocument) => number) =>
        documents.reduce((total, document) => total + count(document), 0);
      const total = sum((document) => document.conflicts.size);
      return {
        documents: {
          total: documents.length,
          active: documents.filter(({ record }) => record.state === "active").length,
          archived: documents.filter(({ record }) => record.state === "archived").length,
        },
        operations: sum(({ record, retainedFrom }) => Math.max(0, record.version - retainedFrom + 1)),
        conflicts: { total, resolved: total - sum(unresolved) },
        locks: { active: sum((document) => standingLocks(document, state.nowMs()).length) },
        sessions: state.sessions.size,
        instances: state.instances.size,
      };
    },

    async documentStats(docIds) {
      return [...new Set(docIds)].flatMap((docId) => {
        const document = state.documents.get(docId);
        if (document === undefined) return [];
        const live = [...document.log.values()];
        return [
          {
            docId,
            operations: live.filter(({ version }) => version >= document.retainedFrom).length,
            pendingOperations: live.filter(({ status }) => status === "conflict").length,
            conflicts: document.conflicts.size,
            unresolvedConflicts: unresolved(document),
            activeLocks: standingLocks(document, state.nowMs()).length,
            activeUsers: document.record.activeUsers.length,
          },
        ];
      });
    },

    async ping() {
      return { now: timeOf(state.nowMs()) };
    },

    async close() {},
  };
}
