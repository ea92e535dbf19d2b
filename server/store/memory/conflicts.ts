import { readCursor, writeCursor } from "../cursor.ts";
import { type ConflictStore, StoreRefused } from "../store.ts";
import { markResolved, writeConflict } from "./commit.ts";
import { conflictRecord, type MemoryState, timeOf } from "./state.ts";

/** Conflict records in memory. */
export function createConflicts(state: MemoryState): ConflictStore {
  const records = (docId: string) => {
    const document = state.documents.get(docId);
    if (document === undefined) return [];
    return [...document.conflicts.values()].map((conflict) => conflictRecord(document, conflict));
  };
  const byAge = (a: { createdAt: string; id: string }, b: { createdAt: string; id: string }) => {
    if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
    return a.id < b.id ? -1 : a.id === b.id ? 0 : 1;
  };
  return {
    async create(docId, conflict) {
      const document = state.documents.get(docId);
      if (document === undefined) throw new StoreRefused("no such document");
      if (document.conflicts.has(conflict.id)) throw new StoreRefused("a conflict record has this id");
      writeConflict(document, conflict, timeOf(state.nowMs()));
      document.record.revision++;
      const made = records(docId).find(({ id }) => id === conflict.id);
      if (made === undefined) throw new Error("a conflict record vanished while it was made");
      return made;
    },
    async get(docId, conflictId) {
      const document = state.documents.get(docId);
      const conflict = document?.conflicts.get(conflictId);
      if (document === undefined || conflict === undefined) return undefined;
      const operations = [...conflict.operationIds]
        .flatMap((id) => document.log.get(document.versions.get(id) ?? 0) ?? [])
        .sort((a, b) => a.version - b.version);
      return { conflict: conflictRecord(document, conflict), operations };
    },
    async list(docId, wanted, page) {
      const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, "time", "uuid");
      const found = records(docId)
        .filter(
          (conflict) => wanted === undefined || (conflict.resolvedAt === null) === (wanted === "unresolved"),
        )
        .filter(
          (conflict) => cursor === undefined || byAge(conflict, { createdAt: cursor[0], id: cursor[1] }) > 0,
        )
        .sort(byAge);
      const items = found.slice(0, page.limit);
      const last = items.at(-1);
      const more = found.length > page.limit && last !== undefined;
      return { items, nextCursor: more ? writeCursor(last.createdAt, last.id) : null };
    },
    async unresolved(docId) {
      const all = [...(state.documents.get(docId)?.conflicts.values() ?? [])];
      return all.filter(({ resolvedAt }) => resolvedAt === null).map(({ id, lastAt }) => ({ id, lastAt }));
    },
    async getMany(docId, conflictIds) {
      return records(docId)
        .filter(({ id }) => conflictIds.includes(id))
        .sort(byAge);
    },
    async resolve(docId, { conflictId, resolvedBy, operations }) {
      const document = state.documents.get(docId);
      const conflict = document?.conflicts.get(conflictId);
      if (document === undefined || conflict === undefined || conflict.resolvedAt !== null) return false;
      Object.assign(conflict, { resolvedBy, resolvedAt: timeOf(state.nowMs()) });
      for (const id of operations) markResolved(document, id);
      document.record.revision++;
      return true;
    },
  };
}
