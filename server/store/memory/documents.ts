import type { Json } from "../../../shared/document/json.ts";
import { readCursor, writeCursor } from "../cursor.ts";
import {
  type DocumentFilter,
  type DocumentRecord,
  type DocumentSort,
  type DocumentStore,
  type Reader,
  type StoredSnapshot,
  StoreRefused,
} from "../store.ts";
import { knownOperation } from "./commit.ts";
import { nearestSnapshot } from "./snapshots.ts";
import {
  conflictRecord,
  headOf,
  isOfHistory,
  lockList,
  type MemoryDocument,
  type MemoryState,
  operationsBetween,
  timeOf,
} from "./state.ts";

/** Conflict records younger than this can be joined. */
const joinableMs = 10_000;

/** Documents in memory. */
export function createDocuments(state: MemoryState): DocumentStore {
  const { documents } = state;
  const now = () => timeOf(state.nowMs());
  const copy = ({ record }: MemoryDocument): DocumentRecord => ({ ...record });
  return {
    async create(document) {
      if (documents.has(document.id)) return { outcome: "taken" };
      checkName(document.name);
      const at = now();
      const record: DocumentRecord = {
        docId: document.id,
        name: document.name,
        type: document.type,
        state: "active",
        version: 0,
        operationId: null,
        metadataVersion: (state.purged.get(document.id) ?? 0) + 1,
        revision: 0,
        createdBy: document.createdBy,
        createdAt: at,
        updatedAt: at,
        updatedBy: document.createdBy,
        activeUsers: [],
        tags: [...(document.tags ?? [])],
        description: document.description ?? "",
        properties: document.properties ?? {},
        owner: document.createdBy,
        editors: [...(document.editors ?? [])],
        viewers: [...(document.viewers ?? [])],
        public: document.public ?? false,
        conflictPolicy: document.conflictPolicy ?? "lww",
      };
      documents.set(document.id, {
        record,
        lockToken: 0,
        retainedFrom: 1,
        content: undefined,
        log: new Map(),
        versions: new Map(),
        conflicts: new Map(),
        locks: new Map(),
        snapshots: new Map(),
        changes: new Map(),
        assets: new Map(),
        named: new Map(),
      });
      return { outcome: "created", document: { ...record } };
    },
    async get(docId) {
      const document = documents.get(docId);
      return document && copy(document);
    },
    async getMany(docIds) {
      return [...new Set(docIds)].flatMap((docId) => {
        const document = documents.get(docId);
        return document === undefined ? [] : [copy(document)];
      });
    },
    async update(docId, change, by, expectedMetadataVersion) {
      const document = documents.get(docId);
      if (document === undefined) return { outcome: "missing" };
      const { record } = document;
      if (expectedMetadataVersion !== undefined && expectedMetadataVersion !== record.metadataVersion) {
        return { outcome: "mismatch", document: copy(document) };
      }
      if (change.name !== undefined) checkName(change.name);
      Object.assign(
        record,
        Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)),
      );
      record.metadataVersion++;
      record.updatedAt = now();
      record.updatedBy = by;
      return { outcome: "updated", document: copy(document) };
    },
    async purge(docId, { onlyAtVersion } = {}) {
      const found = documents.get(docId);
      if (onlyAtVersion !== undefined && found?.record.version !== onlyAtVersion) return false;
      for (const [id, session] of state.sessions) if (session.docId === docId) state.sessions.delete(id);
      if (found !== undefined) state.purged.set(docId, found.record.metadataVersion);
      return documents.delete(docId);
    },
    async list(filter, sort, page) {
      const kind = sort.by === "name" ? "text" : "time";
      const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, kind, "uuid");
      const direction = sort.order === "asc" ? 1 : -1;
      const found = [...documents.values()]
        .map(({ record }) => record)
        .filter((record) => matches(record, filter))
        .map((record) => ({ record, key: sortKey(record, sort) }))
        .filter(({ record, key }) => {
          if (cursor === undefined) return true;
          return compare(key, cursor[0], record.docId, cursor[1]) * direction > 0;
        })
        .sort((a, b) => compare(a.key, b.key, a.record.docId, b.record.docId) * direction);
      const items = found.slice(0, page.limit);
      const last = items.at(-1);
      return {
        items: items.map(({ record }) => ({ ...record })),
        nextCursor:
          found.length > page.limit && last !== undefined ? writeCursor(last.key, last.record.docId) : null,
      };
    },
    async count(filter) {
      return [...documents.values()].filter(({ record }) => matches(record, filter)).length;
    },
    async heads(queries) {
      return queries.flatMap(({ docId, ids }) => {
        const document = documents.get(docId);
        if (document === undefined) return [];
        return [
          {
            head: headOf(document),
            known: (ids ?? []).flatMap((id) => knownOperation(document, id) ?? []),
            retainedFrom: document.retainedFrom,
          },
        ];
      });
    },
    async updateVersion(docId, from, to, content, by) {
      const document = documents.get(docId);
      if (document === undefined || document.record.version !== from) return false;
      const { record } = document;
      if (to !== from) {
        record.operationId = null;
        document.retainedFrom = to + 1;
      }
      Object.assign(record, { version: to, updatedBy: by, updatedAt: now() });
      document.content = { version: to, content };
      return true;
    },
    async writeContent(docId, at, content) {
      const { version } = at;
      const document = documents.get(docId);
      if (document === undefined || !isOfHistory(document, at)) return false;
      if (document.content !== undefined && document.content.version >= version) return false;
      document.content = { version, content };
      document.record.updatedAt = now();
      return true;
    },
    async readContent(docId) {
      return documents.get(docId)?.content;
    },
    async touch(edits) {
      for (const { docId, by, at, metadataVersion } of edits) {
        const record = documents.get(docId)?.record;
        if (record === undefined || record.metadataVersion !== metadataVersion) continue;
        record.updatedBy = by;
        if (record.updatedAt < at) record.updatedAt = at;
      }
      return [];
    },
    async addActiveUser(docId, user) {
      const document = documents.get(docId);
      if (document === undefined || document.record.activeUsers.includes(user)) return;
      document.record.activeUsers = [...document.record.activeUsers, user];
    },
    async removeActiveUser(docId, user) {
      const document = documents.get(docId);
      if (document !== undefined) {
        document.record.activeUsers = document.record.activeUsers.filter((other) => other !== user);
      }
    },
    async load(docId) {
      const document = documents.get(docId);
      if (document === undefined) return undefined;
      const nowMs = state.nowMs();
      const snapshot = usableSnapshot(document);
      const { version } = document.record;
      const from = snapshot && (snapshot.changes ?? snapshot.whole).version;
      return {
        document: copy(document),
        locks: lockList(document, nowMs),
        snapshot,
        tail: operationsBetween(document, (from ?? document.retainedFrom - 1) + 1, version),
        recentConflicts: [...document.conflicts.values()]
          .filter(({ lastAt, resolvedAt }) => resolvedAt === null || Date.parse(lastAt) > nowMs - joinableMs)
          .map((conflict) => conflictRecord(document, conflict)),
        heldBack: [...document.log.values()]
          .filter(({ status }) => status === "conflict")
          .sort((a, b) => a.version - b.version),
        retainedFrom: document.retainedFrom,
        now: timeOf(nowMs),
      };
    },
  };
}

