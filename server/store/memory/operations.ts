import { readCursor, writeCursor } from "../cursor.ts";
import type { OperationFilter, OperationStore, StoredOperation } from "../store.ts";
import { headOf, type MemoryState, operationsBetween } from "./state.ts";

/** The log in memory. */
export function createOperations(state: MemoryState): OperationStore {
  const all = (docId: string) => {
    const document = state.documents.get(docId);
    return document === undefined ? [] : operationsBetween(document, 1, document.record.version);
  };
  return {
    async get(docId, operationId) {
      const document = state.documents.get(docId);
      return document?.log.get(document.versions.get(operationId) ?? 0);
    },
    async list(filter, order, page) {
      const direction = order === "asc" ? 1 : -1;
      const { docId } = filter;
      const compare =
        docId === undefined
          ? (a: Place, b: Place) => byTime(a, b) * direction
          : (a: Place, b: Place) => (a.version - b.version) * direction;
      const source = docId === undefined ? [...state.documents.keys()].flatMap(all) : all(docId);
      let start: Place | undefined;
      if (page.cursor !== undefined && docId !== undefined) {
        const [version] = readCursor(page.cursor, "version");
        start = { at: "", docId, version };
      } else if (page.cursor !== undefined) {
        const [at, doc, version] = readCursor(page.cursor, "time", "uuid", "version");
        start = { at, docId: doc, version };
      }
      const found = source
        .filter(
          (operation) => matches(operation, filter) && (start === undefined || compare(operation, start) > 0),
        )
        .sort(compare);
      const items = found.slice(0, page.limit);
      const last = items.at(-1);
      const more = found.length > page.limit && last !== undefined;
      const key = (operation: StoredOperation) =>
        docId === undefined
          ? writeCursor(operation.at, operation.docId, operation.version)
          : writeCursor(operation.version);
      return { items, nextCursor: more ? key(last) : null };
    },
    async latest(docId, count) {
      return count > 0 ? all(docId).slice(-count) : [];
    },
    async byVersion(docId, from, to) {
      const document = state.documents.get(docId);
      return document === undefined ? [] : operationsBetween(document, from, to);
    },
    async byAuthor(docId, { user, client }, from, to) {
      const document = state.documents.get(docId);
      const between = document === undefined ? [] : operationsBetween(document, from, to);
      return between.filter((operation) => operation.user === user && operation.client === client);
    },
    async statuses(docId, versions) {
      const log = state.documents.get(docId)?.log;
      return versions.flatMap((version) => log?.get(version) ?? []);
    },
    async after(docId, { version, id }, maxBytes) {
      const document = state.documents.get(docId);
      if (document === undefined) return { outcome: "missing" };
      const head = headOf(document);
      const at = version === head.version ? head.operationId : document.log.get(version)?.id;
      if (version > head.version || (version > 0 && id !== null && at !== id))
        return { outcome: "history", head };
      if (version + 1 < document.retainedFrom) return { outcome: "archived", head };
      const operations: StoredOperation[] = [];
      let bytes = 0;
      for (const operation of operationsBetween(document, version + 1, head.version)) {
        if (bytes >= Math.max(1, maxBytes)) break;
        operations.push(operation);
        bytes += operation.data.length + 250;
      }
      return {
        outcome: "range",
        operations,
        complete: (operations.at(-1)?.version ?? version) === head.version,
        head,
      };
    },
    async pending(docId) {
      return all(docId)
        .filter((operation) => operation.status === "conflict")
        .map(({ id, version, conflict }) => ({ id, version, conflict }));
    },
    async updateStatus(docId, operationId, status) {
      const document = state.documents.get(docId);
      const operation = document?.log.get(document.versions.get(operationId) ?? 0);
      if (document === undefined || operation === undefined) return false;
      document.log.set(operation.version, { ...operation, status });
      return true;
    },
  };
}

interface Place {
  readonly at: string;
  readonly docId: string;
  readonly version: number;
}

function byTime(a: Place, b: Place): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  if (a.docId !== b.docId) return a.docId < b.docId ? -1 : 1;
  return a.version - b.version;
}

function matches(operation: StoredOperation, filter: OperationFilter): boolean {
  const { at, version } = operation;
  return (
    (filter.user === undefined || operation.user === filter.user) &&
    (filter.session === undefined || operation.session === filter.session) &&
    (filter.type === undefined || operation.type === filter.type) &&
    (filter.status === undefined || operation.status === filter.status) &&
    (filter.element === undefined || operation.element === filter.element) &&
    (filter.fromTime === undefined || Date.parse(at) >= Date.parse(filter.fromTime)) &&
    (filter.toTime === undefined || Date.parse(at) <= Date.parse(filter.toTime)) &&
    (filter.fromVersion === undefined || version >= filter.fromVersion) &&
    (filter.toVersion === undefined || version <= filter.toVersion)
  );
}