function usableSnapshot(document: MemoryDocument): StoredSnapshot | undefined {
  const oldest = document.retainedFrom - 1;
  const kept = nearestSnapshot(document, oldest, document.record.version);
  if (kept !== undefined) return kept;
  const { content } = document;
  if (content === undefined || content.version < oldest || content.version === 0) return undefined;
  const inside = new TextDecoder().decode(content.content).trim().slice(1, -1).trim();
  const operationId = document.log.get(content.version)?.id ?? null;
  const elements = inside === "" ? [] : [inside];
  return { whole: { version: content.version, operationId, elements, memory: [] }, changes: undefined };
}

/** As VARCHAR(255). */
function checkName(name: string): void {
  if ([...name].length > 255) throw new StoreRefused("a document's name is longer than 255 characters");
}

function hasAccess(record: DocumentRecord, user: string): boolean {
  return record.owner === user || record.editors.includes(user) || record.viewers.includes(user);
}

/** The same, as far as the reader is shown the lists. */
function showsAccess(record: DocumentRecord, user: string, reader: Reader | undefined): boolean {
  if (record.owner === user || reader === undefined || reader.user === user) return hasAccess(record, user);
  const shown =
    record.owner === reader.user ||
    record.editors.includes(reader.user) ||
    reader.editable.includes(record.docId);
  return shown && hasAccess(record, user);
}

function matches(record: DocumentRecord, filter: DocumentFilter): boolean {
  const { readableBy } = filter;
  const text = filter.text?.toLowerCase();
  return (
    (filter.type === undefined || record.type === filter.type) &&
    (filter.state === undefined || record.state === filter.state) &&
    (filter.createdBy === undefined || record.createdBy === filter.createdBy) &&
    (filter.owner === undefined || record.owner === filter.owner) &&
    (filter.user === undefined || showsAccess(record, filter.user, readableBy)) &&
    (filter.activeUser === undefined || record.activeUsers.includes(filter.activeUser)) &&
    (filter.tag === undefined || record.tags.includes(filter.tag)) &&
    (text === undefined ||
      record.name.toLowerCase().includes(text) ||
      record.description.toLowerCase().includes(text)) &&
    (filter.properties === undefined || contains(record.properties, filter.properties)) &&
    (filter.public === undefined || record.public === filter.public) &&
    (readableBy === undefined ||
      hasAccess(record, readableBy.user) ||
      readableBy.docIds.includes(record.docId) ||
      (filter.public === true && record.public))
  );
}

/** `jsonb @>`: objects by key, arrays by some equal item, scalars by value. */
function contains(
  whole: Json | Readonly<Record<string, Json>>,
  part: Json | Readonly<Record<string, Json>>,
): boolean {
  if (Array.isArray(whole)) {
    if (!Array.isArray(part)) return typeof part !== "object" && whole.includes(part);
    return part.every((item) => whole.some((other) => contains(other, item)));
  }
  if (typeof whole !== "object" || whole === null) return whole === part;
  if (typeof part !== "object" || part === null || Array.isArray(part)) return false;
  const object: Readonly<Record<string, Json>> = whole;
  return Object.entries(part).every(([key, value]) => {
    const other = Object.hasOwn(object, key) ? object[key] : undefined;
    return other !== undefined && contains(other, value);
  });
}

function sortKey(record: DocumentRecord, sort: DocumentSort): string {
  return sort.by === "name" ? record.name.toLowerCase() : record[sort.by];
}

function compare(a: string, b: string, idA: string, idB: string): number {
  if (a !== b) return a < b ? -1 : 1;
  return idA === idB ? 0 : idA < idB ? -1 : 1;
}
